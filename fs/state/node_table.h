/* SPDX-License-Identifier: MIT */
/*
 * Hash table from backing files to nodes. Used by node.c, recover.c and state.c; others use the functions of
 * node.h.
 *
 * All functions but node_hash() are called under state->lock, or before there are threads.
 */
#ifndef SEGFS_STATE_NODE_TABLE_H
#define SEGFS_STATE_NODE_TABLE_H

#include "fs/state/node.h"

/* The hash of a file; its bucket is this modulo the number of buckets. */
uint32_t node_hash(const struct node_key *key);

/* Creates an empty table for `n` nodes, which state.c frees. Returns 0 or -ENOMEM. */
int node_table_open(struct state *state, int64_t n);

/* Add and remove the node in slot `index`. Its key must not change in between. */
void node_table_add(struct state *state, uint32_t index);
void node_table_remove(struct state *state, uint32_t index);

/* Doubles the table when the load factor exceeds 1; without memory it stays as it is, only slower. */
void node_table_grow(struct state *state);

/* Returns the index of a file's node, or 0. */
uint32_t node_table_find(const struct state *state, const struct node_key *key);

/*
 * The head of the bucket of an inode number, which other nodes may be in, or 0; node_index.hash_next goes on.
 */
uint32_t node_table_first(const struct state *state, uint16_t store, uint64_t inode);

/* Returns the index of the only node with this inode number, or 0. */
uint32_t node_table_find_inode(const struct state *state, uint16_t store, uint64_t inode);

#endif
