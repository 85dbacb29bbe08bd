/* SPDX-License-Identifier: MIT */
/*
 * The table of nodes: from a backing file to its node. Used by node.c and state.c; who only looks for a node calls what node.h has.
 *
 * All functions but node_hash() are called under state->lock, or before there are threads.
 */
#ifndef SEGFS_STATE_NODE_TABLE_H
#define SEGFS_STATE_NODE_TABLE_H

#include "fs/state/node.h"

/* Which chain a file's node is in, modulo the number of chains. */
uint32_t node_hash(const struct node_key *key);

/* Makes an empty table with room for `n` nodes, which state.c frees. Returns 0 or -ENOMEM. */
int node_table_open(struct state *state, int64_t n);

/* Enters the node in slot `index`, which is filled, and takes it out again before the slot has another content. */
void node_table_add(struct state *state, uint32_t index);
void node_table_remove(struct state *state, uint32_t index);

/* Doubles the table once chains are longer than one on average; without memory it stays as it is, only slower. */
void node_table_grow(struct state *state);

/* The index of a file's node, or 0. */
uint32_t node_table_find(const struct state *state, const struct node_key *key);

/* The index of the one node with this inode number, or 0. */
uint32_t node_table_find_inode(const struct state *state, uint16_t store, uint64_t inode);

#endif
