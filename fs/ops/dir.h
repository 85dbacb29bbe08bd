/* SPDX-License-Identifier: MIT */
/* The end of listings. */
#ifndef SEGFS_OPS_DIR_H
#define SEGFS_OPS_DIR_H

#include "fs/fuse/fs.h"

/* Ends the open of a directory. Returns 0, also where it is closed already; -EBADF for a handle of another kind. */
int directory_close(struct fs *fs, uint64_t number);

/* Frees what listings that are open have read ahead. */
void directory_streams_free(struct fs *fs);

#endif
