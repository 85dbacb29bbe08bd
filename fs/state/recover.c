// SPDX-License-Identifier: MIT
#include "fs/state/recover.h"
#include "fs/state/backing_id.h"
#include "fs/state/handle.h"
#include "fs/state/journal.h"
#include "fs/state/lock_recover.h"
#include "fs/state/node_fd.h"
#include "fs/state/node_table.h"
#include "fs/state/share.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Checks what other code relies on. */
static bool node_is_sane(const struct arena *arena, const struct node_slot *slot)
{
	return slot->handle_bytes <= sizeof(slot->handle) &&
	       (slot->store == NODE_STORE_CONTROL || slot->store < ARENA_STORES) &&
	       (slot != &arena->nodes[NODE_ROOT] ||
		(atomic_load(&slot->generation) == 0 && slot->type == S_IFDIR >> 12));
}

/* Frees invalid slots. Returns the number of live ones; -EUCLEAN without a root. */
static int64_t count_live(const struct arena *arena)
{
	uint32_t high = arena->header->nodes_high;
	int64_t live = 0;

	for (uint32_t i = 1; i < high; i++) {
		struct node_slot *slot = &arena->nodes[i];
		uint32_t found = atomic_load(&slot->state);

		if (found == SLOT_LIVE && node_is_sane(arena, slot))
			live++;
		else if (found != SLOT_FREE)
			atomic_store(&slot->state, SLOT_FREE);
	}
	return high > NODE_ROOT && atomic_load(&arena->nodes[NODE_ROOT].state) != SLOT_LIVE ? -EUCLEAN : live;
}

static int index_nodes(struct state *state)
{
	struct arena *arena = state->arena;
	uint32_t high = arena->header->nodes_high;
	int64_t live = count_live(arena);
	int result;

	if (live < 0)
		return (int)live;
	result = node_table_open(state, live);
	if (result < 0)
		return result;
	state->index = index_map(arena->header->max_nodes, sizeof(*state->index));
	if (!state->index) {
		free(state->buckets);
		return -ENOMEM;
	}
	/* downwards, so that the free list yields low slots first */
	for (uint32_t i = high - 1; i >= 1; i--) {
		if (atomic_load(&arena->nodes[i].state) == SLOT_LIVE) {
			node_table_add(state, i);
			state->n_nodes++;
		} else {
			atomic_store(&arena->nodes[i].fd, -1);
			state->index[i].hash_next = state->free_node;
			state->free_node = i;
		}
	}
	return 0;
}

/* Nodes with handles are not freed, so a handle without a node is corrupt; it is dropped. */
static bool handle_is_sane(const struct state *state, const struct handle_slot *slot)
{
	return node_get(state, slot->node) && slot->mode <= IO_RELAYED && slot->kind <= HANDLE_CONTROL;
}

static int index_handles(struct state *state)
{
	struct arena *arena = state->arena;
	uint32_t high = arena->header->handles_high;

	state->free_handles = index_map(arena->header->max_handles, sizeof(*state->free_handles));
	if (!state->free_handles)
		return -ENOMEM;
	for (uint32_t i = high - 1; i >= 1; i--) {
		struct handle_slot *slot = &arena->handles[i];

		if (atomic_load(&slot->state) == SLOT_LIVE && handle_is_sane(state, slot)) {
			state->index[node_index_of(slot->node)].handles++;
			state->index[node_index_of(slot->node)].writers += handle_writes(slot);
			state->index[node_index_of(slot->node)].executors += handle_executes(slot);
			state->n_handles++;
			share_count(state, slot->uid, SHARE_HANDLES, 1);
		} else {
			atomic_store(&slot->state, SLOT_FREE);
			slot->fd = -1;
			state->free_handles[i] = state->free_handle;
			state->free_handle = i;
		}
	}
	return 0;
}

/* After handles were counted: finds the idle nodes and the cached passthrough ids. */
static void settle_unopened(struct state *state)
{
	const struct arena_header *header = state->arena->header;
	uint32_t high = header->nodes_high;

	pthread_mutex_lock(&state->lock);
	for (uint32_t i = NODE_ROOT + 1; i < high; i++) {
		struct node_slot *slot = &state->arena->nodes[i];

		if (atomic_load(&slot->state) != SLOT_LIVE || state->index[i].handles > 0)
			continue;
		/* no node removes more than one */
		if (state->n_closing == NODE_FDS_CLOSING) {
			state_unlock(state);
			pthread_mutex_lock(&state->lock);
		}
		backing_id_drop_closing(state, i);
		if (node_is_external(slot) && !(atomic_load(&slot->flags) & NODE_NEEDS_FD))
			node_close_fd_locked(state, slot);
		if (atomic_load(&slot->lookups) == 0)
			node_became_idle_locked(state, i);
		else
			backing_id_recache(state, i);
	}
	state_unlock(state);
}

/* Completes a forget that a death interrupted: the descriptor is leaked then, and closed as such. */
static void drop_cached_of_forgotten(struct state *state)
{
	struct cached_fd_record *cached = state->arena->header->cached_fds;

	for (int i = 0; i < ARENA_CACHED_FDS; i++) {
		const struct node_slot *node = node_get(state, atomic_load(&cached[i].id));

		if (!node || atomic_load(&node->lookups) == 0)
			atomic_store(&cached[i].id, 0);
	}
}

int state_recover(struct state *state, struct arena *arena, uint32_t max_idle)
{
	int result;

	result = arena_check(arena);
	if (result < 0)
		return result;
	*state = (struct state){.arena = arena, .max_idle = max_idle, .max_fd = INT_MAX};
	pthread_mutex_init(&state->lock, NULL);
	pthread_cond_init(&state->change_ended, NULL);
	result = share_open(state);
	if (result < 0)
		return result;
	result = index_nodes(state);
	if (result < 0)
		goto no_nodes;
	result = index_handles(state);
	if (result < 0)
		goto no_handles;
	result = lock_index_slots(state);
	if (result < 0)
		goto no_locks;
	settle_unopened(state);
	drop_cached_of_forgotten(state);
	journal_recover(state);
	return 0;

no_locks:
	index_unmap(state->free_handles, arena->header->max_handles, sizeof(*state->free_handles));
no_handles:
	index_unmap(state->index, arena->header->max_nodes, sizeof(*state->index));
	free(state->buckets);
no_nodes:
	share_close(state);
	return result;
}
