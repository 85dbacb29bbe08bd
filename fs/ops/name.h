/* SPDX-License-Identifier: MIT */
/*
 * Names: making, linking, removing and renaming them, and reading symbolic links.
 */
#ifndef SEGFS_OPS_NAME_H
#define SEGFS_OPS_NAME_H

#include "fs/fuse/request.h"

int op_readlink(struct request *request);
int op_mknod(struct request *request);
int op_mkdir(struct request *request);
int op_symlink(struct request *request);
int op_link(struct request *request);
int op_unlink(struct request *request);
int op_rmdir(struct request *request);
int op_rename(struct request *request);
int op_rename2(struct request *request);

#endif
