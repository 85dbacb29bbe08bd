// SPDX-License-Identifier: MIT
#include "tests/lib/callkinds.h"
#include "lib/base/cleanup.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define KINDS_MAX  2000
#define STACK_LOOK 4096 /* bytes of the stack searched for callers */
#define CALLERS    2    /* return addresses that identify a call site */

struct call_kinds {
	unsigned int n;
	uint64_t hashes[KINDS_MAX];
};

struct call_kinds *call_kinds_new(void)
{
	void *memory = mmap(NULL, sizeof(struct call_kinds), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

void call_kinds_free(struct call_kinds *kinds)
{
	munmap(kinds, sizeof(*kinds));
}

struct call_text call_text_of(pid_t process)
{
	_cleanup_fclose_ FILE *maps = fopen(path_of("/proc/%d/maps", process), "re");
	struct call_text text = {0};
	char program[PATH_MAX];
	char line[PATH_MAX + 128];
	ssize_t length = readlink(path_of("/proc/%d/exe", process), program, sizeof(program) - 1);

	program[length > 0 ? length : 0] = '\0';
	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, " r-xp ") && strstr(line, program))
			sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &text.start, &text.end);
	assert_true(text.end > text.start);
	return text;
}

/* Identified by its number only; all returns are alike. */
static uint64_t hash_of_call(const struct __ptrace_syscall_info *info)
{
	return info->op == PTRACE_SYSCALL_INFO_ENTRY ? info->entry.nr + 1 : UINT64_MAX;
}

/*
 * The call and its innermost callers within the program: all words of the stack that may be return addresses.
 * A stale one makes another kind, that is, one more stop.
 */
static uint64_t hash_of(const struct call_text *text, pid_t thread, const struct __ptrace_syscall_info *info)
{
	uintptr_t words[STACK_LOOK / sizeof(uintptr_t)] = {0};
	const struct iovec to = {.iov_base = words, .iov_len = sizeof(words)};
	const struct iovec from = {.iov_base = (void *)(uintptr_t)info->stack_pointer,
				   .iov_len = sizeof(words)};
	ssize_t length = process_vm_readv(thread, &to, 1, &from, 1, 0);
	uint64_t hash = hash_of_call(info);
	int callers = 0;

	for (ssize_t i = 0; i < length / (ssize_t)sizeof(words[0]) && callers < CALLERS; i++) {
		if (words[i] < text->start || words[i] >= text->end)
			continue;
		hash = (hash ^ (words[i] - text->start)) * UINT64_C(0x100000001b3);
		callers++;
	}
	return hash;
}

bool call_is_of_new_kind(struct call_kinds *kinds, const struct call_text *text, pid_t thread,
			 const struct __ptrace_syscall_info *info)
{
	const uint64_t hash = hash_of(text, thread, info);

	for (unsigned int i = 0; i < kinds->n; i++)
		if (kinds->hashes[i] == hash)
			return false;
	if (kinds->n == KINDS_MAX)
		return false;
	kinds->hashes[kinds->n++] = hash;
	return true;
}
