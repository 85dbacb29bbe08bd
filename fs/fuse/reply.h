/* SPDX-License-Identifier: MIT */
/*
 * Replies: the one place where the negative errno of an operation becomes the kernel's positive one.
 */
#ifndef SEGFS_FUSE_REPLY_H
#define SEGFS_FUSE_REPLY_H

#include "fs/fuse/fs.h"

/* Answers with `result`: 0 or a negative errno; EMFILE becomes ENFILE. */
void reply_status(fuse_req_t req, int result);

#endif
