// SPDX-License-Identifier: MIT
#include "fs/state/backing_id.h"

/* There is more than one entry per thread. If the worker dies before it closes the id, the next one does. */
static void note_closing(struct arena_header *header, int id)
{
	for (int i = 0; i < ARENA_CLOSING; i++) {
		if (atomic_load(&header->backing_closing[i]) == 0) {
			atomic_store(&header->backing_closing[i], id);
			return;
		}
	}
}

void backing_id_uncache(struct state *state, uint32_t index)
{
	if (state->cached_ids[index % ARENA_CACHED_IDS] == index)
		state->cached_ids[index % ARENA_CACHED_IDS] = 0;
}

void backing_id_unhold(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];
	uint32_t *place = &state->cached_ids[index % ARENA_CACHED_IDS];

	if (state->index[index].handles == 0 && atomic_load(&slot->backing_id) > 0 &&
	    !node_is_external(slot)) {
		if (*place && *place != index) {
			atomic_fetch_or(&slot->flags, NODE_HELD);
			return;
		}
		*place = index;
	}
	atomic_fetch_and(&slot->flags, ~(uint32_t)NODE_HELD);
}

int backing_id_take(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];
	int id = atomic_load(&slot->backing_id);

	backing_id_uncache(state, index);
	if (id) {
		note_closing(state->arena->header, id);
		atomic_store(&slot->backing_id, 0);
	}
	return id;
}

bool backing_id_is_held(const struct node_slot *slot)
{
	return atomic_load(&slot->flags) & (NODE_UNLINKED | NODE_HELD) && !node_is_external(slot);
}

int backing_id_cache(struct state *state, uint32_t index)
{
	const struct node_slot *slot = &state->arena->nodes[index];
	uint32_t *place = &state->cached_ids[index % ARENA_CACHED_IDS];
	int id;

	if (atomic_load(&slot->backing_id) <= 0 || backing_id_is_held(slot))
		return 0;
	id = *place ? backing_id_take(state, *place) : 0;
	*place = index;
	return id;
}

static bool is_closing(const struct arena_header *header, int id)
{
	for (int i = 0; i < ARENA_CLOSING; i++)
		if (atomic_load(&header->backing_closing[i]) == id)
			return true;
	return false;
}

/* Completes a backing_id_take() that a death interrupted. */
void backing_id_drop_closing(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];
	int id = atomic_load(&slot->backing_id);

	if (id > 0 && is_closing(state->arena->header, id))
		atomic_store(&slot->backing_id, 0);
}

void backing_id_recache(struct state *state, uint32_t index)
{
	const struct node_slot *slot = &state->arena->nodes[index];

	if (atomic_load(&slot->backing_id) > 0 && !backing_id_is_held(slot) && !node_is_external(slot) &&
	    !state->cached_ids[index % ARENA_CACHED_IDS])
		state->cached_ids[index % ARENA_CACHED_IDS] = index;
}
