/* SPDX-License-Identifier: MIT */
/*
 * Interrupting the one system call by which an operation may take long.
 *
 * The kernel tells with an INTERRUPT request that the requester got a signal. The thread that carries the request out
 * then gets a signal of its own, again and again until the call returned, since the first one may come before the
 * call began.
 */
#ifndef SEGFS_FUSE_INTERRUPT_H
#define SEGFS_FUSE_INTERRUPT_H

#include <fuse_lowlevel.h>

/* The signal; ignored by what it does, but a blocked system call returns EINTR. */
#define INTERRUPT_SIGNAL SIGUSR1

/* Installs the handler. Once per worker. */
void interrupt_setup(void);

/* From here on the calling thread's system call ends with EINTR when `req` is interrupted. */
void interrupt_enable(fuse_req_t req);

/* To here. */
void interrupt_disable(fuse_req_t req);

/* Gives back the calling thread's timer; it enables nothing after that. */
void interrupt_thread_done(void);

#endif
