/* SPDX-License-Identifier: MIT */
/*
 * Nodes that are not open, in the order in which they became so: idle ones, which the kernel has forgotten,
 * and ones that keep their passthrough id. A node is in one list at most.
 *
 * All functions are called under state->lock, or before there are threads.
 */
#ifndef SEGFS_STATE_NODE_LIST_H
#define SEGFS_STATE_NODE_LIST_H

#include "fs/state/state.h"

#include <stdbool.h>

/* Appends a node that is in no list. */
void node_list_append(struct state *state, enum node_list_kind kind, uint32_t index);

/* Removes a node from this list, if it is in it. */
void node_list_remove(struct state *state, enum node_list_kind kind, uint32_t index);

/* Whether a node is in this list. */
bool node_list_has(const struct state *state, enum node_list_kind kind, uint32_t index);

#endif
