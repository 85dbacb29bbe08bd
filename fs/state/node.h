/* SPDX-License-Identifier: MIT */
/*
 * Nodes: what the kernel knows by a node id.
 *
 * A node id is {generation of the slot, index of the slot}: an index that is validated, never a pointer, and
 * never given to two files in the life of a mount. The root is index 1, generation 0, hence FUSE's id 1. A node
 * that the kernel forgot stays as an idle node, so that a file handle of the mount made by name_to_handle_at(2)
 * finds it again; idle nodes go when the file is removed or, oldest first, when there are too many.
 */
#ifndef SEGFS_STATE_NODE_H
#define SEGFS_STATE_NODE_H

#include "fs/state/state.h"

#include <sys/types.h>

#define NODE_ROOT 1u           /* index, and id, of the mount's root */
#define NODE_POSIX 2u          /* indexes of the directories that show what is not segfs's own */
#define NODE_SYSV 3u
#define NODE_PROCESS 4u
#define NODE_CONTROL 5u        /* index of .segfs; its files follow */
#define NODE_HANDLE_INODE (-1) /* handle_type of a node whose key is its inode number */
#define NODE_HANDLE_CONTROL (-2) /* handle_type of a file under .segfs; the key is its name's index */
#define NODE_HANDLE_SOURCE (-3)  /* handle_type of what is no file of a file system; the key is its source's */
#define NODE_STORE_CONTROL UINT16_MAX /* `store` of a node that no store holds */

enum node_flags {
	NODE_UNLINKED = 1,   /* its last name is gone: not kept when it is forgotten */
	NODE_REFUSED = 2,    /* the kernel refused its backing file for passthrough */
	NODE_SLOW_END = 8,   /* has much memory, or how much is not known: its end may take long */
	NODE_KEEP_FD = 4,    /* can be reached by its kept descriptor only: not kept when it is forgotten */
	NODE_HELD = 16,      /* keeps its passthrough id until it is forgotten, see node_hold() */
	NODE_FIXED = 64,     /* has a fixed index, and is for ever */
	NODE_FILLING = 128,  /* was made empty, and no open for writing has ended yet: a fixed size is not settled */
	NODE_TOLD_SUID = 256, /* the kernel was last told that its file is set-user-id */
	NODE_TOLD_SGID = 512, /* ... that it is set-group-id */
	NODE_FOREIGN = 32,   /* may change and go without segfs: nothing of it is kept or held while it is not open */
};

/*
 * A policy in one word, as far as opens and I/O ask for it. The number of writers is in the upper half, see
 * node_policy_writers(); 0 = any number.
 */
enum node_policy {
	NODE_POLICY_KNOWN = 1,      /* the other bits are right */
	NODE_POLICY_MANDATORY = 2,
	NODE_POLICY_COMMIT = 4,
	NODE_POLICY_FIXED = 8,
	NODE_POLICY_LAST_CLOSE = 16, /* lifetimes; at most one of them */
	NODE_POLICY_OWNER = 32,
	NODE_POLICY_TTL = 64,
	NODE_POLICY_CHANGING = 128, /* what is stored with the file may be older */
};

#define NODE_POLICY_LIFETIMES (NODE_POLICY_LAST_CLOSE | NODE_POLICY_OWNER | NODE_POLICY_TTL)

static inline uint32_t node_policy_writers(uint32_t policy)
{
	return policy >> 16;
}

/* What tells a backing file from all others of a mount. */
struct node_key {
	uint64_t inode; /* inode number of the backing file: what nodes are hashed by */
	uint16_t store;
	uint8_t handle_bytes;
	int32_t handle_type;
	uint8_t handle[sizeof(((struct node_slot *)0)->handle)];
};

static inline uint32_t node_index_of(uint64_t id)
{
	return (uint32_t)id;
}

/* The id of the node in slot `index`, and of a node. */
uint64_t node_id(const struct state *state, uint32_t index);
uint64_t node_id_of(const struct state *state, const struct node_slot *node);

/* Whether others change what a node is of without segfs. */
static inline bool node_is_foreign(const struct node_slot *node)
{
	return atomic_load(&node->flags) & NODE_FOREIGN;
}

/*
 * Finds the live node with id `id`. Returns its slot, or NULL for an id that was never given or is no longer
 * good; the caller answers ESTALE.
 */
struct node_slot *node_get(const struct state *state, uint64_t id);

/*
 * Makes the root or another node with a fixed index; to be called in order of index on an empty arena.
 * flags: NODE_FOREIGN or 0. fd: kept descriptor or -1, owned by the node on success. Returns 0 or as node_reference().
 */
