/* SPDX-License-Identifier: MIT */
/*
 * The state of a worker: the arena's slots and, on this process's heap, the indexes over them.
 *
 * A new worker rebuilds the indexes (hash table from file handle to node, free lists, order of idle nodes)
 * from the slots, see recover.h.
 *
 * Threads: `lock` guards the indexes, creation and freeing of slots, and lookup counts. Slots may be read
 * without it by anyone who holds a reference: a request holds its node, because the kernel sends FORGET only
 * when no request on the node is in flight, and RELEASE after the last request of the handle.
 * `lock` is a leaf: no other lock is taken and no blocking system call is made under it. A request for a
 * name, an attribute or an open, whose file is in memory and has no policy, takes it once at most, and no
 * other lock; what takes more, see tests/README.md.
 */
#ifndef SEGFS_STATE_STATE_H
#define SEGFS_STATE_STATE_H

#include "fs/state/arena.h"

#include <pthread.h>

/* Lists of nodes, see node_list.h. */
enum node_list_kind {
	NODE_LIST_NONE = 0,
	NODE_LIST_IDLE = 1, /* not known to the kernel: dropped, oldest first, if there are too many */
	NODE_LIST_HOT =
		2, /* known and not open, with a passthrough id that saves the next open a system call */
	NODE_LISTS,
};

/* A list by index of nodes, the least recently appended first; 0 = end. */
struct node_list {
	uint32_t head;
	uint32_t tail;
	_Atomic uint32_t n;
};

/* Heap part of a node slot. */
struct node_index {
	uint32_t hash_next; /* next in the bucket, or in the free list; 0 = end */
	uint32_t list_prev; /* neighbours in its list; 0 = none */
	uint32_t list_next;
	uint32_t handles;         /* live handles */
	uint32_t writers;         /* ... of files, open for writing */
	uint32_t closes;          /* number of closes of such handles */
	uint32_t executors : 30;  /* live handles for execve(2) */
	uint32_t list : 2;        /* enum node_list_kind */
	_Atomic uint32_t sent_at; /* time of sending its attributes, ms; 0 = not by this worker */
};

#define NAME_CHANGES (ARENA_THREADS + 2) /* changes of names in progress at a time: one per thread */

#define NODE_FD_PINS     64 /* descriptors of nodes in use at a time; see node_fd.h */
#define NODE_FDS_CLOSING 8  /* ... closed outside of the lock; any more are closed under it */

/* A descriptor of a node in use by threads. The lock guards all but the end of a use. */
struct node_fd_pin {
	_Atomic int fd;
	_Atomic unsigned int users; /* and NODE_FD_CLOSING: removed from its node; 0 = the entry is free */
};

#define NODE_FD_CLOSING 0x80000000u

struct state {
	struct arena *arena;
	pthread_mutex_t lock;

	struct node_index *index; /* one per node slot; address space for all, memory for those in use */
	uint32_t *buckets;        /* heads of the hash buckets */
	uint32_t n_buckets;       /* a power of two */
	_Atomic uint32_t n_nodes; /* live nodes; approximate without the lock, like `n` of lists */
	uint32_t free_node;       /* head of the free list */
	struct node_list lists[NODE_LISTS];
	uint32_t max_idle;    /* limit of idle nodes; the oldest are dropped */
	uint32_t pinned_node; /* see node_pin_slot(); 0 = none */

	/*
	 * Changes of names in progress, see name_change.h: the index of the node that loses its name, which
	 * is not reused meanwhile, or UINT32_MAX; 0 = free. Taken under the lock, freed without it.
	 */
	_Atomic uint32_t changes[NAME_CHANGES];
	_Atomic unsigned int n_change_waiters; /* threads that wait for `change_ended` */
	pthread_cond_t change_ended;
	bool names_are_frozen; /* see names_freeze(); guarded by the lock */

	uint32_t *free_handles; /* next in the free list, one per handle slot */
	uint32_t free_handle;
	uint32_t n_handles;

	/* descriptors of slots must be below this; the rest is for requests in flight; INT_MAX = no limit */
	int max_fd;
	_Atomic bool is_crowded; /* nodes hold nearly as many descriptors as they may */

	struct node_fd_pin pins[NODE_FD_PINS];
	int closing[NODE_FDS_CLOSING]; /* guarded by the lock; see state_unlock() */
	unsigned int n_closing;

	struct locks *locks;   /* see lock.h; has its own mutex */
	struct shares *shares; /* see share.h for its locks */
	/* see message.h; has its own mutex; NULL = none, in a process that reads no requests */
	struct messages *messages;
};

/* Frees the indexes; the arena stays. */
void state_close(struct state *state);

/*
 * Maps zeroed memory for an index over slots; pages become resident when written.
 * n: number of elements, for all slots there can be; size: bytes of an element. Returns NULL without memory.
 */
void *index_map(size_t n, size_t size);

/* Unmaps an index; NULL is fine. */
void index_unmap(void *index, size_t n, size_t size);

/*
 * Verifies all invariants between slots and indexes. For tests and after recovery.
 * why: receives a sentence about the first violation, at most `size` bytes.
 * Returns 0, or -EUCLEAN.
 */
int state_check(struct state *state, char *why, size_t size);

#endif
