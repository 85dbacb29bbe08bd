/* SPDX-License-Identifier: MIT */
/*
 * What is noted with a segment that ends with its last close, or some time after it, for a start after the end of both the
 * supervisor and the worker: one that ends with its last close has been open; one that ends after a time was closed at such a time, or
 * a mount was there that knew, and has ended without saying so. A note that can't be made is logged.
 *
 * All functions may be called by any thread, without locks.
 */
#ifndef SEGFS_SEGMENT_LIFETIME_USE_H
#define SEGFS_SEGMENT_LIFETIME_USE_H

#include "fs/fuse/fs.h"

/* The segment is open, or the mount knows whether it is. Changes nothing where that is noted already. */
void use_note_open(struct fs *fs, const struct node_slot *node);

/* It was closed at its `closed_at`. */
void use_note_closed(struct fs *fs, const struct node_slot *node);

/* How long ago, in nanoseconds, a segment was closed; false where it is not known to have been open at all. */
bool use_read(struct fs *fs, const struct node_slot *node, uint64_t *ago);

#endif
