// SPDX-License-Identifier: MIT
#include "fs/state/lock_recover.h"
#include "fs/state/handle.h"
#include "fs/state/lock_queue.h"
#include "fs/state/node.h"
#include "fs/state/share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Links a lock that overlaps none, merging it with adjacent ones of the same type. */
static void link_joined(struct locks *locks, struct lock_node *node, uint32_t lock)
{
	struct lock_slot *slot = table_slot(locks, lock);
	uint32_t root = node->by_owner[slot->kind];
	uint32_t before =
		slot->start > 0 ? lock_tree_owned(&locks->forest, root, slot->owner, slot->start - 1) : 0;
	uint32_t after =
		slot->end < LOCK_END ? lock_tree_owned(&locks->forest, root, slot->owner, slot->end + 1) : 0;

	if (before && table_slot(locks, before)->end == slot->start - 1 &&
	    table_slot(locks, before)->type == slot->type) {
		table_unlink(locks, node, before);
		slot->start = table_slot(locks, before)->start;
		table_free_slot(locks, before);
	}
	if (after && table_slot(locks, after)->start == slot->end + 1 &&
	    table_slot(locks, after)->type == slot->type) {
		table_unlink(locks, node, after);
		slot->end = table_slot(locks, after)->end;
		table_free_slot(locks, after);
	}
	table_link(locks, node, lock);
}

/* Makes the first part of a lock, through `end`, a lock of its own. Uses a reserved slot. */
static void split_off(struct locks *locks, struct lock_node *node, const struct lock_slot *slot, uint64_t end)
{
	uint32_t first = table_take_slot(locks);
	struct lock_slot content;

	memcpy(&content, slot, sizeof(content));
	content.end = end;
	table_fill_slot(locks, first, &content, LOCK_SLOT_HELD);
	link_joined(locks, node, first);
}

/* A death in the middle of a change leaves overlaps: the newer lock is right. */
static void link_recovered(struct locks *locks, struct lock_node *node, uint32_t lock)
{
	struct lock_slot *slot = table_slot(locks, lock);
	uint32_t other;

	while ((other = lock_tree_owned(&locks->forest, node->by_owner[slot->kind], slot->owner,
					slot->start)) != 0) {
		struct lock_slot *found = table_slot(locks, other);
		bool is_newer =
			found->turn > slot->turn || (found->turn == slot->turn && found->start > slot->start);

		if (found->start > slot->end)
			break;
		/* no death leaves more overlaps than there are slots for */
		if (table_reserve(locks) < 0) {
			table_free_slot(locks, lock);
			return;
		}
		/* the rest of a cut that has its own slot already, or a lock merged into a wider one */
		if (found->type == slot->type) {
			table_unlink(locks, node, other);
			slot->start = found->start < slot->start ? found->start : slot->start;
			slot->end = found->end > slot->end ? found->end : slot->end;
			slot->turn = found->turn > slot->turn ? found->turn : slot->turn;
			table_free_slot(locks, other);
			continue;
		}
		if (!is_newer) {
			table_cut(locks, node, slot->kind, slot->owner, slot->start, slot->end);
			break;
		}
		/* continue with the part beyond its end; the part before it becomes a lock of its own */
		if (slot->end > found->end) {
			if (slot->start < found->start)
				split_off(locks, node, slot, found->start - 1);
			slot->start = found->end + 1;
			continue;
		}
		if (slot->start >= found->start) {
			table_free_slot(locks, lock);
			return;
		}
		slot->end = found->start - 1;
	}
	link_joined(locks, node, lock);
}

/* Rejects corrupt slots. */
static bool slot_is_sane(const struct locks *locks, const struct lock_slot *slot)
{
	uint32_t state = atomic_load(&slot->state);
	unsigned char access;

	memcpy(&access, &slot->access, 1);
	return (state == LOCK_SLOT_HELD || state == LOCK_SLOT_WAITING) &&
	       (uint32_t)slot->handle < locks->state->arena->header->max_handles && slot->kind < LOCK_KINDS &&
	       slot->type < LOCK_TYPES && slot->holder <= LOCK_OF_OPEN && slot->start <= slot->end &&
	       (access == 0 || (access == 1 && state == LOCK_SLOT_WAITING && slot->kind == LOCK_RANGE));
}

