/* SPDX-License-Identifier: MIT */
/* Locks of files, as they belong to an open file description. */
#ifndef SEGFS_TOOL_FILELOCK_H
#define SEGFS_TOOL_FILELOCK_H

#include <stdbool.h>
#include <stdint.h>

struct option_number;

#define FILELOCK_FOREVER UINT64_MAX

/* The timeout of the functions below that --nonblock and --timeout mean. */
uint64_t filelock_timeout(bool nonblock, const struct option_number *timeout);

struct filelock {
	bool by_flock;          /* flock(2), which has no ranges; otherwise fcntl(2) */
	bool shared;            /* otherwise exclusive */
	uint64_t start, length; /* bytes; 0 = to the end, whatever that will be */
};

/*
 * Takes a lock. It ends when the descriptor is closed.
 * timeout: nanoseconds; 0 = does not wait; FILELOCK_FOREVER = as long as it takes. Uses SIGALRM and its
 * timer. Returns 0; -EAGAIN: another one has it; -ETIMEDOUT; the errno of fcntl(2) or flock(2).
 */
int filelock_take(int fd, const struct filelock *lock, uint64_t timeout);

/* The same for the whole file, by fcntl(2). -EAGAIN also if the time is over. */
int filelock_take_all(int fd, bool exclusive, uint64_t timeout);

/* The process that is in the way of a lock of fcntl(2); 0 = unknown. */
long filelock_holder(int fd, const struct filelock *lock);

#endif
