/* SPDX-License-Identifier: MIT */
/*
 * The table of locks held: slots in the arena, and trees over them per node. For lock.c and its parts only, under their
 * mutex.
 */
#ifndef SEGFS_STATE_LOCK_TABLE_H
#define SEGFS_STATE_LOCK_TABLE_H

#include "fs/state/lock.h"
#include "fs/state/lock_tree.h"

/* What is held and waited for on one node. */
struct lock_node {
	uint64_t node;                             /* node id; 0 = this place is free */
	uint32_t by_range[LOCK_KINDS][LOCK_TYPES]; /* roots of trees BY_RANGE */
	uint32_t by_owner[LOCK_KINDS];             /* roots of trees BY_OWNER */
	uint32_t first_waiter;                     /* those that wait, by turn; see lock_queue.h */
	uint32_t last_waiter;
	uint32_t next_free;                        /* next free place */
};

#define MAX_PROCESSES 4194304 /* pids are lower; the kernel's PID_MAX_LIMIT */

struct locks {
	pthread_mutex_t lock;    /* a leaf; guards all that follows, and the lock slots */
	struct state *state;
	struct lock_forest forest;
	uint32_t *place;         /* per node slot: where in `nodes` its locks are, 0 = it has none */
	uint32_t *of_handle;     /* per handle slot: lock slots that name it */
	uint32_t *of_process;    /* per pid: locks that it has set and that are held */
	struct lock_node *nodes; /* [0] is never used */
	uint32_t n_nodes;        /* places that were used */
	uint32_t max_nodes;      /* places that there is memory for */
	uint32_t free_node;      /* head of the list of free places */
	uint32_t free_slot;      /* head of the list of free slots */
	uint32_t n_free;
	uint32_t n_held;
	uint32_t n_waiting;
	uint32_t n_decided;      /* of these: I/O that may go on, and has not ended */
	uint64_t turn;           /* of the last request */
	uint32_t first_outcome;  /* requests that were decided, until somebody is told */
	uint32_t last_outcome;
	bool recovering;         /* see lock_recovered() */
};

static inline struct lock_slot *table_slot(const struct locks *locks, uint32_t lock)
{
	return &locks->forest.slots[lock];
}

/* --- slots --- */

void table_push_free(struct locks *locks, uint32_t lock);

/* Sees to it that two slots can be taken, as a change of a range may need. Returns 0; -ENOLCK. */
int table_reserve(struct locks *locks);

/* Whether the user of a request may have one lock more; what is given up may always take the slots that it needs. */
bool table_admits(const struct locks *locks, const struct lock_request *request);

/* Takes one that is there by table_reserve(). */
uint32_t table_take_slot(struct locks *locks);

/* Fills a slot and makes it live; makes it free. The state word comes last, and goes first. */
void table_fill_slot(struct locks *locks, uint32_t lock, const struct lock_slot *content, enum lock_slot_state state);
void table_free_slot(struct locks *locks, uint32_t lock);

/* What a request's slot has to contain. */
void table_content(struct lock_slot *slot, const struct lock_request *request, uint64_t turn);

/* Counts a slot that names a handle, or does so no more. */
void table_count_handle(struct locks *locks, const struct lock_slot *slot, int change);

/* --- nodes: pointers to them are good until the next table_get() --- */

/* What there is on a node, or NULL where nothing is. */
struct lock_node *table_find(const struct locks *locks, uint64_t node);

/* The same, made if need be; NULL without memory. */
struct lock_node *table_get(struct locks *locks, uint64_t node);

/* Gives its place back if nothing is left on it. */
void table_put(struct locks *locks, uint64_t node);

/* Makes room for more. Returns 0; -ENOLCK. */
int table_grow(struct locks *locks);

/* Puts a lock that is held into the trees of its node, takes it out. Its range and owner change only while it is out. */
void table_link(struct locks *locks, struct lock_node *node, uint32_t lock);
void table_unlink(struct locks *locks, struct lock_node *node, uint32_t lock);

/* --- ranges --- */

/*
 * Gives an owner what it asks for, whoever is in the way, in place of what it had there. The new slot is there before
 * the old ones shrink. Returns 0; -ENOLCK.
 */
int table_set(struct locks *locks, const struct lock_request *request, uint64_t turn);

/* Takes away what an owner has in a range. Returns 0; -ENOLCK, since to cut one lock in two takes a slot. */
int table_drop(struct locks *locks, const struct lock_request *request);

/* The same, with a slot reserved or a range that cuts none. Returns whether there was something. */
bool table_cut(struct locks *locks, struct lock_node *node, enum lock_kind kind, uint64_t owner, uint64_t start, uint64_t end);

/* --- who is in the way --- */

/* The lock of another owner with the lowest start that conflicts with a request, or 0. */
uint32_t table_conflict(const struct locks *locks, const struct lock_request *request);

/* The same for who wants to read or write: a lock that is somebody else's, not necessarily the lowest, or 0. */
uint32_t table_access_conflict(const struct locks *locks, const struct lock_request *access);

/* Whether who has sent one request holds what is in the way of another one that waits. */
bool table_is_in_the_way(const struct locks *locks, const struct lock_slot *holder, const struct lock_slot *waiter);

/* Whether an owner has all that a request asks for. */
bool table_has(const struct locks *locks, const struct lock_request *request);

/* Whether the owner of a request, or its process by another owner, holds a lock on any node. */
bool table_holds_anything(const struct locks *locks, const struct lock_request *request);

#endif
