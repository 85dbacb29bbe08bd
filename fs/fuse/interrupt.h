/* SPDX-License-Identifier: MIT */
/*
 * Interrupting the one system call by which an operation may take long.
 *
 * The kernel tells with an INTERRUPT request that the requester got a signal. The thread that carries the
 * request out then gets a signal of its own, again and again until the call returned, since the first one may
 * come before the call began.
 *
 * An INTERRUPT comes after its request was read, and before or after the operation begins: the reader
 * registers a request that can be interrupted before it hands over.
 */
#ifndef SEGFS_FUSE_INTERRUPT_H
#define SEGFS_FUSE_INTERRUPT_H

#include "fs/fuse/request.h"

#include <signal.h>

/* The signal; ignored by what it does, but a blocked system call returns EINTR. */
#define INTERRUPT_SIGNAL SIGUSR1

/* Installs the handler. Once per worker. */
void interrupt_setup(void);

/* From here on an INTERRUPT for the request is noted; to here. In between the request stays where it is. */
void interrupt_register(struct request *request);
void interrupt_unregister(struct request *request);

/*
 * An INTERRUPT came for request `unique`, an id without the resend bit. Returns false where none such is
 * registered.
 */
bool interrupt_request(uint64_t unique);

/*
 * Has `call` called, by the thread that reads the INTERRUPT, or at once where it came already.
 * interrupt_ignore() waits for a call that is under way. Nothing happens for a request that is not
 * registered.
 */
void interrupt_call(struct request *request, void (*call)(void *context), void *context);
void interrupt_ignore(struct request *request);

/* From here on the calling thread's system call ends with EINTR when the request is interrupted; to here. */
void interrupt_enable(struct request *request);
void interrupt_disable(struct request *request);

/* Gives back the timer of the calling thread; it enables nothing after that. */
void interrupt_thread_done(struct thread *thread);

#endif