/* Whether the lock's handle was released before the worker died, or does not exist. */
static bool is_orphaned(const struct locks *locks, const struct lock_slot *slot)
{
	const struct handle_slot *handle = handle_get(locks->state, slot->handle);

	if (slot->handle == 0 || !handle)
		return slot->handle || !slot->access || !node_get(locks->state, slot->node);
	return handle->node != slot->node;
}

/* A conflict with another owner's lock is corruption: no death leaves one. */
static bool is_in_conflict(const struct locks *locks, const struct lock_slot *slot)
{
	const struct lock_request request = {
		.node = slot->node,
		.owner = slot->owner,
		.start = slot->start,
		.end = slot->end,
		.kind = slot->kind,
		.type = slot->type,
	};

	return atomic_load(&slot->state) == LOCK_SLOT_HELD && table_conflict(locks, &request);
}

static int recover_slot(struct locks *locks, uint32_t lock)
{
	struct lock_slot *slot = table_slot(locks, lock);
	struct lock_node *node;

	if (is_orphaned(locks, slot) || is_in_conflict(locks, slot)) {
		table_free_slot(locks, lock);
		return 0;
	}
	node = table_get(locks, slot->node);
	if (!node || table_reserve(locks) < 0)
		return -ENOMEM;
	if (slot->turn > locks->turn)
		locks->turn = slot->turn;
	if (atomic_load(&slot->state) == LOCK_SLOT_HELD) {
		link_recovered(locks, node, lock);
	} else {
		queue_insert(locks, node, lock);
		locks->forest.index[lock].waiting.tag = 0;
		locks->recovering = true;
	}
	table_put(locks, slot->node);
	return 0;
}

static int index_slots(struct locks *locks)
{
	uint32_t high = atomic_load(&locks->state->arena->header->locks_high);
	int result = 0;

	/* downwards, so that the free list yields low slots first */
	for (uint32_t i = high - 1; i >= 1; i--) {
		if (!slot_is_sane(locks, table_slot(locks, i))) {
			atomic_store(&table_slot(locks, i)->state, LOCK_SLOT_FREE);
			table_push_free(locks, i);
		} else {
			table_count_handle(locks, table_slot(locks, i), 1);
			locks->forest.index[i].unindexed = LOCK_UNINDEXED;
		}
	}
	/* not the slots taken meanwhile */
	for (uint32_t i = 1; i < high && result == 0; i++)
		if (locks->forest.index[i].unindexed == LOCK_UNINDEXED)
			result = recover_slot(locks, i);
	return result;
}

void lock_close_index(struct state *state)
{
	const struct arena_header *header = state->arena->header;
	struct locks *locks = state->locks;

	if (!locks)
		return;
	index_unmap(locks->forest.index, header->max_locks, sizeof(*locks->forest.index));
	index_unmap(locks->place, header->max_nodes, sizeof(*locks->place));
	index_unmap(locks->of_handle, header->max_handles, sizeof(*locks->of_handle));
	index_unmap(locks->of_process, MAX_PROCESSES, sizeof(*locks->of_process));
	pthread_mutex_destroy(&locks->lock);
	free(locks->nodes);
	free(locks);
	state->locks = NULL;
}

int lock_index_slots(struct state *state)
{
	const struct arena_header *header = state->arena->header;
	struct locks *locks = calloc(1, sizeof(*locks));
	int result = -ENOMEM;

	if (!locks)
		return -ENOMEM;
	state->locks = locks;
	pthread_mutex_init(&locks->lock, NULL);
	locks->state = state;
	locks->n_nodes = 1;
	locks->forest.slots = state->arena->locks;
	locks->forest.index = index_map(header->max_locks, sizeof(*locks->forest.index));
	locks->place = index_map(header->max_nodes, sizeof(*locks->place));
	locks->of_handle = index_map(header->max_handles, sizeof(*locks->of_handle));
	locks->of_process = index_map(MAX_PROCESSES, sizeof(*locks->of_process));
	if (locks->forest.index && locks->place && locks->of_handle && locks->of_process &&
	    table_grow(locks) == 0)
		result = index_slots(locks);
	if (result < 0)
		lock_close_index(state);
	return result;
}

