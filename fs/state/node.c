// SPDX-License-Identifier: MIT
#include "fs/state/node.h"
#include "fs/state/backing_id.h"
#include "fs/state/name_change.h"
#include "fs/state/node_fd.h"
#include "fs/state/node_list.h"
#include "fs/state/node_table.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t node_id(const struct state *state, uint32_t index)
{
	return (uint64_t)atomic_load(&state->arena->nodes[index].generation) << 32 | index;
}

uint64_t node_id_of(const struct state *state, const struct node_slot *node)
{
	return node_id(state, (uint32_t)(node - state->arena->nodes));
}

struct node_slot *node_get(const struct state *state, uint64_t id)
{
	uint32_t index = node_index_of(id);
	struct node_slot *slot;

	if (index == 0 || index >= atomic_load(&state->arena->header->nodes_high))
		return NULL;
	slot = &state->arena->nodes[index];
	if (atomic_load(&slot->state) != SLOT_LIVE || atomic_load(&slot->generation) != (uint32_t)(id >> 32))
		return NULL;
	return slot;
}

/* Idle nodes that are never dropped are in no list. */
static void leave_idle(struct state *state, uint32_t index)
{
	node_list_remove(state, NODE_LIST_IDLE, index);
}

static bool is_idle(const struct state *state, uint32_t index)
{
	const struct node_slot *slot = &state->arena->nodes[index];

	return atomic_load(&slot->lookups) == 0 && state->index[index].handles == 0 &&
	       state->pinned_node != index;
}

/* The state word is cleared first: if the worker dies then, a free slot and a leaked descriptor remain. */
static void drop_locked(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];

	node_table_remove(state, index);
	atomic_store(&slot->state, SLOT_FREE);
	node_close_fd_locked(state, slot);
	state->index[index].hash_next = state->free_node;
	state->free_node = index;
	state->n_nodes--;
}

static void drop_oldest_idle(struct state *state)
{
	uint32_t index = state->lists[NODE_LIST_IDLE].head;

	leave_idle(state, index);
	drop_locked(state, index);
}

void node_close_fd_locked(struct state *state, struct node_slot *slot)
{
	node_fd_close_locked(state, atomic_exchange(&slot->fd, -1));
}

void node_became_idle_locked(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];

	if (atomic_load(&slot->flags) & NODE_FIXED)
		return; /* never dropped */
	/* its lifetime is being watched */
	if (atomic_load(&slot->policy) & NODE_POLICY_LIFETIMES &&
	    !(atomic_load(&slot->flags) & NODE_UNLINKED))
		return;
	if (atomic_load(&slot->flags) & (NODE_UNLINKED | NODE_NEEDS_FD)) {
		drop_locked(state, index);
		return;
	}
	node_close_fd_locked(state, slot);
	atomic_fetch_and(&slot->flags, ~(uint32_t)NODE_HELD);
	node_list_append(state, NODE_LIST_IDLE, index);
	while (state->lists[NODE_LIST_IDLE].n > state->max_idle)
		drop_oldest_idle(state);
}

/* Takes a slot from the free list that no change of names uses. Returns 0 if there is none. */
static uint32_t take_free_slot(struct state *state)
{
	uint32_t *link = &state->free_node;
	uint32_t index;

	while (*link && name_change_uses_locked(state, *link))
		link = &state->index[*link].hash_next;
	index = *link;
	if (index)
		*link = state->index[index].hash_next;
	return index;
}

/* Takes a slot from the free list, an unused one, or that of the oldest idle node. */
static int take_slot_locked(struct state *state, uint32_t *index)
{
	struct arena_header *header = state->arena->header;
	uint32_t limit = atomic_load(&header->limit_nodes);
	int result;

	/* drop an idle node rather than refuse */
	if (limit && state->n_nodes >= limit) {
		if (!state->lists[NODE_LIST_IDLE].head)
			return -ENFILE;
		drop_oldest_idle(state);
	}
	*index = take_free_slot(state);
	if (*index)
		return 0;
	result = arena_commit_node(state->arena);
	if (result == 0) {
		*index = header->nodes_high;
		atomic_store(&header->nodes_high, *index + 1);
		return 0;
	}
	while (!*index && state->lists[NODE_LIST_IDLE].head) {
		drop_oldest_idle(state);
		*index = take_free_slot(state);
	}
	return *index ? 0 : result;
}

