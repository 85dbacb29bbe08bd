/* SPDX-License-Identifier: MIT */
/*
 * What a worker leaves behind that dies by itself, or is about to be killed since it does not go on: which request was at fault, and
 * where its threads were. The arena keeps both for the supervisor, which has the log.
 *
 * Knows nothing of FUSE.
 */
#ifndef SEGFS_STATE_FAULT_H
#define SEGFS_STATE_FAULT_H

#include "fs/state/arena.h"

#include <signal.h>

#define FAULT_TELL_SIGNAL (SIGRTMIN + 1) /* sent to a thread: it is to tell where it is, and goes on */

/* Once, in the process that starts workers: loads what telling a stack needs, which may take memory. */
void fault_prepare(void);

/* In a worker, before it has threads: handlers for faults and for FAULT_TELL_SIGNAL, which must not be blocked. */
void fault_setup(struct arena_header *header);

/*
 * For a thread that carries out requests: a stack on which the handlers run when its own is used up. Returns memory for
 * fault_thread_done(); NULL without, and then such a fault tells no stack.
 */
void *fault_thread_init(void);
void fault_thread_done(void *stack);

/* Forgets what was told before. */
void fault_clear(struct arena_header *header);

/* Writes to the log what was told, and where the program's own code is in it. Not for a worker. */
void fault_log(const struct arena_header *header);

#endif
