/* SPDX-License-Identifier: MIT */
/*
 * Trees over lock slots with logarithmic search.
 *
 * Each held lock is in two trees: an interval tree by range, per node, kind and type, which finds conflicts;
 * and a tree by owner, per node and kind, which finds the owner's locks. Both are treaps whose priorities are
 * hashes of the slot index; 0 is the empty tree.
 */
#ifndef SEGFS_STATE_LOCK_TREE_H
#define SEGFS_STATE_LOCK_TREE_H

#include "fs/state/arena.h"

enum lock_order {
	BY_RANGE = 0, /* first byte */
	BY_OWNER = 1, /* owner, then first byte */
	LOCK_ORDERS,
};

/* Heap part of a lock slot; the member in use depends on the slot's state. */
struct lock_index {
	union {
		struct {
			uint32_t left[LOCK_ORDERS]; /* subtrees */
			uint32_t right[LOCK_ORDERS];
			uint64_t max_end; /* highest end in the subtree BY_RANGE */
		} held;
		struct {
			uint32_t next;
		} free;
		struct {
			uint32_t previous; /* neighbours in the queue of its node */
			uint32_t next;
			int32_t result; /* of struct lock_outcome; LOCK_UNDECIDED until it is decided */
			uint32_t next_outcome; /* next decided request */
			uint64_t tag;          /* of lock_wait(); 0 = not replayed yet, in a new worker */
		} waiting;
		uint32_t unindexed; /* LOCK_UNINDEXED, no slot number, until recovery reaches the slot */
	};
};

#define LOCK_UNDECIDED 1
#define LOCK_UNINDEXED UINT32_MAX

_Static_assert(sizeof(struct lock_index) == 24, "there is one for each lock slot");

struct lock_forest {
	struct lock_slot *slots;
	struct lock_index *index;
};

/* Insert a lock into the tree at *root; remove it. Start, end and owner must not change in between. */
void lock_tree_insert(const struct lock_forest *forest, enum lock_order order, uint32_t *root, uint32_t lock);
void lock_tree_remove(const struct lock_forest *forest, enum lock_order order, uint32_t *root, uint32_t lock);

/*
 * In a tree BY_RANGE: returns the lock of another owner with the lowest start that overlaps start..end, or 0.
 */
uint32_t lock_tree_overlap(const struct lock_forest *forest, uint32_t root, uint64_t start, uint64_t end,
			   uint64_t owner);

/* Like lock_tree_overlap(), for locks that fits() accepts. */
uint32_t lock_tree_search(const struct lock_forest *forest, uint32_t root, uint64_t start, uint64_t end,
			  bool (*fits)(const struct lock_slot *lock, const void *context),
			  const void *context);

/*
 * In a tree BY_OWNER, where locks of an owner do not overlap: returns the owner's first lock that ends at or
 * after `from`, or 0.
 */
uint32_t lock_tree_owned(const struct lock_forest *forest, uint32_t root, uint64_t owner, uint64_t from);

/* Returns the lock after `lock`, which need not be in the tree; the first one for 0; 0 at the end. */
uint32_t lock_tree_next(const struct lock_forest *forest, enum lock_order order, uint32_t root,
			uint32_t lock);

#endif
