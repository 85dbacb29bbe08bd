/* SPDX-License-Identifier: MIT */
/*
 * Nodes: the objects that the kernel knows by node id.
 *
 * A node id is {generation, index} of its slot: a validated index, never a pointer, and never reused for
 * another file in the life of a mount. The root has index 1 and generation 0, hence FUSE's id 1. A node that
 * the kernel has forgotten stays as idle, so that a file handle of the mount (name_to_handle_at(2)) can still
 * be resolved; idle nodes are dropped when the file is removed or, oldest first, when there are too many.
 */
#ifndef SEGFS_STATE_NODE_H
#define SEGFS_STATE_NODE_H

#include "fs/state/state.h"

#include <sys/types.h>

#define NODE_ROOT           1u /* index and id of the root */
#define NODE_POSIX          2u /* indexes of the builtin directories of other sources */
#define NODE_SYSV           3u
#define NODE_PROCESS        4u
#define NODE_CONTROL        5u   /* index of .segfs; its files follow */
#define NODE_HANDLE_INODE   (-1) /* handle_type if the key is the inode number */
#define NODE_HANDLE_CONTROL (-2) /* handle_type of a file under .segfs; the key is the index of its name */
#define NODE_HANDLE_SOURCE  (-3) /* handle_type of objects that are no files: the source defines the key */
#define NODE_STORE_CONTROL  UINT16_MAX /* `store` of nodes outside of all stores */

enum node_flags {
	NODE_UNLINKED = 1,    /* has no name: dropped when the kernel forgets it */
	NODE_REFUSED = 2,     /* the kernel refused its backing file for passthrough */
	NODE_SLOW_END = 8,    /* may have much memory, so freeing it may take long */
	NODE_NEEDS_FD = 4,    /* reachable by its own descriptor only: dropped when the kernel forgets it */
	NODE_HELD = 16,       /* keeps its passthrough id until the kernel forgets it, see name_change.h */
	NODE_FIXED = 64,      /* has a fixed index and is never dropped */
	NODE_FILLING = 128,   /* created empty, and never closed by a writer: `fixed` does not apply yet */
	NODE_SENT_SUID = 256, /* the attributes last sent to the kernel were set-user-id */
	NODE_SENT_SGID = 512, /* ... set-group-id */
	/*
	 * external: can change and vanish without segfs, so nothing of it is cached or held while it is not
	 * open
	 */
	NODE_EXTERNAL = 32,
};

/*
 * Summary of a policy for opens and I/O. The upper half is the number of writers, see node_policy_writers();
 * 0 = any number.
 */
enum node_policy {
	NODE_POLICY_KNOWN = 1, /* the other bits are valid */
	NODE_POLICY_MANDATORY = 2,
	NODE_POLICY_COMMIT = 4,
	NODE_POLICY_FIXED = 8,
	NODE_POLICY_LAST_CLOSE = 16, /* lifetimes; at most one of them */
	NODE_POLICY_OWNER = 32,
	NODE_POLICY_TTL = 64,
	NODE_POLICY_CHANGING = 128, /* the policy stored with the file may be older */
};

#define NODE_POLICY_LIFETIMES (NODE_POLICY_LAST_CLOSE | NODE_POLICY_OWNER | NODE_POLICY_TTL)

static inline uint32_t node_policy_writers(uint32_t policy)
{
	return policy >> 16;
}

/* Identifies a backing file within a mount. */
struct node_key {
	uint64_t inode; /* inode number of the backing file; the hash key */
	uint16_t store;
	uint8_t handle_bytes;
	int32_t handle_type;
	uint8_t handle[sizeof(((struct node_slot *)0)->handle)];
};

/* The node of a file that was made: what it is from the start. */
struct node_new {
	struct node_key key;
	mode_t mode;           /* st_mode */
	uint32_t flags;        /* enum node_flags */
	uint32_t policy;       /* summary of its policy: enum node_policy */
	int32_t creator;       /* as in struct node_slot */
	uint32_t creator_mark; /* ... */
	int *fd;               /* descriptor for the node to hold, or -1; moved, then it is -1 */
};

static inline uint32_t node_index_of(uint64_t id)
{
	return (uint32_t)id;
}

/* The id of the node in slot `index`; of a node. */
uint64_t node_id(const struct state *state, uint32_t index);
uint64_t node_id_of(const struct state *state, const struct node_slot *node);

/* Whether the node's file can change without segfs. */
static inline bool node_is_external(const struct node_slot *node)
{
	return atomic_load(&node->flags) & NODE_EXTERNAL;
}

/* Returns the slot of a live node, or NULL for an invalid or stale id; the caller replies ESTALE. */
struct node_slot *node_get(const struct state *state, uint64_t id);

/*
 * Creates the root or another node with a fixed index; to be called in order of index on an empty arena.
 * flags: NODE_EXTERNAL or 0. fd: the node's own descriptor or -1, moved on success. Returns 0; otherwise as
 * node_reference().
 */
int node_add_fixed(struct state *state, uint32_t index, const struct node_key *key, mode_t mode,
		   uint32_t flags, int fd);

