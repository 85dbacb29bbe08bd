/* SPDX-License-Identifier: MIT */
/*
 * INIT: what the kernel and the daemon agree on.
 */
#ifndef SEGFS_FUSE_INIT_H
#define SEGFS_FUSE_INIT_H

#include "fs/fuse/fs.h"
#include "fs/fuse/protocol.h"

/*
 * Chooses what is used of what the kernel offers, in `connection` and by the flags of `fs` that say so. Comes
 * to the same for every worker of a connection: the kernel hears only the first one's.
 */
void init_agree(struct fs *fs, const struct fuse_init_in *in, struct fuse_conn_info *connection);

/* Adds to libfuse's reply, of `size` bytes, the flags that its releases before 3.18 do not know. */
void init_complete(const struct fs *fs, struct fuse_init_out *out, size_t size);

#endif
