/* SPDX-License-Identifier: MIT */
/*
 * From names to nodes, and the end of the kernel's references to nodes.
 */
#ifndef SEGFS_OPS_LOOKUP_H
#define SEGFS_OPS_LOOKUP_H

#include "fs/fuse/request.h"

int op_lookup(struct request *request);
int op_forget(struct request *request);
int op_batch_forget(struct request *request);

/* Drops removed files to which an earlier worker has counted references that the kernel does not have. */
void forget_unknown(struct fs *fs);

#endif
