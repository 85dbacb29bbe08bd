/* SPDX-License-Identifier: MIT */
/*
 * Inspects a running segfs from outside: its arena, through /proc/PID/fd of the supervisor, which must be a
 * child of the caller or run as the caller's user. Works on a copy; the daemon is not affected.
 */
#ifndef SEGFS_TESTS_LOOK_H
#define SEGFS_TESTS_LOOK_H

#include <sys/types.h>

struct finding {
	int handles;   /* open handles, -1 = unknown */
	int waiting;   /* requests that wait for a lock or for I/O */
	int running;   /* requests that are being carried out */
	char why[512]; /* the first violated invariant, "" = none */
};

/* Results may be inconsistent while requests are in flight; try again then. */
struct finding look_into(pid_t supervisor);

#endif
