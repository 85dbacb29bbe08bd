/* SPDX-License-Identifier: MIT */
/*
 * Removes segments with a limited lifetime when they are due. A dedicated thread watches them: processes by
 * pidfd, times by the timeout of its sleep, closes by lifetime_closed().
 *
 * The arena records which nodes are watched, and when each was closed. For a start after both the supervisor
 * and the worker have ended, a segment with the lifetime last-close or ttl has its state in an attribute:
 * "open", or "closed" with the time, which is written when the mount ends.
 *
 * All functions but lifetime_start() may be called by any thread, without locks.
 */
#ifndef SEGFS_SEGMENT_LIFETIME_H
#define SEGFS_SEGMENT_LIFETIME_H

#include "fs/fuse/fs.h"

/* Starts the thread, which takes over the watches of an earlier worker. Returns 0; -ENOMEM; -EAGAIN. */
int lifetime_start(struct fs *fs);

/* The lifetime of a node was set. */
void lifetime_changed(uint64_t id);

/*
 * A node was opened, or a handle of it was released; without effect unless its lifetime is limited. The
 * second is called after the handle is removed. policy: the node's policy word.
 */
void lifetime_opened(struct fs *fs, uint64_t id, uint32_t policy);
void lifetime_closed(uint32_t policy);

/* The mount has ended: removes segments for which this is the last close, and ends the thread. */
void lifetime_stop(void);

#endif
