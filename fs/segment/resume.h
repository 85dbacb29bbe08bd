/* SPDX-License-Identifier: MIT */
/*
 * Requests that waited for a lock, or to read or write where locks are mandatory, and whose wait is over.
 *
 * For the reader, between requests.
 */
#ifndef SEGFS_SEGMENT_RESUME_H
#define SEGFS_SEGMENT_RESUME_H

#include "fs/fuse/request.h"

/*
 * Replies to all requests whose wait is over, and carries out those that waited to read or write. In the order in which they came: what
 * is written is written before the next lock is granted.
 */
void resume_ready(struct thread *thread);

/* The same, if a wait that would never end has been ended. */
void resume_between(struct thread *thread);

#endif
