/* SPDX-License-Identifier: MIT */
/*
 * The stored state of a segment with the lifetime last-close or ttl, for a start after both the supervisor
 * and the worker have ended. For last-close: the segment has been open. For ttl: it was closed at a time, or
 * a mount that tracked it has ended without storing the time. A state that cannot be stored is logged.
 *
 * All functions may be called by any thread, without locks.
 */
#ifndef SEGFS_SEGMENT_LIFETIME_USE_H
#define SEGFS_SEGMENT_LIFETIME_USE_H

#include "fs/fuse/fs.h"

/* Stores that the segment is open, or tracked by the running mount. No effect if that is stored already. */
void use_note_open(struct fs *fs, const struct node_slot *node);

/* Stores that it was closed, at the `closed_at` of its node. */
void use_note_closed(struct fs *fs, const struct node_slot *node);

/* Gets how long ago a segment was closed, in nanoseconds. Returns false if it may never have been open. */
bool use_read(struct fs *fs, const struct node_slot *node, uint64_t *ago);

#endif
