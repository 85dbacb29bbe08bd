/* SPDX-License-Identifier: MIT */
/*
 * Trees over lock slots, in which a search costs the logarithm of their number.
 *
 * Each lock held is in two: that of its node, kind and type, an interval tree by range, which tells what is in the way of
 * a request; and that of its node and kind by owner, which tells what the owner has. Treaps, whose random priorities
 * are made of the slots' indexes; 0 is the empty tree.
 */
#ifndef SEGFS_STATE_LOCK_TREE_H
#define SEGFS_STATE_LOCK_TREE_H

#include "fs/state/arena.h"

enum lock_order {
	BY_RANGE = 0, /* first byte */
	BY_OWNER = 1, /* owner, then first byte */
	LOCK_ORDERS,
};

/* Heap side of a lock slot: what it holds depends on what the slot is. */
struct lock_index {
	union {
		struct {
			uint32_t left[LOCK_ORDERS];  /* subtrees */
			uint32_t right[LOCK_ORDERS];
			uint64_t max_end;            /* highest last byte in the subtree BY_RANGE */
		} held;
		struct {
			uint32_t next;
		} free;
		struct {
			uint32_t previous;           /* neighbours in the queue of its node */
			uint32_t next;
			int32_t result;              /* of struct lock_outcome; LOCK_UNDECIDED until it is known */
			uint32_t next_outcome;       /* decided after it */
			uint64_t tag;                /* of lock_wait(); 0 = a new worker has not read the request yet */
		} waiting;
		uint32_t unindexed; /* LOCK_UNINDEXED, which is no slot's number, until a new worker comes to the slot */
	};
};

#define LOCK_UNDECIDED 1
#define LOCK_UNINDEXED UINT32_MAX

_Static_assert(sizeof(struct lock_index) == 24, "there is one for each lock slot");

struct lock_forest {
	struct lock_slot *slots;
	struct lock_index *index;
};

/* Puts a lock into the tree at *root, takes it out. Its start, end and owner must not change in between. */
void lock_tree_insert(const struct lock_forest *forest, enum lock_order order, uint32_t *root, uint32_t lock);
void lock_tree_remove(const struct lock_forest *forest, enum lock_order order, uint32_t *root, uint32_t lock);

/* In a tree BY_RANGE: the lock with the lowest start that has a byte of start..end and another owner, or 0. */
uint32_t lock_tree_overlap(const struct lock_forest *forest, uint32_t root, uint64_t start, uint64_t end, uint64_t owner);

/* The same, and about which fits() says true. */
uint32_t lock_tree_search(const struct lock_forest *forest, uint32_t root, uint64_t start, uint64_t end,
			  bool (*fits)(const struct lock_slot *lock, const void *context), const void *context);

/* In a tree BY_OWNER, whose locks of one owner don't overlap: the owner's first lock that does not end before `from`, or 0. */
uint32_t lock_tree_owned(const struct lock_forest *forest, uint32_t root, uint64_t owner, uint64_t from);

/* The lock after `lock`, which need not be in the tree, or the first one for 0; 0 at the end. */
uint32_t lock_tree_next(const struct lock_forest *forest, enum lock_order order, uint32_t root, uint32_t lock);

#endif
