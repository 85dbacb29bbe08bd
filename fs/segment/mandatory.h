/* SPDX-License-Identifier: MIT */
/*
 * Mandatory locks: whether a request may read, write or resize a segment now, or has to wait.
 *
 * For the reader, which decides before it reads another request, so that nothing is locked between the decision and the I/O.
 */
#ifndef SEGFS_SEGMENT_MANDATORY_H
#define SEGFS_SEGMENT_MANDATORY_H

#include "fs/fuse/fs.h"

/*
 * Whether the calling thread's request may read or write what it wants to, where locks are mandatory.
 * Returns true: it may; false: it waits, and comes out of lock_next_outcome() as a parked message, or has been answered.
 */
bool mandatory_admits(struct fs *fs);

/* Whether nothing has come in the way of an OPEN since, where another thread was the reader meanwhile. */
bool mandatory_still_admits(struct fs *fs);

/* Ends waits that would never end, if it is time to look; for the reader, between requests. Returns whether it was. */
bool mandatory_end_stuck(struct fs *fs);

/* Whether I/O of a node has to be over before the next request is read. */
bool mandatory_is_on(const struct fs *fs, uint64_t node);

/*
 * Whether the calling thread's request depends on mandatory locks: for the reader alone, which does not hand over.
 */
bool mandatory_concerns(const struct fs *fs);

#endif
