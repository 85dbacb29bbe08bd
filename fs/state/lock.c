// SPDX-License-Identifier: MIT
#include "fs/state/lock.h"
#include "fs/state/lock_queue.h"

#include <errno.h>

/* flock(2) drops the old lock before it looks for the new one. */
static void drop_for_conversion(struct locks *locks, const struct lock_request *request)
{
	const struct lock_node *node = table_find(locks, request->node);
	uint32_t lock;

	if (!node || request->kind != LOCK_FLOCK)
		return;
	lock = lock_tree_owned(&locks->forest, node->by_owner[LOCK_FLOCK], request->owner, 0);
	if (lock && table_slot(locks, lock)->type != request->type) {
		table_drop(locks, request);
		queue_grant(locks, request->node);
	}
}

static void fill_entry(struct lock_entry *entry, const struct lock_slot *slot)
{
	*entry = (struct lock_entry){
		.node = slot->node,
		.handle = slot->handle,
		.start = slot->start,
		.end = slot->end,
		.since = slot->since,
		.pid = slot->pid,
		.kind = slot->kind,
		.type = slot->type,
		.holder = slot->holder,
		.access = slot->access,
		.waits = atomic_load(&slot->state) == LOCK_SLOT_WAITING,
	};
}

bool lock_test(struct state *state, const struct lock_request *request, struct lock_entry *conflict)
{
	struct locks *locks = state->locks;
	uint32_t found;

	pthread_mutex_lock(&locks->lock);
	found = table_conflict(locks, request);
	if (found)
		fill_entry(conflict, table_slot(locks, found));
	pthread_mutex_unlock(&locks->lock);
	return found != 0;
}

int lock_set(struct state *state, const struct lock_request *request)
{
	struct locks *locks = state->locks;
	int result;

	pthread_mutex_lock(&locks->lock);
	if (request->type == LOCK_NONE) {
		result = table_drop(locks, request);
	} else {
		drop_for_conversion(locks, request);
		result = table_conflict(locks, request) ? -EAGAIN : table_set(locks, request, ++locks->turn);
	}
	queue_grant(locks, request->node);
	pthread_mutex_unlock(&locks->lock);
	return result;
}

int lock_wait(struct state *state, const struct lock_request *request, uint64_t tag)
{
	struct locks *locks = state->locks;
	uint32_t known;
	int result;

	pthread_mutex_lock(&locks->lock);
	/* a replayed request that waited in an earlier worker keeps its turn */
	known = locks->recovering ? queue_find(locks, request->node, request->unique) : 0;
	if (known && !table_has(locks, request)) {
		locks->forest.index[known].waiting.tag = tag;
		result = -EINPROGRESS;
	} else if (table_has(locks, request)) {
		/*
		 * an earlier worker granted it but died before its reply; it must not be interrupted any more
		 */
		if (known)
			queue_remove(locks, known);
		result = 0;
	} else {
		drop_for_conversion(locks, request);
		locks->turn++;
		if (!locks->recovering && queue_admits(locks, request, locks->turn))
			result = table_set(locks, request, locks->turn);
		else
			result = queue_park(locks, request, locks->turn, tag);
	}
	queue_grant(locks, request->node);
	pthread_mutex_unlock(&locks->lock);
	return result;
}

int lock_access(struct state *state, const struct lock_request *request, uint64_t tag)
{
	struct lock_request access = *request;
	struct locks *locks = state->locks;
	int result = 0;
	uint32_t known;

	access.kind = LOCK_RANGE;
	access.access = true;
	pthread_mutex_lock(&locks->lock);
	/* a replayed request that waited in an earlier worker keeps its turn */
	known = locks->recovering ? queue_find(locks, request->node, request->unique) : 0;
	if (known || table_access_conflict(locks, &access)) {
		if (tag == 0) {
			result = -EAGAIN;
		} else if (known) {
			locks->forest.index[known].waiting.tag = tag;
			result = -EINPROGRESS;
		} else {
			result = queue_park(locks, &access, ++locks->turn, tag);
		}
	}
	pthread_mutex_unlock(&locks->lock);
	return result;
}

bool lock_access_test(struct state *state, const struct lock_request *request, struct lock_entry *conflict)
{
	struct locks *locks = state->locks;
	uint32_t found;

	pthread_mutex_lock(&locks->lock);
	found = table_access_conflict(locks, request);
	if (found)
		fill_entry(conflict, table_slot(locks, found));
	pthread_mutex_unlock(&locks->lock);
	return found != 0;
}

bool lock_cancel(struct state *state, uint64_t unique, struct lock_outcome *outcome)
{
	struct locks *locks = state->locks;
	uint32_t waiter = 0;

	pthread_mutex_lock(&locks->lock);
	for (uint32_t i = 1; i < locks->n_nodes && locks->n_waiting > 0 && !waiter; i++)
		if (locks->nodes[i].node)
			waiter = queue_find(locks, locks->nodes[i].node, unique);
	/* not replayed yet; the kernel will send another INTERRUPT */
	if (waiter && !locks->forest.index[waiter].waiting.tag)
		waiter = 0;
	if (waiter) {
		uint64_t node = table_slot(locks, waiter)->node;

		*outcome = (struct lock_outcome){
			.tag = locks->forest.index[waiter].waiting.tag,
			.result = -EINTR,
			.access = table_slot(locks, waiter)->access,
		};
		queue_remove(locks, waiter);
		queue_grant(locks, node);
	}
	pthread_mutex_unlock(&locks->lock);
	return waiter != 0;
}

