/* SPDX-License-Identifier: MIT */
/*
 * Locks of whole files that belong to an open file description. A wait with a deadline uses SIGALRM and
 * ITIMER_REAL of the process, so that only one thread may wait.
 */
#ifndef SEGFS_TOOL_WAITING_H
#define SEGFS_TOOL_WAITING_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Locks a file, which is open for writing if `exclusive`. timeout: nanoseconds; 0 = does not wait;
 * WAITING_FOREVER. Returns 0; -EAGAIN, others have locked it, and the time is over; a negative errno.
 */
int waiting_lock(int fd, bool exclusive, uint64_t timeout);

#define WAITING_FOREVER UINT64_MAX

#endif
