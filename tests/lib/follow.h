/* SPDX-License-Identifier: MIT */
/*
 * Following a worker, system call by system call, with ptrace(2): what killpoint and failpoint have in common. A child
 * process of the test does it, so that the test itself can wait for the worker.
 */
#ifndef SEGFS_TESTS_FOLLOW_H
#define SEGFS_TESTS_FOLLOW_H

#include "tests/mount/harness.h"

#include <stdatomic.h>

/* What the test and the follower share; the beginning of what each kind of point adds to it. */
struct follow_shared {
	atomic_int error;     /* of taking hold of the worker; -1 = not yet */
	atomic_bool stop;     /* let go */
	pid_t supervisor;     /* followed as well, to have the next worker from its birth; 0 = it is not */
	atomic_int next;      /* that worker; 0 = there is none yet */
};

/* A stop of a thread that is followed, at the begin or the end of a system call, or for another reason. */
struct follow_stop {
	pid_t thread;
	int status;        /* as waitpid(2) has it */
	bool is_call;
	bool is_next;      /* ... of the next worker */
	bool is_supervisor;
};

/*
 * Starts the follower, a child process that takes hold of all threads of `worker`, of those that they start, and of the processes
 * that they fork; then it calls `follow` with `context`, and ends.
 * worker: 0 = only the next one is wanted. shared: in memory that both see; all zero but for `supervisor`. child: becomes its pid, also
 * on failure.
 * Returns once the worker is followed: 0, or -errno (EPERM, ENOSYS: ptrace(2) is not to be had here).
 */
int follow_start(pid_t worker, struct follow_shared *shared, void (*follow)(void *context), void *context, pid_t *child);

/* Has it let go of the worker, if it still has it, and waits for its end. */
void follow_end(struct follow_shared *shared, pid_t child);

/* For the follower: waits until a thread stops. Returns false where there is nobody to follow, or it is to let go. */
bool follow_next(struct follow_shared *shared, struct follow_stop *stop);

/* For the follower: lets a stopped thread run to its next stop. */
void follow_resume(const struct follow_stop *stop);

/* For the follower: waits until all that it follows has ended. */
void follow_wait_ends(void);

#endif
