// SPDX-License-Identifier: MIT
/*
 * Generates the system-call filters as C, from the tables of calls.c, and the names of all calls. Runs when
 * the program is built, so that the program needs neither libseccomp nor memory for them: libseccomp makes
 * thousands of small allocations per filter, and does not survive a failure of some of them.
 */
#include "fs/filter/calls.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define API_LEVEL        3    /* libseccomp's: what SCMP_ACT_KILL_PROCESS requires */
#define INSTRUCTIONS_MAX 4096 /* the kernel's maximum */
#define FIRST_UNKNOWN    471  /* number of the first system call that is newer than this program */
#define LAST_UNKNOWN     599  /* leaves room for some years of new system calls */

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "filter: %s: %s\n", what, strerror(-result));
	exit(EXIT_FAILURE);
}

/* A call that this architecture lacks needs no rule. */
static void add(scmp_filter_ctx context, uint32_t action, int call, const struct scmp_arg_cmp *argument)
{
	int result = seccomp_rule_add_array(context, action, call, argument ? 1 : 0, argument);

	must(result == -EDOM ? 0 : result, "a rule");
}

static void add_worker_rules(scmp_filter_ctx context)
{
	for (size_t i = 0; i < filter_n_allowed; i++)
		add(context, SCMP_ACT_ALLOW, filter_allowed[i], NULL);
	for (size_t i = 0; i < filter_n_limited; i++)
		add(context, filter_limited[i].action, filter_limited[i].call,
		    filter_limited[i].argument.op ? &filter_limited[i].argument : NULL);
	for (int call = FIRST_UNKNOWN; call <= LAST_UNKNOWN; call++)
		add(context, SCMP_ACT_ERRNO(ENOSYS), call, NULL);
}

/*
 * SCMP_ACT_TRAP, since a stronger action would take precedence over the worker's filter, whose calls its
 * handler reports.
 */
static void add_supervisor_rules(scmp_filter_ctx context)
{
	for (size_t i = 0; i < filter_n_forbidden; i++)
		add(context, SCMP_ACT_TRAP, filter_forbidden[i], NULL);
}

/* libseccomp before 2.6 exports filters to files only. Returns the number of instructions. */
static size_t take_instructions(scmp_filter_ctx context, struct sock_filter *instructions)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t length;

	must(fd < 0 ? -errno : 0, "a file");
	must(seccomp_export_bpf(context, fd), "the instructions");
	length = pread(fd, instructions, sizeof(*instructions) * INSTRUCTIONS_MAX, 0);
	must(length <= 0 ? -EIO : 0, "the instructions");
	must(length == (ssize_t)sizeof(*instructions) * INSTRUCTIONS_MAX ? -E2BIG : 0, "the instructions");
	close(fd);
	return (size_t)length / sizeof(*instructions);
}

/* FNV-1a */
static uint32_t hash(const void *bytes, size_t n)
{
	uint32_t value = 2166136261u;

	for (size_t i = 0; i < n; i++)
		value = (value ^ ((const unsigned char *)bytes)[i]) * 16777619u;
	return value;
}

static void write_filter(const char *name, uint32_t by_default, void (*add_rules)(scmp_filter_ctx context))
{
	static struct sock_filter instructions[INSTRUCTIONS_MAX];
	scmp_filter_ctx context = seccomp_init(by_default);
	size_t n;

	must(context ? 0 : -ENOMEM, "a filter");
	must(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
	     "other architectures");
	/*
	 * a binary tree: the kernel caches which calls are always allowed, and runs the filter for all others
	 */
	must(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "a tree");
	add_rules(context);
	n = take_instructions(context, instructions);
	seccomp_release(context);
	printf("\nstatic struct sock_filter %s_instructions[] = {\n", name);
	for (size_t i = 0; i < n; i++)
		printf("\t{0x%x, %u, %u, 0x%x},\n", instructions[i].code, instructions[i].jt,
		       instructions[i].jf, instructions[i].k);
	printf("};\n\nconst struct filter_program filter_for_%s = {{%zu, %s_instructions}, 0x%x};\n", name, n,
	       name, hash(instructions, n * sizeof(*instructions)));
}

static void write_names(void)
{
	printf("\nconst char *const filter_call_names[] = {\n");
	for (int call = 0; call < FIRST_UNKNOWN; call++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, call);

		if (name)
			printf("\t[%d] = \"%s\",\n", call, name);
		free(name);
	}
	printf("};\n\nconst size_t filter_n_call_names = sizeof(filter_call_names) / "
	       "sizeof(filter_call_names[0]);\n");
}

int main(void)
{
	/* libseccomp would ask this kernel, or this emulator, which is not the one that gets the filters */
	must(seccomp_api_set(API_LEVEL), "the actions");
	printf("/* written by fs/filter/generate.c */\n#include \"fs/daemon/filter_programs.h\"\n");
	write_filter("worker", SCMP_ACT_TRAP, add_worker_rules);
	write_filter("supervisor", SCMP_ACT_ALLOW, add_supervisor_rules);
	write_names();
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
