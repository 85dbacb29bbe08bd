/* SPDX-License-Identifier: MIT */
/* The end of opens. */
#ifndef SEGFS_OPS_CLOSE_H
#define SEGFS_OPS_CLOSE_H

#include "fs/fuse/fs.h"

/* Ends an open of a regular file. */
void close_handle(struct fs *fs, uint64_t number);

/*
 * Ends the open that request `unique` has made before a worker died: the kernel does not know its number, or has no use for it. The
 * request is carried out again, or its reply is not wanted.
 */
void close_earlier_attempt(struct fs *fs, uint64_t unique);

/* The same where the request does not come again: the file is not opened. */
void close_withdrawn(struct fs *fs, uint64_t unique);

#endif
