/* SPDX-License-Identifier: MIT */
/*
 * Requests waiting for a lock: a list per node in order of arrival, and a list of decided ones until
 * lock_next_outcome() reports them. For lock.c and its parts only, under their mutex.
 */
#ifndef SEGFS_STATE_LOCK_QUEUE_H
#define SEGFS_STATE_LOCK_QUEUE_H

#include "fs/state/lock_table.h"

/* Whether a request with this turn can be granted now: nothing conflicts, and it overtakes nobody. */
bool queue_admits(const struct locks *locks, const struct lock_request *request, uint64_t turn);

/* Queues a request. Returns -EINPROGRESS; -EDEADLK; -ENOLCK. */
int queue_park(struct locks *locks, const struct lock_request *request, uint64_t turn, uint64_t tag);

/* Inserts a waiting slot into its node's list by its turn. */
void queue_insert(struct locks *locks, struct lock_node *node, uint32_t waiter);

/* Returns the slot of the waiting request `unique`, or 0. */
uint32_t queue_find(const struct locks *locks, uint64_t node, uint64_t unique);

/* Whether a queued request was granted I/O, see lock_access_end(). */
static inline bool queue_is_decided(const struct locks *locks, uint32_t waiter)
{
	return locks->forest.index[waiter].waiting.result != LOCK_UNDECIDED;
}

/* Removes a request without an outcome. */
void queue_remove(struct locks *locks, uint32_t waiter);

/* Removes a request with a negative errno as outcome, if its requester is present. */
void queue_end(struct locks *locks, uint32_t waiter, int result);

/*
 * Grants what can be granted after a lock on a node was dropped or changed; lock_next_outcome() reports it.
 * Does nothing during recovery.
 */
void queue_grant(struct locks *locks, uint64_t node);

/* Grants all I/O waiting on a node. */
void queue_grant_all_access(struct locks *locks, uint64_t node);

#endif
