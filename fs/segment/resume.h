/* SPDX-License-Identifier: MIT */
/*
 * Resumes requests whose wait for a lock, or for I/O under mandatory locks, has ended.
 *
 * For the reader, between requests.
 */
#ifndef SEGFS_SEGMENT_RESUME_H
#define SEGFS_SEGMENT_RESUME_H

#include "fs/fuse/request.h"

/*
 * Replies to all requests whose wait has ended, and carries out those that waited for I/O, in order of
 * arrival: a write is complete before the next lock is granted.
 */
void resume_ready(struct thread *thread);

/* The same, if a deadlock check has been completed. */
void resume_between(struct thread *thread);

#endif
