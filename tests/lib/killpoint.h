/* SPDX-License-Identifier: MIT */
/*
 * Killing the worker at a point that can be chosen: before or after its Nth system call from now on. A child process
 * follows the worker with ptrace(2), counts, and kills.
 */
#ifndef SEGFS_TESTS_KILLPOINT_H
#define SEGFS_TESTS_KILLPOINT_H

#include "tests/mount/harness.h"

struct killpoint {
	pid_t worker;  /* whom it follows */
	pid_t tracer;  /* the child that does */
	struct killpoint_shared *shared;
};

/*
 * Lets the worker run until its system calls have begun or ended `n` times, counted from 1, and kills it then.
 * Returns once the worker is followed: 0, or -errno (EPERM, ENOSYS: ptrace(2) is not to be had here).
 */
int killpoint_set(struct killpoint *point, const struct mount *mount, unsigned int n);

/* Whether the worker has been killed. */
bool killpoint_killed(const struct killpoint *point);

/*
 * Ends it, and lets go of a worker that has not come that far.
 * Returns whether the worker was killed; then waits until another one answers.
 */
bool killpoint_end(struct killpoint *point, const struct mount *mount);

#endif
