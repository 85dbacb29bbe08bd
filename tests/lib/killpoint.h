/* SPDX-License-Identifier: MIT */
/*
 * Killing the worker at a point that can be chosen: before or after its Nth system call from now on; and the one after it at such a
 * point of its own, counted from its birth. A child process follows them with ptrace(2), counts, and kills.
 */
#ifndef SEGFS_TESTS_KILLPOINT_H
#define SEGFS_TESTS_KILLPOINT_H

#include "tests/lib/callkinds.h"
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

/* The same, and kills the next worker when its calls have begun or ended `next` times. */
int killpoint_set_two(struct killpoint *point, const struct mount *mount, unsigned int n, unsigned int next);

/* As killpoint_set(): kills it at the first begin, or end, of a call of a kind that is not known, which it is from then on. */
int killpoint_set_kind(struct killpoint *point, const struct mount *mount, struct call_kinds *kinds);

/* How many workers have been killed. */
unsigned int killpoint_killed(const struct killpoint *point);

/* How many points the first worker, if it was not killed, and the next one have passed. */
unsigned int killpoint_passed(const struct killpoint *point);
unsigned int killpoint_passed_by_next(const struct killpoint *point);

/*
 * Ends it, and lets go of a worker that has not come that far.
 * Returns how many workers were killed; if any, then waits until another one answers.
 */
unsigned int killpoint_end(struct killpoint *point, const struct mount *mount);

#endif