static void set_file(struct node_slot *slot, const struct node_key *key, mode_t mode)
{
	slot->inode = key->inode;
	slot->store = key->store;
	slot->type = (uint8_t)((mode & S_IFMT) >> 12);
	slot->handle_bytes = key->handle_bytes;
	slot->handle_type = key->handle_type;
	memcpy(slot->handle, key->handle, key->handle_bytes);
	memset(slot->handle + key->handle_bytes, 0, sizeof(slot->handle) - key->handle_bytes);
}

void node_draft(const struct node_new *file, struct node_slot *draft)
{
	set_file(draft, &file->key, file->mode);
	atomic_store(&draft->flags, file->flags);
	atomic_store(&draft->policy, file->policy);
	atomic_store(&draft->fd, -1);
}

void node_complete(struct node_slot *slot, const struct node_new *file)
{
	atomic_fetch_or(&slot->flags, file->flags & NODE_FILLING);
	atomic_store(&slot->policy, file->policy);
	if (file->creator) {
		slot->creator_mark = file->creator_mark;
		slot->creator = file->creator;
	}
}

static void fill_slot(struct state *state, uint32_t index, const struct node_key *key, mode_t mode,
		      uint32_t flags, uint64_t lookups, int fd)
{
	struct node_slot *slot = &state->arena->nodes[index];

	set_file(slot, key, mode);
	atomic_store(&slot->flags, flags);
	atomic_store(&slot->policy, 0);
	slot->creator = 0;
	slot->creator_mark = 0;
	atomic_store(&slot->closed_at, 0);
	atomic_store(&slot->backing_id, 0);
	atomic_store(&slot->fd, fd);
	atomic_store(&slot->lookups, lookups);
	if (index != NODE_ROOT) {
		/* generation 0 is reserved for the root, even after a wrap */
		uint32_t generation = atomic_load(&slot->generation) + 1;

		atomic_store(&slot->generation, generation ? generation : 1);
	}
	atomic_store(&slot->state, SLOT_LIVE);
	state->index[index] = (struct node_index){0};
	node_table_add(state, index);
	state->n_nodes++;
	node_table_grow(state);
}

int node_add_fixed(struct state *state, uint32_t index, const struct node_key *key, mode_t mode,
		   uint32_t flags, int fd)
{
	uint32_t taken;
	int result;

	pthread_mutex_lock(&state->lock);
	result = take_slot_locked(state, &taken);
	if (result == 0 && taken != index)
		result = -EINVAL;
	if (result == 0)
		fill_slot(state, index, key, mode, flags | NODE_FIXED | (fd >= 0 ? NODE_NEEDS_FD : 0), 1, fd);
	state_unlock(state);
	return result;
}

int node_reference_locked(struct state *state, const struct node_key *key, mode_t mode, uint32_t flags,
			  int *fd, uint64_t *id)
{
	uint32_t index = node_table_find(state, key);
	int result = 0;

	if (index) {
		struct node_slot *slot = &state->arena->nodes[index];

		leave_idle(state, index);
		atomic_fetch_add(&slot->lookups, 1);
		/* the file has a name again, as linkat(2) can give to an unlinked one */
		if (atomic_load(&slot->flags) & NODE_UNLINKED && !(flags & NODE_UNLINKED)) {
			atomic_fetch_and(&slot->flags, ~(uint32_t)(NODE_UNLINKED | NODE_SLOW_END));
			backing_id_unhold(state, index);
		}
	} else if (*fd >= state->max_fd) {
		result = -ENFILE;
	} else {
		if (*fd >= state->max_fd - state->max_fd / 8)
			/* relaxed: a hint without other data; the next descriptor sets it again */
			atomic_store_explicit(&state->is_crowded, true, memory_order_relaxed);
		result = take_slot_locked(state, &index);
		if (result == 0)
			fill_slot(state, index, key, mode, flags, 1, take_fd(fd));
	}
	if (result == 0)
		*id = node_id(state, index);
	return result;
}

