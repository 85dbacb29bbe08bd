/* SPDX-License-Identifier: MIT */
/*
 * The end of segments whose life is limited. A thread of its own watches over them, and removes them when their time has come:
 * processes by pidfd, times by its own sleep, closes by being told.
 *
 * Which nodes are watched, and when each was closed, is in the arena. For a start after both the supervisor and the worker have
 * ended, a segment that ends with its last close, or some time after it, says in an attribute what became of it: "open", or
 * "closed" with the time, which the end of the mount writes.
 *
 * All functions but lifetime_start() may be called by any thread, without locks.
 */
#ifndef SEGFS_SEGMENT_LIFETIME_H
#define SEGFS_SEGMENT_LIFETIME_H

#include "fs/fuse/fs.h"

/* Starts the thread, which takes up what an earlier worker watched. Returns 0; -ENOMEM; -EAGAIN. */
int lifetime_start(struct fs *fs);

/* A node's lifetime was set. */
void lifetime_changed(uint64_t id);

/* A node was opened, or closed; nothing happens where its life isn't limited. The second comes after the handle is gone. */
void lifetime_opened(struct fs *fs, uint64_t id, uint32_t policy);
void lifetime_closed(uint32_t policy);

/* The mount is gone: ends what ends with its last close, and the thread. */
void lifetime_stop(void);

#endif
