/* SPDX-License-Identifier: MIT */
/*
 * What a worker records in the arena when it dies of a fault, or before the watchdog kills it: which request
 * was at fault, and the stacks of its threads. The supervisor writes them to the log.
 *
 * Without the stacks a crash or a hang would leave the name of the request only: the worker makes no core by
 * default, for it has the users' bytes, and the next one goes on. test_faults (faults, hangs) expects them.
 *
 * Knows nothing of FUSE.
 */
#ifndef SEGFS_STATE_FAULT_H
#define SEGFS_STATE_FAULT_H

#include "fs/state/arena.h"

#include <signal.h>

#define FAULT_STACK_SIGNAL (SIGRTMIN + 1) /* a thread that receives it records its stack and goes on */

/*
 * In a worker, before it has threads: handlers for faults and for FAULT_STACK_SIGNAL, which must not be
 * blocked.
 */
void fault_setup(struct arena_header *header);

/*
 * For a thread that carries out requests: a stack for the handlers, for a fault that used up the thread's
 * own. Returns memory for fault_thread_done(), or NULL without memory; such a fault then records no stack.
 */
void *fault_thread_init(void);
void fault_thread_done(void *stack);

/* Discards recorded stacks. */
void fault_clear(struct arena_header *header);

/* Writes recorded stacks to the log, with file and offset of each frame. Not for a worker. */
void fault_log(const struct arena_header *header);

#endif
