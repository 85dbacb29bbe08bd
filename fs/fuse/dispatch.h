/* SPDX-License-Identifier: MIT */
/*
 * Carrying out one request: which operation it asks for, and what becomes of it where a worker has died over it.
 *
 * The request is the calling thread's, see request_begin().
 */
#ifndef SEGFS_FUSE_DISPATCH_H
#define SEGFS_FUSE_DISPATCH_H

#include "fs/fuse/fs.h"

/*
 * Carries out a request, once: where a worker that died has done so, its answer is given again; a request over which workers died
 * again and again is answered with EIO. message: `length` bytes, which wire_check() has found right.
 * lasting: it may take any time, which then is no hang.
 */
void dispatch(struct fs *fs, void *message, size_t length, bool lasting);

/* Gives a message to libfuse, which calls the operation: INIT, and others past the journal. */
void dispatch_to_libfuse(struct fs *fs, void *message, size_t length);

#endif
