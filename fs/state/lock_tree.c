// SPDX-License-Identifier: MIT
#include "fs/state/lock_tree.h"

/* A hash, the same in every worker; neighbours in the arena get very different priorities. */
static uint32_t priority(uint32_t lock)
{
	lock ^= lock >> 16;
	lock *= 0x7feb352du;
	lock ^= lock >> 15;
	lock *= 0x846ca68bu;
	return lock ^ lock >> 16;
}

static bool is_before(const struct lock_forest *forest, enum lock_order order, uint32_t a, uint32_t b)
{
	const struct lock_slot *first = &forest->slots[a];
	const struct lock_slot *second = &forest->slots[b];

	if (order == BY_OWNER && first->owner != second->owner)
		return first->owner < second->owner;
	if (first->start != second->start)
		return first->start < second->start;
	return a < b;
}

static void update(const struct lock_forest *forest, enum lock_order order, uint32_t lock)
{
	struct lock_index *index = &forest->index[lock];
	uint64_t end = forest->slots[lock].end;

	if (order != BY_RANGE)
		return;
	if (index->held.left[BY_RANGE] && forest->index[index->held.left[BY_RANGE]].held.max_end > end)
		end = forest->index[index->held.left[BY_RANGE]].held.max_end;
	if (index->held.right[BY_RANGE] && forest->index[index->held.right[BY_RANGE]].held.max_end > end)
		end = forest->index[index->held.right[BY_RANGE]].held.max_end;
	index->held.max_end = end;
}

/* Splits a tree into the locks before and after `lock`. The depth is logarithmic, so recursion is safe. */
static void split(const struct lock_forest *forest, enum lock_order order, uint32_t root, uint32_t lock,
		  uint32_t *before, uint32_t *after)
{
	struct lock_index *index = &forest->index[root];

	if (!root) {
		*before = *after = 0;
		return;
	}
	if (is_before(forest, order, root, lock)) {
		split(forest, order, index->held.right[order], lock, &index->held.right[order], after);
		*before = root;
	} else {
		split(forest, order, index->held.left[order], lock, before, &index->held.left[order]);
		*after = root;
	}
	update(forest, order, root);
}

static uint32_t join(const struct lock_forest *forest, enum lock_order order, uint32_t before, uint32_t after)
{
	if (!before || !after)
		return before ? before : after;
	if (priority(before) > priority(after)) {
		struct lock_index *index = &forest->index[before];

		index->held.right[order] = join(forest, order, index->held.right[order], after);
		update(forest, order, before);
		return before;
	}
	forest->index[after].held.left[order] =
		join(forest, order, before, forest->index[after].held.left[order]);
	update(forest, order, after);
	return after;
}

void lock_tree_insert(const struct lock_forest *forest, enum lock_order order, uint32_t *root, uint32_t lock)
{
	struct lock_index *index = &forest->index[*root];

	if (!*root || priority(lock) > priority(*root)) {
		uint32_t before;
		uint32_t after;

		split(forest, order, *root, lock, &before, &after);
		forest->index[lock].held.left[order] = before;
		forest->index[lock].held.right[order] = after;
		*root = lock;
	} else if (is_before(forest, order, lock, *root)) {
		lock_tree_insert(forest, order, &index->held.left[order], lock);
	} else {
		lock_tree_insert(forest, order, &index->held.right[order], lock);
	}
	update(forest, order, *root);
}

void lock_tree_remove(const struct lock_forest *forest, enum lock_order order, uint32_t *root, uint32_t lock)
{
	struct lock_index *index = &forest->index[*root];

	if (!*root)
		return;
	if (*root == lock) {
		*root = join(forest, order, index->held.left[order], index->held.right[order]);
		return;
	}
	if (is_before(forest, order, lock, *root))
		lock_tree_remove(forest, order, &index->held.left[order], lock);
	else
		lock_tree_remove(forest, order, &index->held.right[order], lock);
	update(forest, order, *root);
}

uint32_t lock_tree_search(const struct lock_forest *forest, uint32_t root, uint64_t start, uint64_t end,
			  bool (*fits)(const struct lock_slot *lock, const void *context),
			  const void *context)
{
	const struct lock_index *index = &forest->index[root];
	const struct lock_slot *slot = &forest->slots[root];
	uint32_t found;

	if (!root || index->held.max_end < start)
		return 0;
	found = lock_tree_search(forest, index->held.left[BY_RANGE], start, end, fits, context);
	if (found || slot->start > end)
		return found;
	if (slot->end >= start && fits(slot, context))
		return root;
	return lock_tree_search(forest, index->held.right[BY_RANGE], start, end, fits, context);
}

static bool is_of_another(const struct lock_slot *lock, const void *owner)
{
	return lock->owner != *(const uint64_t *)owner;
}

uint32_t lock_tree_overlap(const struct lock_forest *forest, uint32_t root, uint64_t start, uint64_t end,
			   uint64_t owner)
{
	return lock_tree_search(forest, root, start, end, is_of_another, &owner);
}

uint32_t lock_tree_owned(const struct lock_forest *forest, uint32_t root, uint64_t owner, uint64_t from)
{
	uint32_t found = 0;

	while (root) {
		const struct lock_slot *slot = &forest->slots[root];

		if (slot->owner > owner || (slot->owner == owner && slot->end >= from)) {
			found = root;
			root = forest->index[root].held.left[BY_OWNER];
		} else {
			root = forest->index[root].held.right[BY_OWNER];
		}
	}
	return found && forest->slots[found].owner == owner ? found : 0;
}

uint32_t lock_tree_next(const struct lock_forest *forest, enum lock_order order, uint32_t root, uint32_t lock)
{
	uint32_t found = 0;

	while (root) {
		if (!lock || is_before(forest, order, lock, root)) {
			found = root;
			root = forest->index[root].held.left[order];
		} else {
			root = forest->index[root].held.right[order];
		}
	}
	return found;
}
