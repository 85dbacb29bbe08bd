/* SPDX-License-Identifier: MIT */
/*
 * The session loop: takes requests from the kernel and has them carried out.
 *
 * One thread at a time reads (fact K16: a second awake reader costs more than it brings). It also carries out what it
 * reads, unless that may wait for a device, copies or frees much: then another thread becomes the reader first.
 */
#ifndef SEGFS_FUSE_LOOP_H
#define SEGFS_FUSE_LOOP_H

#include "fs/fuse/request.h"

/*
 * Starts the threads, which first make the session ready where an earlier worker has answered INIT, and have the kernel
 * send again what was read and not answered. ready: called once, when the kernel's INIT is answered.
 * Returns 0; -ENOMEM or -EAGAIN where not a single thread can be had.
 */
int loop_start(struct fs *fs, void (*ready)(struct fs *fs));

/*
 * Has a message carried out that was read: `length` bytes, at least a header. What no kernel sends is refused. The caller is the
 * reader, before and after; a thread that is not becomes it. For the loop itself, and for tests that stand in for the kernel.
 */
void loop_take(struct thread *thread, const void *message, size_t length);

/*
 * Waits until the connection ended or loop_stop() was called, and all requests under way are answered, which it gives some seconds.
 * Returns 0; 1 where there are threads left, which may use all that they use; the negative errno for which nothing can be answered, while the connection goes on: -ENOMEM most of all.
 */
int loop_wait(void);

/* Makes the threads end once they have answered what they have read. */
void loop_stop(struct fs *fs);

#endif