static int check_tree(const struct locks *locks, const struct lock_node *node, enum lock_kind kind, char *why,
		      size_t size)
{
	const struct lock_slot *before = NULL;
	uint32_t n_by_range = 0;
	uint32_t n_by_owner = 0;
	uint32_t lock = 0;

	while ((lock = lock_tree_next(&locks->forest, BY_OWNER, node->by_owner[kind], lock)) != 0) {
		const struct lock_slot *slot = table_slot(locks, lock);

		n_by_owner++;
		if (atomic_load(&slot->state) != LOCK_SLOT_HELD || slot->node != node->node ||
		    slot->kind != kind || slot->start > slot->end) {
			snprintf(why, size, "lock %u is not one of the node that lists it", lock);
			return -EUCLEAN;
		}
		if (before && before->owner == slot->owner &&
		    (before->end >= slot->start ||
		     (before->end + 1 == slot->start && before->type == slot->type))) {
			snprintf(why, size, "lock %u and the one before it are one", lock);
			return -EUCLEAN;
		}
		before = slot;
	}
	for (int type = 0; type < LOCK_TYPES; type++) {
		for (lock = 0; (lock = lock_tree_next(&locks->forest, BY_RANGE, node->by_range[kind][type],
						      lock)) != 0;) {
			const struct lock_slot *slot = table_slot(locks, lock);

			n_by_range++;
			if (type == LOCK_EXCLUSIVE &&
			    (lock_tree_overlap(&locks->forest, node->by_range[kind][LOCK_SHARED], slot->start,
					       slot->end, slot->owner) ||
			     lock_tree_overlap(&locks->forest, node->by_range[kind][LOCK_EXCLUSIVE],
					       slot->start, slot->end, slot->owner))) {
				snprintf(why, size, "lock %u is exclusive and not alone", lock);
				return -EUCLEAN;
			}
		}
	}
	if (n_by_range != n_by_owner) {
		snprintf(why, size, "node %#llx has %u locks by range and %u by owner",
			 (unsigned long long)node->node, n_by_range, n_by_owner);
		return -EUCLEAN;
	}
	return (int)n_by_range;
}

int lock_check(struct state *state, char *why, size_t size)
{
	struct locks *locks = state->locks;
	uint32_t high = atomic_load(&state->arena->header->locks_high);
	uint32_t held = 0;
	uint32_t waiting = 0;
	uint32_t taken = 0;
	uint32_t linked = 0;
	int result = 0;

	pthread_mutex_lock(&locks->lock);
	for (uint32_t i = 1; i < high; i++) {
		held += atomic_load(&table_slot(locks, i)->state) == LOCK_SLOT_HELD;
		waiting += atomic_load(&table_slot(locks, i)->state) == LOCK_SLOT_WAITING;
		taken += atomic_load(&table_slot(locks, i)->state) != LOCK_SLOT_FREE;
	}
	for (uint32_t i = 1; i < locks->n_nodes && result >= 0; i++) {
		for (int kind = 0; kind < LOCK_KINDS && result >= 0 && locks->nodes[i].node; kind++) {
			result = check_tree(locks, &locks->nodes[i], (enum lock_kind)kind, why, size);
			linked += result > 0 ? (uint32_t)result : 0;
		}
	}
	if (result >= 0 && (held != locks->n_held || held != linked || waiting != locks->n_waiting)) {
		snprintf(why, size, "%u locks held, %u waited for; counted %u and %u, listed %u", held,
			 waiting, locks->n_held, locks->n_waiting, linked);
		result = -EUCLEAN;
	}
	if (result >= 0 && share_total(state, SHARE_LOCKS) != taken) {
		snprintf(why, size, "%u locks held or waited for; users have %llu", taken,
			 (unsigned long long)share_total(state, SHARE_LOCKS));
		result = -EUCLEAN;
	}
	pthread_mutex_unlock(&locks->lock);
	return result < 0 ? result : 0;
}
