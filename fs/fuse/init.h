/* SPDX-License-Identifier: MIT */
/*
 * INIT: what the kernel and the daemon agree on.
 */
#ifndef SEGFS_FUSE_INIT_H
#define SEGFS_FUSE_INIT_H

#include "fs/fuse/fs.h"

/* For libfuse, which calls it for the INIT that a worker has read or replays. */
void op_init(void *userdata, struct fuse_conn_info *connection);

#endif