bool lock_next_outcome(struct state *state, struct lock_outcome *outcome)
{
	struct locks *locks = state->locks;
	uint32_t decided;

	/*
	 * asked by the reader after each request, when there is nearly always none. Relaxed: it is read again
	 * under the lock; the reader sees its own decisions, and by the mutex of its role those of earlier
	 * ones
	 */
	if (!atomic_load_explicit(&locks->first_outcome, memory_order_relaxed))
		return false;
	pthread_mutex_lock(&locks->lock);
	decided = locks->first_outcome;
	if (decided) {
		const struct lock_index *index = &locks->forest.index[decided];

		*outcome = (struct lock_outcome){
			.tag = index->waiting.tag,
			.result = index->waiting.result,
			.access = table_slot(locks, decided)->access,
			.slot = decided,
		};
		locks->first_outcome = index->waiting.next_outcome;
		if (!locks->first_outcome)
			locks->last_outcome = 0;
		/* granted I/O keeps its place in the queue until it ends */
		if (!outcome->access || outcome->result < 0)
			table_push_free(locks, decided);
	}
	pthread_mutex_unlock(&locks->lock);
	return decided != 0;
}

void lock_grant_all_access(struct state *state, uint64_t node)
{
	struct locks *locks = state->locks;

	pthread_mutex_lock(&locks->lock);
	queue_grant_all_access(locks, node);
	pthread_mutex_unlock(&locks->lock);
}

void lock_access_end(struct state *state, const struct lock_outcome *outcome)
{
	struct locks *locks = state->locks;
	uint64_t node = table_slot(locks, outcome->slot)->node;

	pthread_mutex_lock(&locks->lock);
	queue_remove(locks, outcome->slot);
	locks->n_decided--;
	queue_grant(locks, node);
	pthread_mutex_unlock(&locks->lock);
}

void lock_drop_owner(struct state *state, uint64_t node, uint64_t owner, enum lock_kind kind)
{
	struct locks *locks = state->locks;
	struct lock_node *found;

	pthread_mutex_lock(&locks->lock);
	found = table_find(locks, node);
	/* cutting everything splits nothing */
	if (found && table_cut(locks, found, kind, owner, 0, LOCK_END))
		queue_grant(locks, node);
	pthread_mutex_unlock(&locks->lock);
}

void lock_drop_handle(struct state *state, uint64_t node, uint64_t handle)
{
	struct locks *locks = state->locks;
	struct lock_node *found;

	pthread_mutex_lock(&locks->lock);
	found = locks->of_handle[(uint32_t)handle] ? table_find(locks, node) : NULL;
	for (int kind = 0; found && kind < LOCK_KINDS; kind++) {
		uint32_t lock = lock_tree_next(&locks->forest, BY_OWNER, found->by_owner[kind], 0);

		while (lock) {
			uint32_t next = lock_tree_next(&locks->forest, BY_OWNER, found->by_owner[kind], lock);

			if (table_slot(locks, lock)->handle == handle) {
				table_unlink(locks, found, lock);
				table_free_slot(locks, lock);
			}
			lock = next;
		}
	}
	for (uint32_t waiter = found ? found->first_waiter : 0; waiter;) {
		uint32_t next = locks->forest.index[waiter].waiting.next;

		if (table_slot(locks, waiter)->handle == handle && !queue_is_decided(locks, waiter))
			queue_end(locks, waiter, -EBADF);
		waiter = next;
	}
	if (found)
		queue_grant(locks, node);
	pthread_mutex_unlock(&locks->lock);
}

void lock_recovered(struct state *state)
{
	struct locks *locks = state->locks;

	pthread_mutex_lock(&locks->lock);
	if (locks->recovering) {
		locks->recovering = false;
		for (uint32_t i = 1; i < locks->n_nodes; i++) {
			uint32_t waiter = locks->nodes[i].node ? locks->nodes[i].first_waiter : 0;

			while (waiter) {
				uint32_t next = locks->forest.index[waiter].waiting.next;

				if (!locks->forest.index[waiter].waiting.tag)
					queue_remove(locks, waiter);
				waiter = next;
			}
			if (locks->nodes[i].node)
				queue_grant(locks, locks->nodes[i].node);
		}
	}
	pthread_mutex_unlock(&locks->lock);
}

bool lock_next_entry(struct state *state, uint32_t *cursor, struct lock_entry *entry)
{
	struct locks *locks = state->locks;
	uint32_t high = atomic_load(&state->arena->header->locks_high);
	bool found = false;

	pthread_mutex_lock(&locks->lock);
	while (!found && ++*cursor < high) {
		found = atomic_load(&table_slot(locks, *cursor)->state) != LOCK_SLOT_FREE;
		if (found)
			fill_entry(entry, table_slot(locks, *cursor));
	}
	pthread_mutex_unlock(&locks->lock);
	return found;
}
