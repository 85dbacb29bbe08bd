// SPDX-License-Identifier: MIT
#include "fs/state/lock_table.h"
#include "fs/state/node.h"
#include "fs/state/share.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* slots that a change of a range may need: for the lock, and for the rest of one that it cuts in two */
#define RESERVED 2u

void table_push_free(struct locks *locks, uint32_t lock)
{
	locks->forest.index[lock].free.next = locks->free_slot;
	locks->free_slot = lock;
	locks->n_free++;
}

/* Reserves RESERVED slots, so that taking them cannot fail. */
int table_reserve(struct locks *locks)
{
	struct arena *arena = locks->state->arena;

	while (locks->n_free < RESERVED) {
		uint32_t high = atomic_load(&arena->header->locks_high);

		if (arena_commit_lock(arena) < 0)
			return -ENOLCK;
		/* an unused slot is free, unless a stray write has hit it */
		atomic_store(&table_slot(locks, high)->state, LOCK_SLOT_FREE);
		atomic_store(&arena->header->locks_high, high + 1);
		table_push_free(locks, high);
	}
	return 0;
}

uint32_t table_take_slot(struct locks *locks)
{
	uint32_t lock = locks->free_slot;

	locks->free_slot = locks->forest.index[lock].free.next;
	locks->n_free--;
	return lock;
}

/* Locks are charged to the user of their handle. */
static uint32_t user_of(const struct locks *locks, uint64_t handle)
{
	return locks->state->arena->handles[(uint32_t)handle].uid;
}

bool table_admits(const struct locks *locks, const struct lock_request *request)
{
	return share_admits(locks->state, user_of(locks, request->handle), SHARE_LOCKS, 1);
}

void table_count_handle(struct locks *locks, const struct lock_slot *slot, int change)
{
	uint32_t *count = &locks->of_handle[(uint32_t)slot->handle];

	*count = (uint32_t)((int)*count + change);
	share_count(locks->state, user_of(locks, slot->handle), SHARE_LOCKS, change);
}

/* The state word is cleared first and set last. */
void table_free_slot(struct locks *locks, uint32_t lock)
{
	struct lock_slot *slot = table_slot(locks, lock);

	atomic_store(&slot->state, LOCK_SLOT_FREE);
	table_count_handle(locks, slot, -1);
	table_push_free(locks, lock);
}

void table_fill_slot(struct locks *locks, uint32_t lock, const struct lock_slot *content,
		     enum lock_slot_state state)
{
	struct lock_slot *slot = table_slot(locks, lock);

	slot->pid = content->pid;
	slot->node = content->node;
	slot->owner = content->owner;
	slot->handle = content->handle;
	slot->unique = content->unique;
	slot->start = content->start;
	slot->end = content->end;
	slot->turn = content->turn;
	slot->since = content->since;
	slot->kind = content->kind;
	slot->type = content->type;
	slot->holder = content->holder;
	slot->access = content->access;
	atomic_store(&slot->state, state);
	table_count_handle(locks, slot, 1);
}

void table_content(struct lock_slot *slot, const struct lock_request *request, uint64_t turn)
{
	*slot = (struct lock_slot){
		.pid = request->pid,
		.node = request->node,
		.owner = request->owner,
		.handle = request->handle,
		.unique = request->unique,
		.start = request->start,
		.end = request->end,
		.turn = turn,
		.since = realtime_nanoseconds(),
		.kind = (uint8_t)request->kind,
		.type = (uint8_t)request->type,
		.holder = (uint8_t)request->holder,
		.access = request->access,
	};
}

struct lock_node *table_find(const struct locks *locks, uint64_t node)
{
	uint32_t place = locks->place[node_index_of(node)];

	return place && locks->nodes[place].node == node ? &locks->nodes[place] : NULL;
}

int table_grow(struct locks *locks)
{
	uint32_t max = locks->max_nodes ? locks->max_nodes * 2 : 64;
	struct lock_node *nodes = realloc(locks->nodes, max * sizeof(*nodes));

	if (!nodes)
		return -ENOLCK;
	locks->nodes = nodes;
	locks->max_nodes = max;
	return 0;
}

/* Invalidates pointers to nodes. */
struct lock_node *table_get(struct locks *locks, uint64_t node)
{
	struct lock_node *found = table_find(locks, node);
	uint32_t place = locks->free_node;

	if (found)
		return found;
	if (place) {
		locks->free_node = locks->nodes[place].next_free;
	} else {
		if (locks->n_nodes == locks->max_nodes && table_grow(locks) < 0)
			return NULL;
		place = locks->n_nodes++;
	}
	locks->nodes[place] = (struct lock_node){.node = node};
	locks->place[node_index_of(node)] = place;
	return &locks->nodes[place];
}

void table_put(struct locks *locks, uint64_t node)
{
	struct lock_node *found = table_find(locks, node);
	uint32_t *place = &locks->place[node_index_of(node)];

	if (!found || found->first_waiter || found->by_owner[LOCK_RANGE] || found->by_owner[LOCK_FLOCK])
		return;
	found->node = 0;
	found->next_free = locks->free_node;
	locks->free_node = *place;
	*place = 0;
}

