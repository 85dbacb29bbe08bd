/* SPDX-License-Identifier: MIT */
/*
 * Mandatory locks: whether a request may read, write or resize a segment now, or has to wait.
 *
 * For the reader thread, which decides before it reads another request, so that no lock is set between the
 * decision and the I/O.
 */
#ifndef SEGFS_SEGMENT_MANDATORY_H
#define SEGFS_SEGMENT_MANDATORY_H

#include "fs/fuse/request.h"
#include "fs/state/lock.h"

/* The access to the bytes of one segment that a request needs. */
struct want {
	struct lock_request request; /* node, unique, pid, exclusive type: set before operation->wants() */
	bool nonblock;               /* fail with EAGAIN instead of waiting */
};

/*
 * Whether the mount can enforce mandatory locks. Returns 0; -EOPNOTSUPP if it leaves locks to the kernel, see
 * -o mand: the first such answer of a worker is logged.
 */
int mandatory_available(const struct fs *fs);

/* Whether a request depends on mandatory locks. */
bool mandatory_concerns(const struct request *request);

/*
 * Whether a request may do its I/O now. If not, it has its reply, or is parked until lock_next_outcome()
 * reports it.
 */
bool mandatory_admits(struct request *request);

/* Whether an OPEN is still admitted after another thread was the reader. */
bool mandatory_still_admits(const struct request *request);

/*
 * The reader's step of a deadlock check, if it is due. Returns whether it was the last step, which ends
 * deadlocked requests.
 */
bool mandatory_end_stuck(struct thread *thread);

/* Whether a node's locks are mandatory: its I/O ends before the next request is read. For any thread. */
bool mandatory_is_on(const struct fs *fs, uint64_t node);

#endif
