// SPDX-License-Identifier: MIT
#include "fs/state/state.h"
#include "fs/state/handle.h"
#include "fs/state/lock_recover.h"
#include "fs/state/message.h"
#include "fs/state/node_table.h"
#include "fs/state/share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *index_map(size_t n, size_t size)
{
	void *index = mmap(NULL, n * size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return index == MAP_FAILED ? NULL : index;
}

void index_unmap(void *index, size_t n, size_t size)
{
	if (index)
		munmap(index, n * size);
}

void state_close(struct state *state)
{
	const struct arena_header *header = state->arena->header;

	message_close(state);
	lock_close_index(state);
	share_close(state);
	index_unmap(state->index, header->max_nodes, sizeof(*state->index));
	index_unmap(state->free_handles, header->max_handles, sizeof(*state->free_handles));
	free(state->buckets);
	pthread_cond_destroy(&state->change_ended);
	pthread_mutex_destroy(&state->lock);
}

static int check_node(const struct state *state, uint32_t i, char *why, size_t size)
{
	const struct node_slot *slot = &state->arena->nodes[i];
	struct node_key key = {.inode = slot->inode,
			       .store = slot->store,
			       .handle_bytes = slot->handle_bytes,
			       .handle_type = slot->handle_type};
	uint32_t found;

	if (slot->handle_bytes > sizeof(slot->handle)) {
		snprintf(why, size, "node %u: file handle of %u bytes", i, slot->handle_bytes);
		return -EUCLEAN;
	}
	memcpy(key.handle, slot->handle, slot->handle_bytes);
	found = state->buckets[node_hash(&key) & (state->n_buckets - 1)];
	while (found && found != i)
		found = state->index[found].hash_next;
	if (!found) {
		snprintf(why, size, "node %u is not in the hash table", i);
		return -EUCLEAN;
	}
	if (atomic_load(&slot->backing_id) && state->index[i].handles == 0 && !node_holds_id(state, i)) {
		snprintf(why, size, "node %u has passthrough id %d, no handle, and no use for it", i,
			 atomic_load(&slot->backing_id));
		return -EUCLEAN;
	}
	return 0;
}

static int check_list(const struct state *state, enum node_list_kind kind, char *why, size_t size)
{
	const struct node_list *list = &state->lists[kind];
	uint32_t n = 0;
	uint32_t last = 0;

	for (uint32_t i = list->head; i && n <= list->n; i = state->index[i].list_next, n++) {
		if (state->index[i].list != kind || state->index[i].list_prev != last ||
		    state->index[i].handles > 0) {
			snprintf(why, size, "node %u is in list %d, after %u", i, (int)kind, last);
			return -EUCLEAN;
		}
		last = i;
	}
	if (n == list->n && last == list->tail)
		return 0;
	snprintf(why, size, "list %d has %u nodes and ends with %u; expected %u, %u", (int)kind, n, last,
		 list->n, list->tail);
	return -EUCLEAN;
}

static int check_locked(struct state *state, char *why, size_t size)
{
	struct arena *arena = state->arena;
	uint32_t nodes = 0;
	uint32_t handles = 0;
	uint64_t handles_of_nodes = 0;

	for (uint32_t i = 1; i < arena->header->nodes_high; i++) {
		if (atomic_load(&arena->nodes[i].state) != SLOT_LIVE)
			continue;
		nodes++;
		handles_of_nodes += state->index[i].handles;
		if (check_node(state, i, why, size) < 0)
			return -EUCLEAN;
	}
	for (uint32_t i = 1; i < arena->header->handles_high; i++) {
		struct handle_slot *slot = &arena->handles[i];

		if (atomic_load(&slot->state) != SLOT_LIVE)
			continue;
		handles++;
		if (!node_get(state, slot->node)) {
			snprintf(why, size, "handle %u: no node %#llx", i, (unsigned long long)slot->node);
			return -EUCLEAN;
		}
	}
	for (enum node_list_kind kind = NODE_LIST_IDLE; kind < NODE_LISTS; kind++)
		if (check_list(state, kind, why, size) < 0)
			return -EUCLEAN;
	if (nodes != state->n_nodes || handles != state->n_handles || handles != handles_of_nodes) {
		snprintf(why, size, "counted %u nodes, %u handles; expected %u, %u, %llu by nodes", nodes,
			 handles, state->n_nodes, state->n_handles, (unsigned long long)handles_of_nodes);
		return -EUCLEAN;
	}
	if (share_total(state, SHARE_HANDLES) != handles) {
		snprintf(why, size, "counted %u handles; users have %llu", handles,
			 (unsigned long long)share_total(state, SHARE_HANDLES));
		return -EUCLEAN;
	}
	return 0;
}

int state_check(struct state *state, char *why, size_t size)
{
	int result;

	pthread_mutex_lock(&state->lock);
	result = check_locked(state, why, size);
	pthread_mutex_unlock(&state->lock);
	if (result == 0 && state->messages)
		result = message_check(state, why, size);
	return result < 0 ? result : lock_check(state, why, size);
}
