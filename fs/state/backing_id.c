// SPDX-License-Identifier: MIT
#include "fs/state/backing_id.h"
#include "fs/state/node_list.h"

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

static bool is_full(const struct state *state)
{
	return state->lists[NODE_LIST_HOT].n >= atomic_load(&state->arena->header->limit_hot);
}

void backing_id_unhold(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];

	if (state->index[index].handles == 0 && atomic_load(&slot->backing_id) > 0 &&
	    !node_is_external(slot) && !node_list_has(state, NODE_LIST_HOT, index)) {
		if (is_full(state)) {
			atomic_fetch_or(&slot->flags, NODE_HELD);
			return;
		}
		node_list_append(state, NODE_LIST_HOT, index);
	}
	atomic_fetch_and(&slot->flags, ~(uint32_t)NODE_HELD);
}

int backing_id_take(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];
	int id = atomic_load(&slot->backing_id);

	node_list_remove(state, NODE_LIST_HOT, index);
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
	uint32_t displaced;

	if (atomic_load(&slot->backing_id) <= 0 || backing_id_is_held(slot))
		return 0;
	displaced = is_full(state) ? state->lists[NODE_LIST_HOT].head : 0;
	if (is_full(state) && !displaced)
		return backing_id_take(state, index);
	node_list_append(state, NODE_LIST_HOT, index);
	return displaced ? backing_id_take(state, displaced) : 0;
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
	    !is_full(state))
		node_list_append(state, NODE_LIST_HOT, index);
}
