// SPDX-License-Identifier: MIT
#include "fs/state/lock_queue.h"

#include <errno.h>
#include <stdlib.h>

static void fill_request(struct lock_request *request, const struct lock_slot *slot)
{
	*request = (struct lock_request){
		.node = slot->node,
		.owner = slot->owner,
		.handle = slot->handle,
		.unique = slot->unique,
		.start = slot->start,
		.end = slot->end,
		.pid = slot->pid,
		.kind = slot->kind,
		.type = slot->type,
		.holder = slot->holder,
		.access = slot->access,
	};
}

/* Whether a waiting request of another owner conflicts with a request. */
static bool conflicts_with(const struct lock_slot *waiter, const struct lock_request *request)
{
	return waiter->kind == request->kind && waiter->owner != request->owner &&
	       waiter->start <= request->end && waiter->end >= request->start &&
	       (waiter->type == LOCK_EXCLUSIVE || request->type == LOCK_EXCLUSIVE);
}

/* Whether granted I/O that conflicts with a request is still in flight. No request may overtake it. */
static bool is_in_flight(const struct locks *locks, const struct lock_node *node,
			 const struct lock_request *request)
{
	for (uint32_t waiter = locks->n_decided ? node->first_waiter : 0; waiter;
	     waiter = locks->forest.index[waiter].waiting.next)
		if (queue_is_decided(locks, waiter) && conflicts_with(table_slot(locks, waiter), request))
			return true;
	return false;
}

/* Whether a request would overtake an earlier conflicting one. */
static bool would_overtake(const struct locks *locks, const struct lock_request *request, uint64_t turn)
{
	const struct lock_node *node = table_find(locks, request->node);
	uint32_t waiter = node ? node->first_waiter : 0;

	if (node && is_in_flight(locks, node, request))
		return true;
	for (; waiter && table_slot(locks, waiter)->turn < turn;
	     waiter = locks->forest.index[waiter].waiting.next)
		if (conflicts_with(table_slot(locks, waiter), request))
			return !table_holds_anything(locks, request);
	return false;
}

/* I/O may overtake queued lock requests, except an earlier one that is blocked only by I/O in flight. */
static bool access_would_overtake(const struct locks *locks, const struct lock_request *access, uint64_t turn)
{
	const struct lock_node *node = table_find(locks, access->node);
	uint32_t waiter = node && locks->n_decided ? node->first_waiter : 0;

	for (; waiter && table_slot(locks, waiter)->turn < turn;
	     waiter = locks->forest.index[waiter].waiting.next) {
		const struct lock_slot *slot = table_slot(locks, waiter);
		struct lock_request request;

		if (slot->access || !conflicts_with(slot, access))
			continue;
		fill_request(&request, slot);
		if (!table_conflict(locks, &request) && is_in_flight(locks, node, &request))
			return true;
	}
	return false;
}

bool queue_admits(const struct locks *locks, const struct lock_request *request, uint64_t turn)
{
	if (request->access)
		return !table_access_conflict(locks, request) && !access_would_overtake(locks, request, turn);
	return !table_conflict(locks, request) && !would_overtake(locks, request, turn);
}

/*
 * Whether a request that is about to wait would close a cycle: it is blocked by an owner that waits, directly
 * or not, for the request's owner. Searches waiting requests only, visiting each once.
 */
static bool is_deadlock(const struct locks *locks, const struct lock_slot *request)
{
	const struct lock_slot *from = request;
	uint32_t *unvisited;
	uint32_t *stack;
	uint32_t n_unvisited = 0;
	uint32_t n_stack = 0;
	bool found = false;

	if (request->kind != LOCK_RANGE || locks->n_waiting == 0)
		return false;
	unvisited = calloc(locks->n_waiting, 2 * sizeof(*unvisited));
	if (!unvisited)
		return false; /* without memory it waits until it is interrupted */
	stack = unvisited + locks->n_waiting;
	for (uint32_t i = 1; i < locks->n_nodes; i++) {
		uint32_t waiter = locks->nodes[i].node ? locks->nodes[i].first_waiter : 0;

		for (; waiter; waiter = locks->forest.index[waiter].waiting.next)
			if (table_slot(locks, waiter)->kind == LOCK_RANGE)
				unvisited[n_unvisited++] = waiter;
	}
	for (;;) {
		for (uint32_t i = 0; i < n_unvisited;) {
			if (table_blocks(locks, table_slot(locks, unvisited[i]), from)) {
				stack[n_stack++] = unvisited[i];
				unvisited[i] = unvisited[--n_unvisited];
			} else {
				i++;
			}
		}
		if (n_stack == 0)
			break;
		from = table_slot(locks, stack[--n_stack]);
		found = table_blocks(locks, request, from);
		if (found)
			break;
	}
	free(unvisited);
	return found;
}

