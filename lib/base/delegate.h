/* SPDX-License-Identifier: MIT */
/*
 * Runs a function in a short-lived process that shares this process's memory, while the calling thread waits
 * as in vfork(2).
 *
 * It is for what a thread of a daemon cannot do itself: system calls with another user's credentials that
 * must leave no trace, and system calls that block on another process and end by a fatal signal only. The
 * process has a deadline.
 */
#ifndef SEGFS_BASE_DELEGATE_H
#define SEGFS_BASE_DELEGATE_H

#include "lib/base/credentials.h"

/* How a delegate runs. */
struct delegate {
	const struct credentials *credentials; /* see credentials_set(); NULL: the calling thread's */
	/* deadline on a usual machine, after which it is killed; at least 1. See delegate_calibrate() */
	unsigned int milliseconds;

	/*
	 * true: the delegate has a descriptor table of its own with 0 to 2 only, so it leaks no descriptor
	 * whenever it is killed. false: it shares the caller's table and must record at once what it opens,
	 * for the caller to close.
	 */
	bool own_descriptors;
};

/*
 * Runs `call` in a delegate, which may be killed between any two instructions. `call` may use plain
 * system-call wrappers and memory prepared by the caller; it must not take locks or allocate. Its stack is 64
 * KiB. Preserves the caller's errno.
 * Returns the result of `call`; -ETIMEDOUT if it was killed at the deadline; -EAGAIN, -ENOMEM or another
 * errno of a resource shortage if the process could not be created or set up, in which case `call` has not
 * run.
 */
int delegate_run(const struct delegate *how, int (*call)(void *context), void *context);

/*
 * Measures what a delegate takes that nothing holds up, and makes the deadlines of later ones, in this
 * process and its future children, longer in proportion, up to tenfold. Otherwise each look at a process
 * would time out on a machine that is slow enough, such as an emulated one. Call it before there are threads.
 * Takes 1 ms on a usual machine.
 */
void delegate_calibrate(void);

/* What `milliseconds` on a usual machine are on this one, for a time that covers several delegates. */
unsigned int delegate_time(unsigned int milliseconds);

/*
 * Whether a process is a delegate running for this process now. Code that scans processes treats it as part
 * of this program. Makes no system call.
 */
bool delegate_is(pid_t process);

#endif