int node_add_fixed(struct state *state, uint32_t index, const struct node_key *key, mode_t mode, uint32_t flags, int fd);

/*
 * Finds the node of a backing file, makes it if there is none, and takes one reference for the kernel.
 * key: the file. mode: its st_mode. flags: enum node_flags of a new node; without
 * NODE_UNLINKED a known one counts as having a name again.
 * fd: a descriptor to keep, or -1; taken over only by a new node, and then *fd becomes -1.
 * id: gets the node's id.
 * Returns 0; -ENFILE where all slots are in use; -ENOMEM, -ENOSPC for want of memory.
 */
int node_reference(struct state *state, const struct node_key *key, mode_t mode, uint32_t flags, int *fd,
		   uint64_t *id);

/*
 * Keeps a node from being dropped, and its slot from becoming another file's, until node_let_go(): for one thread, and one node at a
 * time. No death leaves anything of it. Returns false for an id that is no longer good.
 */
bool node_keep(struct state *state, uint64_t id);

/* backing_id: as node_forget() has it. */
void node_let_go(struct state *state, int *backing_id);

/* Finds a node without taking a reference. Returns its id, or 0. */
uint64_t node_find(struct state *state, const struct node_key *key);

/*
 * Notes that the kernel was told the attributes of a node at `now`, in milliseconds since any fixed moment, not 0.
 */
void node_told(struct state *state, uint64_t id, uint32_t now);

/*
 * Says whether the kernel was told about the file with this inode number since `since`, and still refers to it. False where
 * that is not sure. For listings, which can leave out what the kernel knows.
 */
bool node_is_fresh(struct state *state, uint16_t store, uint64_t inode, uint32_t since);

/*
 * Finds an open node with this inode number of which `match`, called under the lock, says that it is the one. Returns its id, or 0.
 */
uint64_t node_find_open(struct state *state, uint16_t store, uint64_t inode,
			bool (*match)(const struct node_slot *node, void *context), void *context);

/* The one node with this inode number, or 0. */
uint64_t node_find_inode(struct state *state, uint16_t store, uint64_t inode);

/*
 * Gives back `count` references of the kernel. The node is dropped, or kept as idle, when none is left and it
 * has no handle.
 * backing_id: gets a passthrough id to close as handle_remove() has it, or 0.
 */
void node_forget(struct state *state, uint64_t id, uint64_t count, int *backing_id);

/*
 * To be called before the last name of a file is removed: sees to it that the file outlives its name for as long as the
 * kernel refers to its node, which is a matter of course where the node has a descriptor, and costs a flag where the
 * kernel has the file by passthrough id.
 * store, inode: tell the file.
 * held: gets whether it does so; if not, the caller has to hold the file by a descriptor.
 * Returns the node's id; 0, and not held, where not exactly one node has this inode number.
 */
uint64_t node_hold(struct state *state, uint16_t store, uint64_t inode, bool *held);

/* Takes node_hold() back: the name was not removed. */
void node_unhold(struct state *state, uint64_t id);

/*
 * Gives a node that is open a descriptor of its file, which it keeps until its last handle goes: whatever becomes of the name, the
 * file can be reached. fd: O_PATH; taken over where the node is open and has none, and then *fd becomes -1.
 */
void node_pin(struct state *state, uint64_t id, int *fd);

/*
 * Notes that the last name of a node is gone.
 * flags: enum node_flags to add, NODE_SLOW_END or 0.
 * fd: an O_PATH descriptor that keeps the backing file reachable, or -1 after node_hold(); taken over where the kernel still
 * refers to the node and it holds none yet, and then *fd becomes -1.
 */
void node_unlinked(struct state *state, uint64_t id, uint32_t flags, int *fd);

/*
 * Used by handle.c, under the lock: one handle more, one less. The latter may drop the node, and returns a passthrough id
 * that is to be closed, its own or another node's, or 0.
 */
void node_opened_locked(struct state *state, uint32_t index);
void node_closes_locked(struct state *state, uint64_t id); /* before the handle's slot is free */
int node_closed_locked(struct state *state, uint32_t index);

/* Whether a node keeps its passthrough id though it is not open: for the next open, or because that holds its file. */
bool node_keeps_id(const struct state *state, uint32_t index);

/* Used by state.c. The last one, after handles have been counted: which nodes are idle, and which rest. */
int node_index_slots(struct state *state);
void node_index_unopened(struct state *state);

#endif
