/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes.
 */
#ifndef SEGFS_OPS_XATTR_H
#define SEGFS_OPS_XATTR_H

#include "fs/fuse/request.h"

int op_setxattr(struct request *request);
int op_getxattr(struct request *request);
int op_listxattr(struct request *request);
int op_removexattr(struct request *request);

/* operation->queue of GETXATTR. */
enum aside_kind getxattr_queue(const struct request *request);

#endif