/* A process outside of the mount's PID namespace has pid 0 and is not counted. */
static void count_process(struct locks *locks, const struct lock_slot *slot, int change)
{
	if (slot->pid > 0 && slot->pid < MAX_PROCESSES)
		locks->of_process[slot->pid] = (uint32_t)((int)locks->of_process[slot->pid] + change);
}

void table_link(struct locks *locks, struct lock_node *node, uint32_t lock)
{
	const struct lock_slot *slot = table_slot(locks, lock);

	lock_tree_insert(&locks->forest, BY_RANGE, &node->by_range[slot->kind][slot->type], lock);
	lock_tree_insert(&locks->forest, BY_OWNER, &node->by_owner[slot->kind], lock);
	locks->n_held++;
	count_process(locks, slot, 1);
}

void table_unlink(struct locks *locks, struct lock_node *node, uint32_t lock)
{
	const struct lock_slot *slot = table_slot(locks, lock);

	lock_tree_remove(&locks->forest, BY_RANGE, &node->by_range[slot->kind][slot->type], lock);
	lock_tree_remove(&locks->forest, BY_OWNER, &node->by_owner[slot->kind], lock);
	locks->n_held--;
	count_process(locks, slot, -1);
}

/* Drops the owner's locks in a range. Returns whether there were any. */
bool table_cut(struct locks *locks, struct lock_node *node, enum lock_kind kind, uint64_t owner,
	       uint64_t start, uint64_t end)
{
	bool any = false;
	uint32_t lock;

	while ((lock = lock_tree_owned(&locks->forest, node->by_owner[kind], owner, start)) != 0) {
		struct lock_slot *slot = table_slot(locks, lock);

		if (slot->start > end)
			break;
		any = true;
		table_unlink(locks, node, lock);
		if (slot->start < start && slot->end > end) {
			uint32_t rest = table_take_slot(locks);
			struct lock_slot content;

			memcpy(&content, slot, sizeof(content));
			content.start = end + 1;
			table_fill_slot(locks, rest, &content, LOCK_SLOT_HELD);
			table_link(locks, node, rest);
		}
		if (slot->start < start) {
			slot->end = start - 1;
			table_link(locks, node, lock);
		} else if (slot->end > end) {
			slot->start = end + 1;
			table_link(locks, node, lock);
		} else {
			table_free_slot(locks, lock);
		}
	}
	return any;
}

/*
 * Extends a range by the owner's locks of the same type that overlap or touch it. Returns whether one lock
 * already covers the request.
 */
static bool widen(const struct locks *locks, const struct lock_node *node, const struct lock_request *request,
		  uint64_t *start, uint64_t *end)
{
	uint64_t from = *start > 0 ? *start - 1 : 0;
	uint64_t to = *end < LOCK_END ? *end + 1 : LOCK_END;
	uint32_t root = node->by_owner[request->kind];
	uint32_t lock = lock_tree_owned(&locks->forest, root, request->owner, from);

	while (lock) {
		const struct lock_slot *slot = table_slot(locks, lock);

		if (slot->owner != request->owner || slot->start > to)
			break;
		if (slot->type == request->type) {
			if (slot->start <= request->start && slot->end >= request->end)
				return true;
			*start = slot->start < *start ? slot->start : *start;
			*end = slot->end > *end ? slot->end : *end;
		}
		lock = lock_tree_next(&locks->forest, BY_OWNER, root, lock);
	}
	return false;
}

bool table_has(const struct locks *locks, const struct lock_request *request)
{
	const struct lock_node *node = table_find(locks, request->node);
	uint64_t start = request->start;
	uint64_t end = request->end;

	return node && widen(locks, node, request, &start, &end);
}

/* Sets the lock, ignoring conflicts. The new slot is written before the old ones shrink. */
int table_set(struct locks *locks, const struct lock_request *request, uint64_t turn)
{
	struct lock_node *node = table_get(locks, request->node);
	uint64_t start = request->start;
	uint64_t end = request->end;
	struct lock_slot content;
	uint32_t lock;
	int result;

	if (!node)
		return -ENOLCK;
	if (widen(locks, node, request, &start, &end))
		return 0;
	result = table_admits(locks, request) ? table_reserve(locks) : -ENOLCK;
	if (result < 0) {
		table_put(locks, request->node);
		return result;
	}
	table_content(&content, request, turn);
	content.start = start;
	content.end = end;
	lock = table_take_slot(locks);
	table_fill_slot(locks, lock, &content, LOCK_SLOT_HELD);
	table_cut(locks, node, request->kind, request->owner, start, end);
	table_link(locks, node, lock);
	return 0;
}

/* Cutting one lock in two takes a slot. */
int table_drop(struct locks *locks, const struct lock_request *request)
{
	struct lock_node *node = table_find(locks, request->node);

	if (!node)
		return 0;
	if (table_reserve(locks) < 0)
		return -ENOLCK;
	table_cut(locks, node, request->kind, request->owner, request->start, request->end);
	return 0;
}

