// SPDX-License-Identifier: MIT
#include "fs/state/name_change.h"
#include "fs/state/backing_id.h"
#include "fs/state/node_fd.h"
#include "lib/base/cleanup.h"

/* an entry without a node; no index is this high */
#define NO_NODE UINT32_MAX

/* --- entries --- */

static _Atomic uint32_t *find_free(struct state *state)
{
	for (unsigned int i = 0; i < NAME_CHANGES; i++)
		if (atomic_load(&state->changes[i]) == 0)
			return &state->changes[i];
	return NULL;
}

static bool has_entries(const struct state *state)
{
	for (unsigned int i = 0; i < NAME_CHANGES; i++)
		if (atomic_load(&state->changes[i]) != 0)
			return true;
	return false;
}

bool name_change_uses_locked(const struct state *state, uint32_t index)
{
	for (unsigned int i = 0; i < NAME_CHANGES; i++)
		if (atomic_load(&state->changes[i]) == index)
			return true;
	return false;
}

/*
 * A change frees its entry without the lock, and then reads the number of waiters; a waiter counts itself
 * before it reads the entries: so one of both sees the other.
 */
static _Atomic uint32_t *take_entry_locked(struct state *state, bool is_frozen)
{
	_Atomic uint32_t *entry;

	if ((is_frozen || !state->names_are_frozen) && (entry = find_free(state)))
		return entry;
	atomic_fetch_add(&state->n_change_waiters, 1);
	while ((!is_frozen && state->names_are_frozen) || !(entry = find_free(state)))
		pthread_cond_wait(&state->change_ended, &state->lock);
	atomic_fetch_sub(&state->n_change_waiters, 1);
	return entry;
}

static void wake_waiters(struct state *state)
{
	pthread_mutex_lock(&state->lock);
	pthread_cond_broadcast(&state->change_ended);
	pthread_mutex_unlock(&state->lock);
}

void names_freeze(struct state *state)
{
	pthread_mutex_lock(&state->lock);
	atomic_fetch_add(&state->n_change_waiters, 1);
	while (state->names_are_frozen)
		pthread_cond_wait(&state->change_ended, &state->lock);
	state->names_are_frozen = true;
	while (has_entries(state))
		pthread_cond_wait(&state->change_ended, &state->lock);
	atomic_fetch_sub(&state->n_change_waiters, 1);
	pthread_mutex_unlock(&state->lock);
}

void names_thaw(struct state *state)
{
	pthread_mutex_lock(&state->lock);
	state->names_are_frozen = false;
	pthread_cond_broadcast(&state->change_ended);
	pthread_mutex_unlock(&state->lock);
}

/* --- a change --- */

void name_change_begin(struct state *state, uint16_t store, uint64_t inode, bool is_frozen,
		       struct name_change *change)
{
	*change = (struct name_change){.state = state};
	pthread_mutex_lock(&state->lock);
	change->entry = take_entry_locked(state, is_frozen);
	if (inode)
		change->node = node_hold_locked(state, store, inode, &change->held, &change->is_flagged);
	atomic_store(change->entry, change->node ? node_index_of(change->node) : NO_NODE);
	pthread_mutex_unlock(&state->lock);
}

/* Takes a descriptor back from a slot whose node was dropped before it had the descriptor. */
static void take_back(struct state *state, struct node_slot *slot)
{
	pthread_mutex_lock(&state->lock);
	node_close_fd_locked(state, slot);
	state_unlock(state);
}

static void give_fd(struct state *state, uint64_t id, int *fd)
{
	struct node_slot *slot = &state->arena->nodes[node_index_of(id)];
	int none = -1;

	if (*fd < 0 || !atomic_compare_exchange_strong(&slot->fd, &none, *fd))
		return;
	*fd = -1;
	/* who drops a node clears its state, then takes its descriptor: one of both sees the other */
	if (!node_get(state, id))
		take_back(state, slot);
}

static void unlinked_under_lock(struct state *state, uint64_t id, uint32_t flags, int *fd)
{
	pthread_mutex_lock(&state->lock);
	node_unlinked_locked(state, id, flags, fd);
	state_unlock(state);
}

void name_change_unlinked(struct name_change *change, uint32_t flags, int *fd)
{
	struct state *state = change->state;
	struct node_slot *slot = &state->arena->nodes[node_index_of(change->node)];

	/* an external node must not hold a file that is not open, and the lock guards its opens */
	if (!change->entry || node_is_external(slot)) {
		unlinked_under_lock(state, change->node, flags, fd);
		return;
	}
	/* in this order: after a death, the journal's descriptor keeps the file until the node has it */
	atomic_fetch_or(&slot->flags, NODE_UNLINKED | flags);
	give_fd(state, change->node, fd);
	/* who forgets a node clears its lookup count, then reads the flags: one of both sees the other */
	if (atomic_load(&slot->lookups) == 0)
		unlinked_under_lock(state, change->node, flags, fd);
}

void name_change_unlinked_key(struct state *state, const struct node_key *key, uint32_t flags, int *fd)
{
	pthread_mutex_lock(&state->lock);
	node_unlinked_locked(state, node_find_locked(state, key), flags, fd);
	state_unlock(state);
}

void name_change_failed(struct name_change *change)
{
	struct state *state = change->state;

	if (!change->is_flagged)
		return;
	change->is_flagged = false;
	pthread_mutex_lock(&state->lock);
	if (node_get(state, change->node))
		backing_id_unhold(state, node_index_of(change->node));
	pthread_mutex_unlock(&state->lock);
}

void name_change_end(struct name_change *change)
{
	if (!change->entry)
		return;
	atomic_store(change->entry, 0);
	change->entry = NULL;
	if (atomic_load(&change->state->n_change_waiters) > 0)
		wake_waiters(change->state);
}
