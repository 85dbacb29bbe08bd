/* SPDX-License-Identifier: MIT */
/*
 * Inode flags: lsattr, chattr +i, +a.
 */
#ifndef SEGFS_OPS_IOCTL_H
#define SEGFS_OPS_IOCTL_H

#include "fs/fuse/request.h"

int op_ioctl(struct request *request);

#endif