int node_reference(struct state *state, const struct node_key *key, mode_t mode, uint32_t flags, int *fd,
		   uint64_t *id)
{
	int result;

	pthread_mutex_lock(&state->lock);
	result = node_reference_locked(state, key, mode, flags, fd, id);
	state_unlock(state);
	return result;
}

bool node_pin_slot(struct state *state, uint64_t id)
{
	bool is_known;

	pthread_mutex_lock(&state->lock);
	is_known = node_get(state, id);
	if (is_known) {
		state->pinned_node = node_index_of(id);
		leave_idle(state, state->pinned_node);
	}
	pthread_mutex_unlock(&state->lock);
	return is_known;
}

static int take_if_idle(struct state *state, uint32_t index)
{
	int id = 0;

	if (is_idle(state, index)) {
		id = backing_id_take(state, index);
		node_became_idle_locked(state, index);
	}
	return id;
}

void node_unpin_slot(struct state *state, int *backing_id)
{
	uint32_t index;

	pthread_mutex_lock(&state->lock);
	index = state->pinned_node;
	state->pinned_node = 0;
	*backing_id = index ? take_if_idle(state, index) : 0;
	state_unlock(state);
}

uint64_t node_find_locked(const struct state *state, const struct node_key *key)
{
	uint32_t index = node_table_find(state, key);

	return index ? node_id(state, index) : 0;
}

uint64_t node_find(struct state *state, const struct node_key *key)
{
	uint64_t id;

	pthread_mutex_lock(&state->lock);
	id = node_find_locked(state, key);
	pthread_mutex_unlock(&state->lock);
	return id;
}

uint64_t node_find_inode(struct state *state, uint16_t store, uint64_t inode)
{
	uint32_t index;
	uint64_t id;

	pthread_mutex_lock(&state->lock);
	index = node_table_find_inode(state, store, inode);
	id = index ? node_id(state, index) : 0;
	pthread_mutex_unlock(&state->lock);
	return id;
}

uint64_t node_find_open(struct state *state, uint16_t store, uint64_t inode,
			bool (*match)(const struct node_slot *node, void *context), void *context)
{
	uint64_t id = 0;

	pthread_mutex_lock(&state->lock);
	for (uint32_t index = node_table_first(state, store, inode); index && !id;
	     index = state->index[index].hash_next) {
		const struct node_slot *slot = &state->arena->nodes[index];

		if (slot->inode == inode && slot->store == store && state->index[index].handles > 0 &&
		    match(slot, context))
			id = node_id(state, index);
	}
	pthread_mutex_unlock(&state->lock);
	return id;
}

void node_attributes_sent(struct state *state, uint64_t id, uint32_t now)
{
	/*
	 * without the lock: the request holds the node. Relaxed: the time stands for itself, and where it is
	 * seen too late, a listing sends the attributes once more
	 */
	if (node_get(state, id))
		atomic_store_explicit(&state->index[node_index_of(id)].sent_at, now, memory_order_relaxed);
}

bool node_is_fresh(struct state *state, uint16_t store, uint64_t inode, uint32_t since)
{
	uint32_t index;
	bool fresh = false;

	pthread_mutex_lock(&state->lock);
	/* of two nodes with this inode number one is stale, and only the handle tells which */
	index = node_table_find_inode(state, store, inode);
	if (index)
		fresh = atomic_load(&state->arena->nodes[index].lookups) > 0 && state->index[index].sent_at &&
			(int32_t)(state->index[index].sent_at - since) >= 0;
	pthread_mutex_unlock(&state->lock);
	return fresh;
}

