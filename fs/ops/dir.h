/* SPDX-License-Identifier: MIT */
/* The end of an open of a directory. */
#ifndef SEGFS_OPS_DIR_H
#define SEGFS_OPS_DIR_H

#include "fs/fuse/fs.h"

/*
 * Releases the handle of a directory. Returns 0, even for a released one; -EBADF for another kind of handle.
 */
int directory_close(struct fs *fs, uint64_t number);

/* Frees the read-ahead buffers of all open directories. */
void directory_streams_free(struct fs *fs);

#endif
