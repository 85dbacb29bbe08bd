/* SPDX-License-Identifier: MIT */
/* The end of an open, by RELEASE or because a worker died over it. */
#ifndef SEGFS_OPS_CLOSE_H
#define SEGFS_OPS_CLOSE_H

#include "fs/fuse/fs.h"

/* Releases the handle of a regular file. */
void close_handle(struct fs *fs, uint64_t number);

/*
 * Releases the handle that a worker opened for request `unique` before it died: the request is replayed, or
 * its reply is no longer wanted, so the kernel never uses this handle.
 */
void close_earlier_attempt(struct fs *fs, uint64_t unique);

#endif
