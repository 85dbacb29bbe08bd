/* SPDX-License-Identifier: MIT */
/*
 * What is noted with a segment that ends with its last close, or some time after it: whether it is open, or when it was
 * closed. It is for a start after the end of both the supervisor and the worker. A note that can't be made is logged.
 *
 * All functions may be called by any thread, without locks.
 */
#ifndef SEGFS_OPS_LIFETIME_USE_H
#define SEGFS_OPS_LIFETIME_USE_H

#include "fs/ops/fs.h"

/* The segment is open. */
void use_note_open(struct fs *fs, const struct node_slot *node);

/* It was closed at its `closed_at`. */
void use_note_closed(struct fs *fs, const struct node_slot *node);

/* How long ago, in nanoseconds, a segment was closed; false where it is not known to have been open at all. */
bool use_read(struct fs *fs, const struct node_slot *node, uint64_t *ago);

#endif
