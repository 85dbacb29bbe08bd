/* SPDX-License-Identifier: MIT */
/*
 * Interrupting the one system call of an operation that may take long. The kernel reports a signal to the
 * requester by INTERRUPT. The thread that carries the request out then gets signals of its own until the call
 * returns, since the first one may arrive before the call. INTERRUPT arrives after its request was read,
 * before or after the operation begins: the reader registers an interruptible request before it hands over.
 */
#ifndef SEGFS_FUSE_INTERRUPT_H
#define SEGFS_FUSE_INTERRUPT_H

#include "fs/fuse/request.h"

#include <signal.h>

/* The signal: its handler does nothing, but a blocking system call returns EINTR. */
#define INTERRUPT_SIGNAL SIGUSR1

/* Installs the handler, once per worker. */
void interrupt_setup(void);

/* Between these calls an INTERRUPT for the request is recorded, and the request must not move in memory. */
void interrupt_register(struct request *request);
void interrupt_unregister(struct request *request);

/* INTERRUPT arrived for request `unique`. Does nothing if it is not registered. */
void interrupt_request(uint64_t unique);

/*
 * Sets a function that the reader of the INTERRUPT calls; it is called at once if INTERRUPT has arrived.
 * interrupt_ignore() waits for a running call. Does nothing for a request that is not registered.
 */
void interrupt_call(struct request *request, void (*call)(void *context), void *context);
void interrupt_ignore(struct request *request);

/* Between these calls a system call of the calling thread ends with EINTR when the request is interrupted. */
void interrupt_enable(struct request *request);
void interrupt_disable(struct request *request);

/* Deletes the calling thread's timer, before the thread ends. */
void interrupt_thread_done(struct thread *thread);

#endif
