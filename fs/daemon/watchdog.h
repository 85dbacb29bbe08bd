/* SPDX-License-Identifier: MIT */
/*
 * Finds out that a worker does not go on, by looking at the arena and at the connection every now and then. It is hung where
 * requests that nobody has read wait for longer than the limit and none is read, or where one that was read is being carried out for that
 * long. What may take any time is no hang: waiting for a lock, a device, another process, or memory to be filled.
 *
 * Belongs to the supervisor. Takes no memory.
 */
#ifndef SEGFS_DAEMON_WATCHDOG_H
#define SEGFS_DAEMON_WATCHDOG_H

#include "fs/state/arena.h"

#include <stdbool.h>
#include <sys/types.h>

/* What was seen at the last looks; all zeros for a new worker. */
struct watchdog {
	uint64_t requests;   /* that workers had read */
	unsigned int unread; /* looks in a row that found requests unread, and none read since the one before */
	uint64_t unique;     /* the request that was over the limit */
};

/* Nanoseconds until the next look; 0 = never: there is no limit. */
int64_t watchdog_pause(const struct arena_header *header);

/* One look. Returns whether the worker is hung; then the request is blamed that it hangs in, and the log says why. */
bool watchdog_look(struct watchdog *watchdog, struct arena_header *header);

/* Writes to the log where the threads of a worker are that is about to be killed. Takes a tenth of a second. */
void watchdog_tell(struct arena_header *header, pid_t worker);

#endif
