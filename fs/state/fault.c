// SPDX-License-Identifier: MIT
#include "fs/state/fault.h"
#include "fs/state/journal.h"
#include "lib/base/log.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STACK_SIZE (64u * 1024u) /* bytes: of a handler that tells a stack */

static struct arena_header *told; /* where stacks go */

void fault_prepare(void)
{
	void *frame;

	backtrace(&frame, 1);
}

static void tell_stack(void)
{
	uint32_t n = atomic_fetch_add(&told->n_stacks, 1);
	void *frames[ARENA_FRAMES];
	struct stack_record *record;

	if (n >= ARENA_STACKS)
		return;
	record = &told->stacks[n];
	record->n = (uint32_t)backtrace(frames, ARENA_FRAMES);
	for (uint32_t i = 0; i < record->n; i++)
		record->frames[i] = (uint64_t)(uintptr_t)frames[i];
	atomic_store(&record->thread, gettid());
}

static void tell(int signal)
{
	(void)signal;
	tell_stack();
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* What another process sends says nothing of what this thread does. */
static void fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code != SI_USER) {
		journal_blame();
		tell_stack();
	}
	/* it comes when the handler returns, and does what it does by default */
	raise(signal);
}
#endif

void fault_setup(struct arena_header *header)
{
	struct sigaction action = {.sa_handler = tell, .sa_flags = SA_ONSTACK | SA_RESTART};

	told = header;
	sigaction(FAULT_TELL_SIGNAL, &action, NULL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	/* which have reports of their own */
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};

	action = (struct sigaction){.sa_sigaction = fault, .sa_flags = (int)(SA_ONSTACK | SA_SIGINFO | SA_RESETHAND)};
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigaction(faults[i], &action, NULL);
#endif
}

void *fault_thread_init(void)
{
	stack_t stack = {.ss_size = STACK_SIZE};

	stack.ss_sp = malloc(STACK_SIZE);
	if (stack.ss_sp && sigaltstack(&stack, NULL) < 0) {
		free(stack.ss_sp);
		return NULL;
	}
	return stack.ss_sp;
}

void fault_thread_done(void *stack)
{
	const stack_t none = {.ss_flags = SS_DISABLE};

	if (!stack)
		return;
	sigaltstack(&none, NULL);
	free(stack);
}

void fault_clear(struct arena_header *header)
{
	for (uint32_t i = 0; i < ARENA_STACKS; i++)
		atomic_store(&header->stacks[i].thread, 0);
	atomic_store(&header->n_stacks, 0);
}

/* The worker was started as this process was, so that its addresses are the same ones. */
static void log_frame(uint64_t address)
{
	const void *at = (const void *)(uintptr_t)address;
	Dl_info info;

	if (dladdr(at, &info) && info.dli_fname)
		log_warning("    %s+%#llx%s%s%s", info.dli_fname,
			    (unsigned long long)(address - (uint64_t)(uintptr_t)info.dli_fbase), info.dli_sname ? " (" : "",
			    info.dli_sname ? info.dli_sname : "", info.dli_sname ? ")" : "");
	else
		log_warning("    %#llx", (unsigned long long)address);
}

void fault_log(const struct arena_header *header)
{
	for (uint32_t i = 0; i < ARENA_STACKS; i++) {
		const struct stack_record *record = &header->stacks[i];
		int32_t thread = atomic_load(&record->thread);

		if (!thread)
			continue;
		log_warning("stack of thread %d; addr2line -e FILE ADDRESS tells the lines:", thread);
		for (uint32_t frame = 0; frame < record->n && frame < ARENA_FRAMES; frame++)
			log_frame(record->frames[frame]);
	}
}
