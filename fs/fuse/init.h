/* SPDX-License-Identifier: MIT */
/* INIT: negotiation between the kernel and the daemon. */
#ifndef SEGFS_FUSE_INIT_H
#define SEGFS_FUSE_INIT_H

#include "fs/fuse/fs.h"
#include "fs/fuse/protocol.h"

/*
 * Selects from the features that the kernel offers, in `connection` and the flags of `fs`. The result is the
 * same for every worker of a connection: the kernel gets the first one's reply only.
 */
void init_agree(struct fs *fs, const struct fuse_init_in *in, struct fuse_conn_info *connection);

/* Adds flags to libfuse's reply, of `size` bytes, that its releases before 3.18 do not know. */
void init_complete(const struct fs *fs, struct fuse_init_out *out, size_t size);

#endif
