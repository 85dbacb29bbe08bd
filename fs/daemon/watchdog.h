/* SPDX-License-Identifier: MIT */
/*
 * Detects a hung worker by periodic checks of the arena and the connection. It is hung if unread requests
 * wait longer than the limit and none is read, or if a request is in flight for longer. Requests that may
 * take any time do not count: those that wait for a lock, a device or another process, or fill memory.
 *
 * Belongs to the supervisor. Allocates nothing.
 */
#ifndef SEGFS_DAEMON_WATCHDOG_H
#define SEGFS_DAEMON_WATCHDOG_H

#include "fs/state/arena.h"

#include <stdbool.h>
#include <sys/types.h>

/* Results of the last checks; all zeros for a new worker. */
struct watchdog {
	uint64_t requests;   /* requests read by then */
	unsigned int unread; /* consecutive checks with unread requests and no progress */
	uint64_t unique;     /* the request over the limit */
};

/* Returns the nanoseconds until the next check; 0 = never, as there is no limit. */
int64_t watchdog_pause(const struct arena_header *header);

/*
 * Checks once. Returns whether the worker is hung; then the reason is logged and the request at fault is
 * marked in the journal.
 */
bool watchdog_check(struct watchdog *watchdog, struct arena_header *header);

/* Logs where the threads of a worker are that is about to be killed. Takes a tenth of a second. */
void watchdog_log_threads(struct arena_header *header, pid_t worker);

#endif
