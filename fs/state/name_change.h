/* SPDX-License-Identifier: MIT */
/*
 * Changes of names: a system call takes a name from a file, and the file's node outlives its last name.
 *
 * A change takes state.lock once, before the system call: name_change_begin() finds the node, makes sure that
 * its file stays reachable, and enters the change in state->changes. What follows the system call is
 * lock-free, because the slot of a node with an entry is not reused: it may be dropped meanwhile, but stays
 * this node's. Only a node that the kernel forgets meanwhile, which it does not do while it has the name,
 * takes the lock again.
 *
 * No name changes between names_freeze() and names_thaw(), except by the caller.
 *
 * Thread-safe. A change belongs to one thread, which holds no lock. After a death, the journal says what was
 * begun.
 */
#ifndef SEGFS_STATE_NAME_CHANGE_H
#define SEGFS_STATE_NAME_CHANGE_H

#include "fs/state/node.h"

struct name_change {
	struct state *state;
	uint64_t node;           /* the node that loses its last name; 0 = none, or none that is known */
	bool held;               /* it holds its file; otherwise the caller must, by a descriptor */
	bool is_flagged;         /* it was flagged as NODE_HELD */
	_Atomic uint32_t *entry; /* in state->changes; NULL = not begun, or ended */
};

/*
 * Begins a change. Makes a file that may lose its last name outlive it while the kernel refers to its node: a
 * node with a descriptor does so anyway; one with a passthrough id is flagged.
 * store, inode: identify the file; inode 0 = none loses its last name.
 * is_frozen: the caller has called names_freeze(); otherwise waits for names_thaw().
 * change: `node` is set if exactly one node has this inode number. To be ended by name_change_end().
 */
void name_change_begin(struct state *state, uint16_t store, uint64_t inode, bool is_frozen,
		       struct name_change *change);

/*
 * The last name of change->node was removed. Without an entry, only `state` and `node` need to be set.
 * flags: enum node_flags to add, NODE_SLOW_END or 0.
 * fd: O_PATH descriptor that keeps the file reachable, or -1 if the node holds it; moved if the kernel still
 * refers to the node and it has none, then *fd is -1.
 */
void name_change_unlinked(struct name_change *change, uint32_t flags, int *fd);

/* The same for the node of a file, if there is one, that name_change_begin() could not tell. */
void name_change_unlinked_key(struct state *state, const struct node_key *key, uint32_t flags, int *fd);

/* No name was removed: nothing has to outlive it. */
void name_change_failed(struct name_change *change);

/* Ends a change; without effect if it has ended, or was not begun. */
void name_change_end(struct name_change *change);

/* Whether a change in progress uses a node's slot. Used by node.c, under the lock. */
bool name_change_uses_locked(const struct state *state, uint32_t index);

/* Wait for changes in progress, and keep new ones from beginning. For one thread at a time; others wait. */
void names_freeze(struct state *state);
void names_thaw(struct state *state);

#endif
