/* SPDX-License-Identifier: MIT */
/*
 * For unit tests of a worker's death at any instruction: a child process that works on memory shared with the
 * test and is single-stepped.
 */
#ifndef SEGFS_TESTS_UNIT_STEPS_H
#define SEGFS_TESTS_UNIT_STEPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define STEPS_UNTRACED 77 /* exit status of a child that may not be followed */

/* Two alternating processes are many times faster on one CPU. Returns the previous affinity. */
static inline cpu_set_t steps_on_one_processor(void)
{
	cpu_set_t all, one;

	assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	return all;
}

/*
 * Starts a child that is about to run `live`, and exits with status 0 afterwards. It does not outlive the
 * test. Skips the case if ptrace(2) is not permitted.
 */
static inline pid_t steps_start(void (*live)(void))
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(STEPS_UNTRACED);
		raise(SIGSTOP);
		live();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == STEPS_UNTRACED) {
		print_message("missing: ptrace(2)\n");
		skip();
	}
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_EXITKILL), 0);
	return child;
}

/* Executes one instruction. Returns false once the child has exited; fails if it ended in another way. */
static inline bool steps_next(pid_t child)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
		fail_msg("the worker ended with status %#x", (unsigned int)status);
	return true;
}

#endif
