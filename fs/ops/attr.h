/* SPDX-License-Identifier: MIT */
/*
 * Attributes: reading and changing them, STATX, statfs.
 */
#ifndef SEGFS_OPS_ATTR_H
#define SEGFS_OPS_ATTR_H

#include "fs/fuse/request.h"

int op_getattr(struct request *request);
int op_setattr(struct request *request);
int op_statfs(struct request *request);
int op_statx(struct request *request);

#endif
