/* SPDX-License-Identifier: MIT */
/*
 * The table of locks: slots in the arena, and trees over them per node. For lock.c and its parts only, under
 * their mutex.
 */
#ifndef SEGFS_STATE_LOCK_TABLE_H
#define SEGFS_STATE_LOCK_TABLE_H

#include "fs/state/lock.h"
#include "fs/state/lock_tree.h"

/* Locks and waiting requests of a node. */
struct lock_node {
	uint64_t node;                             /* node id; 0 = the entry is free */
	uint32_t by_range[LOCK_KINDS][LOCK_TYPES]; /* roots of trees BY_RANGE */
	uint32_t by_owner[LOCK_KINDS];             /* roots of trees BY_OWNER */
	uint32_t first_waiter;                     /* waiting requests by turn; see lock_queue.h */
	uint32_t last_waiter;
	uint32_t next_free; /* next free entry */
};

#define MAX_PROCESSES 4194304 /* pids are smaller; the kernel's PID_MAX_LIMIT */

struct locks {
	pthread_mutex_t lock; /* a leaf lock; guards all that follows, and the lock slots */
	struct state *state;
	struct lock_forest forest;
	uint32_t *place;         /* per node slot: index in `nodes`, 0 = it has no locks */
	uint32_t *of_handle;     /* per handle slot: number of lock slots that refer to it */
	uint32_t *of_process;    /* per pid: number of locks held */
	struct lock_node *nodes; /* [0] is unused */
	uint32_t n_nodes;        /* entries used so far */
	uint32_t max_nodes;      /* entries allocated */
	uint32_t free_node;      /* head of the free list of `nodes` */
	uint32_t free_slot;      /* head of the free list of slots */
	uint32_t n_free;
	uint32_t n_held;
	uint32_t n_waiting;
	uint32_t n_decided;             /* of these: granted I/O in flight */
	uint64_t turn;                  /* of the last request */
	_Atomic uint32_t first_outcome; /* decided requests whose outcome was not fetched yet */
	uint32_t last_outcome;
	bool recovering; /* see lock_recovered() */
};

static inline struct lock_slot *table_slot(const struct locks *locks, uint32_t lock)
{
	return &locks->forest.slots[lock];
}

/* --- slots --- */

void table_push_free(struct locks *locks, uint32_t lock);

/* Reserves two slots, as a change of a range may need. Returns 0; -ENOLCK. */
int table_reserve(struct locks *locks);

/* Whether the user of a request may have another lock; an unlock may always take the slots it needs. */
bool table_admits(const struct locks *locks, const struct lock_request *request);

/* Takes a slot reserved by table_reserve(). */
uint32_t table_take_slot(struct locks *locks);

/* Fill a slot and make it live; free it. The state word is set last and cleared first. */
void table_fill_slot(struct locks *locks, uint32_t lock, const struct lock_slot *content,
		     enum lock_slot_state state);
void table_free_slot(struct locks *locks, uint32_t lock);

/* Fills in the content of a request's slot. */
void table_content(struct lock_slot *slot, const struct lock_request *request, uint64_t turn);

/* Counts a slot that refers to a handle, or, negative, no longer does. */
void table_count_handle(struct locks *locks, const struct lock_slot *slot, int change);

/* --- nodes: table_get() invalidates pointers to them --- */

/* Finds the entry of a node, or NULL. */
struct lock_node *table_find(const struct locks *locks, uint64_t node);

/* Finds or creates the entry of a node; NULL without memory. */
struct lock_node *table_get(struct locks *locks, uint64_t node);

/* Frees the entry of a node if nothing is left on it. */
void table_put(struct locks *locks, uint64_t node);

/* Allocates more entries. Returns 0; -ENOLCK. */
int table_grow(struct locks *locks);

/*
 * Insert a held lock into the trees of its node; remove it. Range and owner may change only while it is out.
 */
void table_link(struct locks *locks, struct lock_node *node, uint32_t lock);
void table_unlink(struct locks *locks, struct lock_node *node, uint32_t lock);

/* --- ranges --- */

/*
 * Sets a lock, ignoring conflicts, in place of the owner's locks in that range. The new slot is written
 * before the old ones shrink. Returns 0; -ENOLCK.
 */
int table_set(struct locks *locks, const struct lock_request *request, uint64_t turn);

/* Drops the owner's locks in a range. Returns 0; -ENOLCK, since cutting one lock in two takes a slot. */
int table_drop(struct locks *locks, const struct lock_request *request);

/*
 * Like table_drop(), with a slot reserved or a range that cuts no lock in two. Returns whether there were any
 * locks.
 */
bool table_cut(struct locks *locks, struct lock_node *node, enum lock_kind kind, uint64_t owner,
	       uint64_t start, uint64_t end);

/* --- conflicts --- */

/* Returns the conflicting lock of another owner with the lowest start, or 0. */
uint32_t table_conflict(const struct locks *locks, const struct lock_request *request);

/* Returns a lock that blocks I/O, not necessarily the lowest, or 0. */
uint32_t table_access_conflict(const struct locks *locks, const struct lock_request *access);

/* Whether the requester of `holder` holds a lock that conflicts with the waiting request `waiter`. */
bool table_blocks(const struct locks *locks, const struct lock_slot *holder, const struct lock_slot *waiter);

/* Whether the owner already holds what the request asks for. */
bool table_has(const struct locks *locks, const struct lock_request *request);

/* Whether the owner of a request, or its process through another owner, holds a lock on any node. */
bool table_holds_anything(const struct locks *locks, const struct lock_request *request);

#endif
