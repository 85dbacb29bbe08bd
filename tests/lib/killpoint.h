/* SPDX-License-Identifier: MIT */
/*
 * Kills the worker at a chosen point: before or after its Nth system call from now on; and optionally the
 * next worker at a point counted from its start. A child process follows them with ptrace(2).
 */
#ifndef SEGFS_TESTS_KILLPOINT_H
#define SEGFS_TESTS_KILLPOINT_H

#include "tests/lib/callkinds.h"
#include "tests/mount/harness.h"

struct killpoint {
	pid_t worker; /* the worker followed */
	pid_t tracer; /* the child process */
	struct killpoint_shared *shared;
};

/*
 * Lets the worker run until the `n`th entry or exit of its system calls, counted from 1, and kills it there.
 * Returns once the worker is followed: 0, or -errno (EPERM, ENOSYS: no ptrace(2) here).
 */
int killpoint_set(struct killpoint *point, const struct mount *mount, unsigned int n);

/* Like killpoint_set(); also kills the next worker at its `next`th entry or exit. */
int killpoint_set_two(struct killpoint *point, const struct mount *mount, unsigned int n, unsigned int next);

/*
 * Like killpoint_set(), at the first entry or exit of a call of an unknown kind, which is known from then on.
 */
int killpoint_set_kind(struct killpoint *point, const struct mount *mount, struct call_kinds *kinds);

/* The number of workers killed. */
unsigned int killpoint_killed(const struct killpoint *point);

/* The number of points passed by the first worker, if it was not killed, and by the next one. */
unsigned int killpoint_passed(const struct killpoint *point);
unsigned int killpoint_passed_by_next(const struct killpoint *point);

/*
 * Ends the killpoint and detaches from workers that have not reached it.
 * Returns the number of workers killed; if any, waits until the next one serves.
 */
unsigned int killpoint_end(struct killpoint *point, const struct mount *mount);

#endif