void queue_insert(struct locks *locks, struct lock_node *node, uint32_t waiter)
{
	struct lock_index *index = locks->forest.index;
	uint32_t after = node->last_waiter;

	/* nearly always the last one */
	while (after && table_slot(locks, after)->turn > table_slot(locks, waiter)->turn)
		after = index[after].waiting.previous;
	index[waiter].waiting.result = LOCK_UNDECIDED;
	index[waiter].waiting.previous = after;
	index[waiter].waiting.next = after ? index[after].waiting.next : node->first_waiter;
	if (index[waiter].waiting.next)
		index[index[waiter].waiting.next].waiting.previous = waiter;
	else
		node->last_waiter = waiter;
	if (after)
		index[after].waiting.next = waiter;
	else
		node->first_waiter = waiter;
	locks->n_waiting++;
}

static void dequeue(struct locks *locks, struct lock_node *node, uint32_t waiter)
{
	struct lock_index *index = &locks->forest.index[waiter];

	if (index->waiting.previous)
		locks->forest.index[index->waiting.previous].waiting.next = index->waiting.next;
	else
		node->first_waiter = index->waiting.next;
	if (index->waiting.next)
		locks->forest.index[index->waiting.next].waiting.previous = index->waiting.previous;
	else
		node->last_waiter = index->waiting.previous;
	locks->n_waiting--;
}

/*
 * The lock's slot is written before the request's slot is freed, so that a replay finds the lock granted. I/O
 * keeps its slot until it has ended.
 */
static void decide(struct locks *locks, uint32_t waiter, int result)
{
	struct lock_slot *slot = table_slot(locks, waiter);
	struct lock_index *index = &locks->forest.index[waiter];

	if (slot->access && result == 0) {
		locks->n_decided++;
	} else {
		atomic_store(&slot->state, LOCK_SLOT_FREE);
		table_count_handle(locks, slot, -1);
	}
	index->waiting.result = result;
	index->waiting.next_outcome = 0;
	if (locks->last_outcome)
		locks->forest.index[locks->last_outcome].waiting.next_outcome = waiter;
	else
		locks->first_outcome = waiter;
	locks->last_outcome = waiter;
}

void queue_end(struct locks *locks, uint32_t waiter, int result)
{
	if (!locks->forest.index[waiter].waiting.tag) {
		queue_remove(locks, waiter);
		return;
	}
	dequeue(locks, table_find(locks, table_slot(locks, waiter)->node), waiter);
	decide(locks, waiter, result);
}

/* Goes through a queue once. Returns whether anything was granted. */
static bool grant_waiters(struct locks *locks, uint64_t id)
{
	const struct lock_node *first = table_find(locks, id);
	uint32_t waiter = first ? first->first_waiter : 0;
	bool any = false;

	while (waiter) {
		uint32_t next = locks->forest.index[waiter].waiting.next;
		const struct lock_slot *slot = table_slot(locks, waiter);
		struct lock_request request;

		fill_request(&request, slot);
		if (queue_is_decided(locks, waiter) || !queue_admits(locks, &request, slot->turn)) {
			waiter = next;
			continue;
		}
		if (!request.access)
			dequeue(locks, table_find(locks, id), waiter);
		decide(locks, waiter, request.access ? 0 : table_set(locks, &request, slot->turn));
		any = true;
		waiter = next;
	}
	return any;
}

void queue_grant_all_access(struct locks *locks, uint64_t node)
{
	const struct lock_node *found = table_find(locks, node);
	uint32_t waiter = found ? found->first_waiter : 0;

	for (; waiter && !locks->recovering; waiter = locks->forest.index[waiter].waiting.next)
		if (table_slot(locks, waiter)->access && !queue_is_decided(locks, waiter))
			decide(locks, waiter, 0);
}

/*
 * Called after a lock was dropped or changed. Repeats, because a granted conversion may make room for others.
 */
void queue_grant(struct locks *locks, uint64_t node)
{
	while (!locks->recovering && grant_waiters(locks, node))
		;
	table_put(locks, node);
}

uint32_t queue_find(const struct locks *locks, uint64_t node, uint64_t unique)
{
	const struct lock_node *found = table_find(locks, node);
	uint32_t waiter = found ? found->first_waiter : 0;

	while (waiter && (table_slot(locks, waiter)->unique != unique || queue_is_decided(locks, waiter)))
		waiter = locks->forest.index[waiter].waiting.next;
	return waiter;
}

void queue_remove(struct locks *locks, uint32_t waiter)
{
	dequeue(locks, table_find(locks, table_slot(locks, waiter)->node), waiter);
	table_free_slot(locks, waiter);
}

int queue_park(struct locks *locks, const struct lock_request *request, uint64_t turn, uint64_t tag)
{
	struct lock_node *node = table_get(locks, request->node);
	struct lock_slot content;
	uint32_t lock;

	table_content(&content, request, turn);
	if (node && is_deadlock(locks, &content)) {
		table_put(locks, request->node);
		return -EDEADLK;
	}
	if (!node || !table_admits(locks, request) || table_reserve(locks) < 0) {
		table_put(locks, request->node);
		return -ENOLCK;
	}
	lock = table_take_slot(locks);
	table_fill_slot(locks, lock, &content, LOCK_SLOT_WAITING);
	queue_insert(locks, node, lock);
	locks->forest.index[lock].waiting.tag = tag;
	return -EINPROGRESS;
}
