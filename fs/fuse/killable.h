/* SPDX-License-Identifier: MIT */
/*
 * Long system calls that only a fatal signal ends, made by a process of their own, which is killed when the
 * requester is interrupted.
 *
 * A tmpfs aborts and undoes an allocation for a fatal signal only (Linux 6.18). The process shares memory and
 * descriptors with the worker, and the calling thread waits for it, as with vfork(2).
 */
#ifndef SEGFS_FUSE_KILLABLE_H
#define SEGFS_FUSE_KILLABLE_H

#include "fs/fuse/request.h"

#include <sys/types.h>

/*
 * fallocate(2), ended by a signal to the requester or by its death; the request is registered, see
 * interrupt.h. offset, length: bytes. Returns 0; EINTR; else a negative errno of fallocate(2).
 */
int killable_fallocate(struct request *request, int fd, int mode, off_t offset, off_t length);

#endif
