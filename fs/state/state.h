/* SPDX-License-Identifier: MIT */
/*
 * What a worker knows: the arena's slots and, on this process's heap, the indexes over them.
 *
 * The indexes (a hash table from file handle to node, free lists, the order in which idle nodes were forgotten)
 * are rebuilt by state_recover() when a worker starts, by one scan over the slots.
 *
 * Threads: `lock` guards the indexes, the birth and death of slots and the lookup counts. Slots may be read
 * without it by whoever holds a reference: a request on a node keeps the node, since the kernel forgets a
 * node only when no request on it is under way, and releases a handle only after its last request.
 * `lock` is a leaf: nothing else is locked under it, and no system call that can wait is made under it.
 */
#ifndef SEGFS_STATE_STATE_H
#define SEGFS_STATE_STATE_H

#include "fs/state/arena.h"

#include <pthread.h>

/* Heap side of a node slot. */
struct node_index {
	uint32_t hash_next; /* next node of the bucket, or of the free list; 0 = end */
	uint32_t idle_prev; /* neighbours among the idle nodes, oldest first; 0 = none */
	uint32_t idle_next;
	uint32_t handles;   /* live handles on the node */
	uint32_t writers;   /* ... of files, that are open for writing */
	uint32_t closes;    /* how many of those were closed */
	uint32_t executors; /* live handles through which the file is executed */
	uint32_t told;      /* when the kernel was told its attributes, milliseconds; 0 = not by this worker */
};

#define NODE_FD_PINS 64    /* descriptors of nodes that are in use at one time; see node_fd.h */
#define NODE_FDS_CLOSING 8 /* ... that are closed outside of the lock; further ones are closed under it */

/* A descriptor of a node that threads use. */
struct node_fd_pin {
	int fd;
	unsigned int users; /* 0 = the place is free */
	bool is_closing;    /* its node does not hold it any more */
};

struct state {
	struct arena *arena;
	pthread_mutex_t lock;

	struct node_index *index; /* one per node slot, mapped for all that there can be */
	uint32_t *buckets;        /* heads of the hash chains */
	uint32_t n_buckets;       /* a power of two */
	_Atomic uint32_t n_nodes; /* live nodes; it and n_idle are read without the lock where some more or less are no matter */
	uint32_t free_node;       /* head of the free list */
	uint32_t idle_head;       /* the node that was forgotten longest ago */
	uint32_t idle_tail;
	_Atomic uint32_t n_idle;
	uint32_t max_idle;        /* more idle nodes than this are dropped, oldest first */
	uint32_t kept_node;       /* see node_keep(); 0 = none */

	/*
	 * Nodes that keep their passthrough id though they are not open, so that the next open costs no system call; by
	 * index modulo the size, 0 = none. A node that the kernel forgets, or whose place another one takes, loses its id.
	 */
	uint32_t resting[ARENA_RESTING];

	uint32_t *free_handles;   /* next of the free list, one per handle slot */
	uint32_t free_handle;
	uint32_t n_handles;

	/* descriptors that slots keep are below this: the rest is for requests that are being carried out; INT_MAX = all there are */
	int max_fd;
	_Atomic bool is_crowded; /* nodes keep nearly as many as there may be */

	struct node_fd_pin pins[NODE_FD_PINS]; /* guarded by the lock */
	int closing[NODE_FDS_CLOSING];         /* the same; see state_unlock() */
	unsigned int n_closing;

	struct locks *locks; /* see lock.h; with a mutex of its own */
	struct shares *shares; /* see share.h; the same */
};

/*
 * Builds the indexes over an arena, which may hold the slots of a worker that died.
 * max_idle: nodes to remember that the kernel has forgotten. A slot that can't be right, since that worker went mad before it died, is
 * freed. Returns 0; -ENOMEM; -EUCLEAN where nothing is to be believed: the header makes no sense, or there is no root.
 */
int state_recover(struct state *state, struct arena *arena, uint32_t max_idle);

/* Gives back the heap; the arena stays. */
void state_close(struct state *state);

/*
 * Memory for an index over slots, all zeros, which takes none until it is written to.
 * n: elements, for all the slots that there can be; size: bytes of one. Returns NULL without memory.
 */
void *index_map(size_t n, size_t size);

/* Gives it back; NULL is fine. */
void index_unmap(void *index, size_t n, size_t size);

/*
 * Verifies all invariants between slots and indexes. For tests and after recovery.
 * why: gets a sentence about the first violation, at most `size` bytes.
 * Returns 0, or -EUCLEAN.
 */
int state_check(struct state *state, char *why, size_t size);

#endif
