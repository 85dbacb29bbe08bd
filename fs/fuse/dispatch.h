/* SPDX-License-Identifier: MIT */
/*
 * Carrying out one request by its operation, and what becomes of it where a worker has died over it.
 */
#ifndef SEGFS_FUSE_DISPATCH_H
#define SEGFS_FUSE_DISPATCH_H

#include "fs/fuse/request.h"

/*
 * Carries out a request that request_begin() has found right, once: where a worker that died has done so, its reply is sent again; a
 * request over which workers died again and again gets EIO.
 * lasting: it may take any time, which then is no hang.
 */
void dispatch(struct request *request, bool lasting);

#endif
