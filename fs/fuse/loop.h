/* SPDX-License-Identifier: MIT */
/*
 * The session loop: reads requests from the kernel and carries them out.
 *
 * One thread at a time reads (fact K16: a second awake reader costs more than it gains). It carries out what
 * it reads itself, unless that may wait for a device, or copies or frees much: then another thread becomes
 * the reader first.
 */
#ifndef SEGFS_FUSE_LOOP_H
#define SEGFS_FUSE_LOOP_H

#include "fs/fuse/request.h"

/*
 * Starts the threads. They first replay INIT if an earlier worker has replied to it, and the requests that
 * such a worker has read and not replied to. ready: called once, when INIT has its reply. Returns 0; -ENOMEM
 * or -EAGAIN if no thread can be created.
 */
int loop_start(struct fs *fs, void (*ready)(struct fs *fs));

/*
 * Carries out a message of `length` bytes, at least a header, or refuses it if no kernel sends it.
 * is_replay: an earlier worker has read it. The caller is the reader afterwards. For the loop itself, and for
 * tests that stand in for the kernel.
 */
void loop_process(struct thread *thread, const void *message, size_t length, bool is_replay);

/*
 * Waits until the connection ended or loop_stop() was called, and then, some seconds at most, for requests in
 * flight. Returns 0; 1 if threads are left, which still use all of their state; a negative errno if no thread
 * can serve although the connection goes on: -ENOMEM above all.
 */
int loop_wait(void);

/* Makes the threads end after the requests that they have read. */
void loop_stop(struct fs *fs);

#endif