/*
 * Finds or creates the node of a backing file and increments its lookup count.
 * mode: st_mode of the file. flags: enum node_flags of a new node; without NODE_UNLINKED an existing node is
 * known to have a name again.
 * fd: descriptor for a new node to hold, or -1; moved to a new node only, then *fd is -1.
 * id: receives the node id.
 * Returns 0; -ENFILE if all slots are in use; -ENOMEM, -ENOSPC.
 */
int node_reference(struct state *state, const struct node_key *key, mode_t mode, uint32_t flags, int *fd,
		   uint64_t *id);

/*
 * Gives a node what node_reference() does not: its policy and its creator. A worker that died may have made
 * the node, or somebody has looked it up.
 */
void node_complete(struct node_slot *slot, const struct node_new *file);

/*
 * Makes a private copy of what the node of a file will be, for functions that only look at a node.
 * draft: zeros; gets no descriptor.
 */
void node_draft(const struct node_new *file, struct node_slot *draft);

/*
 * Prevents a node from being dropped, and its slot from being reused, until node_unpin_slot(). For one thread
 * and one node at a time; does not survive the worker. Returns false for a stale id.
 */
bool node_pin_slot(struct state *state, uint64_t id);

/* backing_id: as for node_forget(). */
void node_unpin_slot(struct state *state, int *backing_id);

/* Finds a node without incrementing its lookup count. Returns its id, or 0. */
uint64_t node_find(struct state *state, const struct node_key *key);

/*
 * Records that the attributes of a node were sent to the kernel at `now`, in milliseconds of any clock, not
 * 0.
 */
void node_attributes_sent(struct state *state, uint64_t id, uint32_t now);

/*
 * Whether the attributes of the file with this inode number were sent to the kernel after `since`, and the
 * kernel still refers to it. False if uncertain. Lets READDIRPLUS leave out what the kernel has cached.
 */
bool node_is_fresh(struct state *state, uint16_t store, uint64_t inode, uint32_t since);

/*
 * Finds an open node with this inode number that `match`, called under the lock, accepts. Returns its id, or
 * 0.
 */
uint64_t node_find_open(struct state *state, uint16_t store, uint64_t inode,
			bool (*match)(const struct node_slot *node, void *context), void *context);

/* Returns the id of the only node with this inode number, or 0. */
uint64_t node_find_inode(struct state *state, uint16_t store, uint64_t inode);

/*
 * Decrements the lookup count by `count`. When it reaches 0 and there is no handle, the node is dropped or
 * becomes idle.
 * backing_id: receives a passthrough id to close, as for handle_remove(), or 0.
 */
void node_forget(struct state *state, uint64_t id, uint64_t count, int *backing_id);

/*
 * Gives an open node a descriptor of its file until its last handle is released, so that the file stays
 * reachable whatever happens to its name. fd: O_PATH; moved if the node is open and has none, then *fd is -1.
 */
void node_add_fd(struct state *state, uint64_t id, int *fd);

/*
 * Used by name_change.c, under the lock.
 * node_hold_locked(): makes the file of the node with this inode number, if there is exactly one, outlive its
 * last name, and returns its id. held: receives whether the node holds its file; is_flagged: whether it was
 * flagged as NODE_HELD. Unchanged if there is no such node.
 * node_unlinked_locked(): name_change_unlinked(); without effect for a stale id.
 * The others, and for handle.c: the functions without _locked. After all but node_hold_locked() and
 * node_find_locked(), state_unlock() is called.
 */
uint64_t node_hold_locked(struct state *state, uint16_t store, uint64_t inode, bool *held, bool *is_flagged);
void node_unlinked_locked(struct state *state, uint64_t id, uint32_t flags, int *fd);
uint64_t node_find_locked(const struct state *state, const struct node_key *key);
int node_reference_locked(struct state *state, const struct node_key *key, mode_t mode, uint32_t flags,
			  int *fd, uint64_t *id);

/*
 * Used by handle.c, under the lock, when a handle is added or released. The latter may drop the node, and
 * returns a passthrough id to close, of this or another node, or 0.
 */
void node_opened_locked(struct state *state, uint32_t index);
void node_closes_locked(struct state *state, uint64_t id); /* before the handle's slot is freed */
int node_closed_locked(struct state *state, uint32_t index);

/* Used by recover.c, too: neither the kernel nor a handle refers to the node any more. */
void node_became_idle_locked(struct state *state, uint32_t index);

/*
 * ... closes the descriptor of a node that has a name: its file handle suffices, and the descriptor would
 * keep the file alive after an unlink.
 */
void node_close_fd_locked(struct state *state, struct node_slot *slot);

/*
 * Takes the passthrough id of the node that was closed longest ago, if more than `limit` nodes keep theirs
 * for the next open. Returns it, to be closed as that of handle_remove(); 0 if there are no more.
 */
int node_take_id(struct state *state, uint32_t limit);

/*
 * Whether a node that is not open keeps its passthrough id: cached for the next open, or because the id holds
 * its file.
 */
bool node_holds_id(const struct state *state, uint32_t index);

#endif
