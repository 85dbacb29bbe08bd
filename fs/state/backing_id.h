/* SPDX-License-Identifier: MIT */
/*
 * Passthrough ids of nodes that are not open. The most recently closed nodes, header->limit_hot of them, keep
 * theirs cached for the next open (NODE_LIST_HOT); nodes whose file nothing else references keep it, too.
 *
 * Used by node.c, name_change.c and recover.c. Functions are called under state->lock, or before there are
 * threads.
 */
#ifndef SEGFS_STATE_BACKING_ID_H
#define SEGFS_STATE_BACKING_ID_H

#include "fs/state/node.h"

/*
 * Takes the id from a node that is not open. Returns it, or 0. It is recorded as being closed until the
 * caller of node.c has closed it.
 */
int backing_id_take(struct state *state, uint32_t index);

/*
 * Caches the id of a node that was closed, if it has one and nothing holds it. Returns, as backing_id_take(),
 * the id that it displaces.
 */
int backing_id_cache(struct state *state, uint32_t index);

/* Whether the id holds the node's file: see name_change.h. */
bool backing_id_is_held(const struct node_slot *slot);

/* Undoes node_hold_locked(). If the cache is full, the node stays held, which is harmless. */
void backing_id_unhold(struct state *state, uint32_t index);

/* In a new worker, for a node that is not open: drops an id that the previous worker was closing. */
void backing_id_drop_closing(struct state *state, uint32_t index);

/* ... and caches its id if nothing holds it and there is room. */
void backing_id_recache(struct state *state, uint32_t index);

#endif
