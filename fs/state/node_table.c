// SPDX-License-Identifier: MIT
#include "fs/state/node_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024u

/* Fibonacci hashing: inode numbers are often consecutive. */
static uint32_t hash_inode(uint16_t store, uint64_t inode)
{
	return (uint32_t)((inode ^ store * UINT64_C(0xff51afd7ed558ccd)) * UINT64_C(0x9e3779b97f4a7c15) >>
			  32);
}

uint32_t node_hash(const struct node_key *key)
{
	return hash_inode(key->store, key->inode);
}

static void slot_key(const struct node_slot *slot, struct node_key *key)
{
	key->inode = slot->inode;
	key->store = slot->store;
	key->handle_bytes = slot->handle_bytes;
	key->handle_type = slot->handle_type;
	memcpy(key->handle, slot->handle, slot->handle_bytes);
}

static bool slot_matches(const struct node_slot *slot, const struct node_key *key)
{
	return slot->inode == key->inode && slot->store == key->store &&
	       slot->handle_type == key->handle_type && slot->handle_bytes == key->handle_bytes &&
	       memcmp(slot->handle, key->handle, key->handle_bytes) == 0;
}

uint32_t node_table_find(const struct state *state, const struct node_key *key)
{
	uint32_t index = state->buckets[node_hash(key) & (state->n_buckets - 1)];

	while (index != 0 && !slot_matches(&state->arena->nodes[index], key))
		index = state->index[index].hash_next;
	return index;
}

uint32_t node_table_first(const struct state *state, uint16_t store, uint64_t inode)
{
	return state->buckets[hash_inode(store, inode) & (state->n_buckets - 1)];
}

uint32_t node_table_find_inode(const struct state *state, uint16_t store, uint64_t inode)
{
	uint32_t index = node_table_first(state, store, inode);
	uint32_t found = 0;

	for (; index; index = state->index[index].hash_next) {
		const struct node_slot *slot = &state->arena->nodes[index];

		if (slot->inode != inode || slot->store != store)
			continue;
		if (found)
			return 0;
		found = index;
	}
	return found;
}

static void hash_insert(struct state *state, uint32_t *buckets, uint32_t n_buckets, uint32_t index)
{
	struct node_key key;
	uint32_t *head;

	slot_key(&state->arena->nodes[index], &key);
	head = &buckets[node_hash(&key) & (n_buckets - 1)];
	state->index[index].hash_next = *head;
	*head = index;
}

void node_table_add(struct state *state, uint32_t index)
{
	hash_insert(state, state->buckets, state->n_buckets, index);
}

void node_table_remove(struct state *state, uint32_t index)
{
	struct node_key key;
	uint32_t *link;

	slot_key(&state->arena->nodes[index], &key);
	link = &state->buckets[node_hash(&key) & (state->n_buckets - 1)];
	while (*link != index)
		link = &state->index[*link].hash_next;
	*link = state->index[index].hash_next;
}

void node_table_grow(struct state *state)
{
	uint32_t n_buckets = state->n_buckets * 2;
	uint32_t high = state->arena->header->nodes_high;
	uint32_t *buckets;

	if (state->n_nodes < state->n_buckets)
		return;
	buckets = calloc(n_buckets, sizeof(*buckets));
	if (!buckets)
		return;
	for (uint32_t i = 1; i < high; i++)
		if (atomic_load(&state->arena->nodes[i].state) == SLOT_LIVE)
			hash_insert(state, buckets, n_buckets, i);
	free(state->buckets);
	state->buckets = buckets;
	state->n_buckets = n_buckets;
}

int node_table_open(struct state *state, int64_t n)
{
	state->n_buckets = BUCKETS_MIN;
	while (state->n_buckets < n)
		state->n_buckets *= 2;
	state->buckets = calloc(state->n_buckets, sizeof(*state->buckets));
	return state->buckets ? 0 : -ENOMEM;
}
