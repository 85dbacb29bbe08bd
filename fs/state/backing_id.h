/* SPDX-License-Identifier: MIT */
/*
 * Which nodes keep their passthrough id while they are not open: a few that were closed last, whose id rests until the next open,
 * and those whose file nothing else holds. node_hold(), node_unhold() and node_keeps_id() of node.h are here, too.
 *
 * Used by node.c. All functions are called under state->lock, or before there are threads.
 */
#ifndef SEGFS_STATE_BACKING_ID_H
#define SEGFS_STATE_BACKING_ID_H

#include "fs/state/node.h"

/*
 * Takes the id from a node that is not open. Returns it, or 0; it is noted as one that is being closed until whoever called node.c
 * has closed it.
 */
int backing_id_take(struct state *state, uint32_t index);

/* The node was closed: lets its id rest, if it has one and nothing holds it. Returns as backing_id_take() the id that had this place. */
int backing_id_rest(struct state *state, uint32_t index);

/* The node is open, or held: gives its place among those that rest to the next one that wants it. */
void backing_id_leave_rest(struct state *state, uint32_t index);

/* Takes node_hold() back. Without a free place among those that rest the node stays held, which does no harm. */
void backing_id_unhold(struct state *state, uint32_t index);

/* In a new worker, of a node that is not open: an id that the worker before was closing is none any more. */
void backing_id_drop_closing(struct state *state, uint32_t index);

/* ... and lets one that nothing holds rest where there is a place for it. */
void backing_id_rest_again(struct state *state, uint32_t index);

#endif
