/* SPDX-License-Identifier: MIT */
/*
 * Follows a worker from system call to system call with ptrace(2); shared by killpoint and failpoint. A child
 * process of the test does it, so that the test itself can wait for the worker.
 */
#ifndef SEGFS_TESTS_FOLLOW_H
#define SEGFS_TESTS_FOLLOW_H

#include "tests/mount/harness.h"

#include <stdatomic.h>

/* State shared by the test and the follower; each kind of point extends it. */
struct follow_shared {
	atomic_int error; /* result of attaching to the worker; -1 = not attached yet */
	atomic_bool stop; /* detach */
	pid_t supervisor; /* followed, too, to catch the next worker at its start; 0 = not followed */
	atomic_int next;  /* pid of that worker; 0 = none yet */
};

/* A stop of a followed thread, at the entry or exit of a system call, or for another reason. */
struct follow_stop {
	pid_t thread;
	int status; /* of waitpid(2) */
	bool is_call;
	bool is_next; /* a thread of the next worker */
	bool is_supervisor;
};

/*
 * Starts the follower: a child process that attaches to all threads of `worker`, those that they start and
 * the processes that they fork, calls `follow` with `context`, and exits.
 * worker: 0 = follow the next one only. shared: in shared memory, all zeros except `supervisor`. child:
 * receives its pid, also on failure.
 * Returns once the worker is followed: 0, or -errno (EPERM, ENOSYS: no ptrace(2) here).
 */
int follow_start(pid_t worker, struct follow_shared *shared, void (*follow)(void *context), void *context,
		 pid_t *child);

/* Detaches the follower from the worker, if still attached, and waits for its exit. */
void follow_end(struct follow_shared *shared, pid_t child);

/*
 * For the follower: waits until a thread stops. Returns false if nothing is left to follow, or it must
 * detach.
 */
bool follow_next(struct follow_shared *shared, struct follow_stop *stop);

/* For the follower: continues a thread to its next stop. */
void follow_resume(const struct follow_stop *stop);

/* For the follower: waits until everything that it follows has exited. */
void follow_wait_ends(void);

#endif
