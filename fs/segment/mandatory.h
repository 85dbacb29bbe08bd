/* SPDX-License-Identifier: MIT */
/*
 * Mandatory locks: whether a request may read, write or resize a segment now, or has to wait.
 *
 * For the reader, which decides before it reads another request, so that nothing is locked between the decision and the I/O.
 */
#ifndef SEGFS_SEGMENT_MANDATORY_H
#define SEGFS_SEGMENT_MANDATORY_H

#include "fs/fuse/request.h"
#include "fs/state/lock.h"

/* What a request wants of the bytes of one segment. */
struct want {
	struct lock_request request; /* node, unique, pid and an exclusive type are filled before operation->wants() */
	bool nonblock;               /* EAGAIN rather than a wait */
};

/* Whether a request depends on mandatory locks. */
bool mandatory_concerns(const struct request *request);

/*
 * Whether a request may read or write what it wants to. Returns true: it may; false: it waits, and comes out of lock_next_outcome() as a
 * parked message, or has its reply.
 */
bool mandatory_admits(struct request *request);

/* Whether nothing has come in the way of an OPEN since, where another thread was the reader meanwhile. */
bool mandatory_still_admits(const struct request *request);

/* Ends waits that would never end, if it is time to look. Returns whether it was. */
bool mandatory_end_stuck(struct thread *thread);

/* Whether I/O of a node has to be over before the next request is read. By any thread. */
bool mandatory_is_on(const struct fs *fs, uint64_t node);

#endif
