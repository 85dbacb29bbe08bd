/* SPDX-License-Identifier: MIT */
/*
 * Opening and making regular files.
 */
#ifndef SEGFS_OPS_FILE_H
#define SEGFS_OPS_FILE_H

#include "fs/fuse/request.h"

int op_open(struct request *request);
int op_create(struct request *request); /* CREATE and TMPFILE */

/* operation->is_slow of OPEN, and of what makes files; operation->queue of OPEN. */
bool open_is_slow(const struct request *request);
bool create_is_slow(const struct request *request);
enum aside_kind open_queue(const struct request *request);

#endif
