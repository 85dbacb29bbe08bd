/* SPDX-License-Identifier: MIT */
/*
 * A look into a running segfs from outside: its arena, through /proc/PID/fd of the supervisor, which has to be a child
 * of the caller or of the caller's user. Works on a copy; the daemon notices nothing.
 */
#ifndef SEGFS_TESTS_LOOK_H
#define SEGFS_TESTS_LOOK_H

#include <sys/types.h>

struct finding {
	int handles;   /* opens that the daemon knows, -1 = not found out */
	int waiting;   /* requests that wait for a lock, or to read or write */
	char why[512]; /* the first invariant that does not hold, "" = all do */
};

/* What is found may be out of step where requests are under way: ask again. */
struct finding look_into(pid_t supervisor);

#endif
