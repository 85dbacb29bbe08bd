/* SPDX-License-Identifier: MIT */
/*
 * A function that is run by a short-lived process, on this process's memory, while the calling thread waits as in vfork(2).
 *
 * It is for what a thread of a daemon can't do for itself: system calls with another user's credentials, of which nothing may be left
 * afterwards; and those that wait in the kernel for another process, which only a fatal signal ends. That process has a deadline.
 */
#ifndef SEGFS_BASE_DELEGATE_H
#define SEGFS_BASE_DELEGATE_H

#include "lib/base/credentials.h"

/* How it is run. */
struct delegate {
	const struct credentials *credentials; /* with which it runs, see credentials_take(); NULL: the calling thread's */
	unsigned int milliseconds;             /* after which it is killed; at least 1 */

	/*
	 * It has descriptors 0 to 2 only, and those that it opens are its own: none is left, whenever it is killed. Else it shares the table
	 * of descriptors, and has to note what it opens at once, for the caller to close.
	 */
	bool own_descriptors;
};

/*
 * Runs `call`. It may be killed between any two instructions: it makes system calls, by their plain wrappers, on memory that the caller
 * has prepared, but takes no lock and allocates nothing. It has 64 KiB of stack. errno is kept for the caller.
 * Returns what it returned; -ETIMEDOUT where it was killed at the deadline; -EAGAIN, -ENOMEM or another errno of a lack where it could
 * not be made, or not be given its credentials. `call` has not been called then.
 */
int delegate_run(const struct delegate *how, int (*call)(void *context), void *context);

/* Whether a process is one that is run for this one now: to who looks at processes it is part of this program. Makes no system call. */
bool delegate_is(pid_t process);

#endif
