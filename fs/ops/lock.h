/* SPDX-License-Identifier: MIT */
/*
 * Locks, and INTERRUPT, which ends waits for them.
 */
#ifndef SEGFS_OPS_LOCK_H
#define SEGFS_OPS_LOCK_H

#include "fs/fuse/request.h"

int op_getlk(struct request *request);
int op_setlk(struct request *request);
int op_setlkw(struct request *request);
int op_interrupt(struct request *request);

#endif