uint32_t table_conflict(const struct locks *locks, const struct lock_request *request)
{
	const struct lock_node *node = table_find(locks, request->node);
	uint32_t found;
	uint32_t shared;

	if (!node)
		return 0;
	found = lock_tree_overlap(&locks->forest, node->by_range[request->kind][LOCK_EXCLUSIVE],
				  request->start, request->end, request->owner);
	if (request->type == LOCK_SHARED)
		return found;
	shared = lock_tree_overlap(&locks->forest, node->by_range[request->kind][LOCK_SHARED], request->start,
				   request->end, request->owner);
	if (!found || (shared && table_slot(locks, shared)->start < table_slot(locks, found)->start))
		found = shared;
	return found;
}

/* Whether a lock belongs to the requester of I/O. */
static bool is_own(const struct lock_slot *lock, uint64_t owner, uint64_t handle, int32_t pid)
{
	if (lock->holder != LOCK_OF_OPEN && (owner ? lock->owner == owner : lock->pid == pid && pid > 0))
		return true;
	return lock->holder != LOCK_OF_PROCESS && lock->handle == handle;
}

static bool is_others_lock(const struct lock_slot *lock, const void *context)
{
	const struct lock_request *access = context;

	return !is_own(lock, access->owner, access->handle, access->pid);
}

static uint32_t find_others_lock(const struct locks *locks, uint32_t root, const struct lock_request *access)
{
	return lock_tree_search(&locks->forest, root, access->start, access->end, is_others_lock, access);
}

uint32_t table_access_conflict(const struct locks *locks, const struct lock_request *access)
{
	const struct lock_node *node = table_find(locks, access->node);
	uint32_t found;

	if (!node)
		return 0;
	found = find_others_lock(locks, node->by_range[LOCK_RANGE][LOCK_EXCLUSIVE], access);
	if (!found && access->type == LOCK_EXCLUSIVE)
		found = find_others_lock(locks, node->by_range[LOCK_RANGE][LOCK_SHARED], access);
	return found;
}

static bool owner_blocks(const struct locks *locks, const struct lock_node *node, uint64_t owner,
			 const struct lock_slot *waiter)
{
	uint32_t root = node->by_owner[waiter->kind];
	uint32_t lock =
		owner == waiter->owner ? 0 : lock_tree_owned(&locks->forest, root, owner, waiter->start);

	while (lock) {
		const struct lock_slot *slot = table_slot(locks, lock);

		if (slot->owner != owner || slot->start > waiter->end)
			return false;
		if ((slot->type == LOCK_EXCLUSIVE || waiter->type == LOCK_EXCLUSIVE) &&
		    !(waiter->access && is_own(slot, waiter->owner, waiter->handle, waiter->pid)))
			return true;
		lock = lock_tree_next(&locks->forest, BY_OWNER, root, lock);
	}
	return false;
}

struct process_of_waiter {
	int32_t pid;
	const struct lock_slot *waiter;
};

static bool is_of_process(const struct lock_slot *lock, const void *context)
{
	const struct process_of_waiter *search = context;
	const struct lock_slot *waiter = search->waiter;

	if (lock->pid != search->pid || lock->holder == LOCK_OF_OPEN || lock->owner == waiter->owner)
		return false;
	return !(waiter->access && is_own(lock, waiter->owner, waiter->handle, waiter->pid));
}

static bool process_blocks(const struct locks *locks, const struct lock_node *node, int32_t pid,
			   const struct lock_slot *waiter)
{
	const struct process_of_waiter search = {.pid = pid, .waiter = waiter};
	const uint32_t *roots = node->by_range[waiter->kind];

	if (pid <= 0)
		return false;
	return lock_tree_search(&locks->forest, roots[LOCK_EXCLUSIVE], waiter->start, waiter->end,
				is_of_process, &search) ||
	       (waiter->type == LOCK_EXCLUSIVE &&
		lock_tree_search(&locks->forest, roots[LOCK_SHARED], waiter->start, waiter->end,
				 is_of_process, &search));
}

bool table_blocks(const struct locks *locks, const struct lock_slot *holder, const struct lock_slot *waiter)
{
	const struct lock_node *node = table_find(locks, waiter->node);

	if (!node)
		return false;
	return holder->owner ? owner_blocks(locks, node, holder->owner, waiter)
			     : process_blocks(locks, node, holder->pid, waiter);
}

bool table_holds_anything(const struct locks *locks, const struct lock_request *request)
{
	if (request->pid > 0 && request->pid < MAX_PROCESSES && locks->of_process[request->pid] > 0)
		return true;
	for (uint32_t i = 1; i < locks->n_nodes; i++)
		for (int kind = 0; locks->nodes[i].node && kind < LOCK_KINDS; kind++)
			if (lock_tree_owned(&locks->forest, locks->nodes[i].by_owner[kind], request->owner,
					    0))
				return true;
	return false;
}