void node_forget(struct state *state, uint64_t id, uint64_t count, int *backing_id)
{
	struct node_slot *slot;
	uint64_t lookups;

	*backing_id = 0;
	pthread_mutex_lock(&state->lock);
	slot = node_get(state, id);
	if (slot) {
		lookups = atomic_load(&slot->lookups);
		if (count > lookups)
			count = lookups;
		atomic_store(&slot->lookups, lookups - count);
		if (count > 0)
			*backing_id = take_if_idle(state, node_index_of(id));
	}
	state_unlock(state);
}

uint64_t node_hold_locked(struct state *state, uint16_t store, uint64_t inode, bool *held, bool *is_flagged)
{
	uint32_t index = node_table_find_inode(state, store, inode);
	struct node_slot *slot = &state->arena->nodes[index];

	if (!index)
		return 0;
	*is_flagged = atomic_load(&slot->backing_id) > 0;
	*held = *is_flagged || atomic_load(&slot->fd) >= 0;
	if (*is_flagged) {
		atomic_fetch_or(&slot->flags, NODE_HELD);
		node_list_remove(state, NODE_LIST_HOT, index);
	}
	return node_id(state, index);
}

int node_take_id(struct state *state, uint32_t limit)
{
	int id = 0;

	pthread_mutex_lock(&state->lock);
	if (state->lists[NODE_LIST_HOT].n > limit)
		id = backing_id_take(state, state->lists[NODE_LIST_HOT].head);
	pthread_mutex_unlock(&state->lock);
	return id;
}

bool node_holds_id(const struct state *state, uint32_t index)
{
	const struct node_slot *slot = &state->arena->nodes[index];

	return node_list_has(state, NODE_LIST_HOT, index) ||
	       (backing_id_is_held(slot) && atomic_load(&slot->lookups) > 0);
}

void node_add_fd(struct state *state, uint64_t id, int *fd)
{
	struct node_slot *slot;

	pthread_mutex_lock(&state->lock);
	slot = node_get(state, id);
	if (slot && state->index[node_index_of(id)].handles > 0 && atomic_load(&slot->fd) < 0)
		atomic_store(&slot->fd, take_fd(fd));
	pthread_mutex_unlock(&state->lock);
}

void node_unlinked_locked(struct state *state, uint64_t id, uint32_t flags, int *fd)
{
	uint32_t index = node_index_of(id);
	struct node_slot *slot = node_get(state, id);

	if (!slot)
		return;
	atomic_fetch_or(&slot->flags, NODE_UNLINKED | flags);
	if (is_idle(state, index)) {
		leave_idle(state, index);
		drop_locked(state, index);
	} else if (atomic_load(&slot->fd) < 0 &&
		   (!node_is_external(slot) || state->index[index].handles > 0)) {
		atomic_store(&slot->fd, take_fd(fd));
	}
}

void node_opened_locked(struct state *state, uint32_t index)
{
	leave_idle(state, index);
	node_list_remove(state, NODE_LIST_HOT, index);
	state->index[index].handles++;
}

/* Records the time of the last close, which must survive a worker: lifetimes depend on it. */
void node_closes_locked(struct state *state, uint64_t id)
{
	struct node_slot *slot = node_get(state, id);

	if (slot && state->index[node_index_of(id)].handles == 1)
		atomic_store(&slot->closed_at, boottime_nanoseconds());
}

int node_closed_locked(struct state *state, uint32_t index)
{
	struct node_slot *slot = &state->arena->nodes[index];
	int id = 0;

	state->index[index].handles--;
	if (state->index[index].handles > 0)
		return 0;
	atomic_fetch_and(&slot->flags, ~(uint32_t)NODE_REFUSED);
	if (node_is_external(slot)) {
		/* release the memory in case the file is removed elsewhere */
		id = backing_id_take(state, index);
		if (!(atomic_load(&slot->flags) & NODE_NEEDS_FD))
			node_close_fd_locked(state, slot);
		if (is_idle(state, index))
			node_became_idle_locked(state, index);
	} else if (is_idle(state, index)) {
		id = backing_id_take(state, index);
		node_became_idle_locked(state, index);
	} else {
		id = backing_id_cache(state, index);
	}
	return id;
}
