/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait for a lock: a list per node in order of arrival, and a list of those that were decided until
 * lock_next_outcome() reports them.
 * For lock.c and its parts only, under their mutex.
 */
#ifndef SEGFS_STATE_LOCK_QUEUE_H
#define SEGFS_STATE_LOCK_QUEUE_H

#include "fs/state/lock_table.h"

/* Whether a request whose turn is `turn` can have its lock now: nobody is in the way, and it passes nobody. */
bool queue_admits(const struct locks *locks, const struct lock_request *request, uint64_t turn);

/*
 * Has a request wait. Returns -EINPROGRESS; -EDEADLK where that would be for ever; -ENOLCK.
 */
int queue_park(struct locks *locks, const struct lock_request *request, uint64_t turn, uint64_t tag);

/* Puts a slot that waits into its node's list, at its turn. */
void queue_insert(struct locks *locks, struct lock_node *node, uint32_t waiter);

/* The slot of the request `unique` that waits on a node, or 0. */
uint32_t queue_find(const struct locks *locks, uint64_t node, uint64_t unique);

/* Whether what waits there was told that it may go on, see lock_access_end(). */
static inline bool queue_is_decided(const struct locks *locks, uint32_t waiter)
{
	return locks->forest.index[waiter].waiting.result != LOCK_UNDECIDED;
}

/* Takes a request out; nobody is told. */
void queue_remove(struct locks *locks, uint32_t waiter);

/* Takes a request out, and has lock_next_outcome() tell `result`, a negative errno, where there is somebody to be told. */
void queue_end(struct locks *locks, uint32_t waiter, int result);

/*
 * To be called after something on a node was given up or changed: whoever can go on has what it waited for, and
 * lock_next_outcome() tells. Not while a new worker waits for requests to come again.
 */
void queue_serve(struct locks *locks, uint64_t node);

/* Decides all I/O that waits on a node, whoever is in the way. */
void queue_release_access(struct locks *locks, uint64_t node);

#endif
