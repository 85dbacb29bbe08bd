/* SPDX-License-Identifier: MIT */
/* Carrying out a request by its operation, and its replay after a worker died over it. */
#ifndef SEGFS_FUSE_DISPATCH_H
#define SEGFS_FUSE_DISPATCH_H

#include "fs/fuse/request.h"

/*
 * Carries out a request that request_begin() has accepted, once: if a worker that died has done so already,
 * its saved reply is sent; a request over which workers died repeatedly gets EIO. lasting: the request may
 * take any time; the watchdog does not count it as a hang.
 */
void dispatch(struct request *request, bool unbounded);

#endif
