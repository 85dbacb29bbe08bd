/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that nodes hold, in use. Another thread may take a node's descriptor away at any time, and its number would then be
 * another file's: whoever uses it pins it, and it is closed with the last pin.
 *
 * Closing the last descriptor of a file frees its memory, which takes long: it is never done under state.lock.
 */
#ifndef SEGFS_STATE_NODE_FD_H
#define SEGFS_STATE_NODE_FD_H

#include "fs/state/node.h"

/*
 * Pins the descriptor that a node holds; the caller gives it back by node_fd_put(). Returns the descriptor, or -1 where the node holds
 * none; -ENFILE where too many are pinned, which threads that each pin a few do not come to.
 */
int node_fd_get(struct state *state, const struct node_slot *node);
void node_fd_put(struct state *state, int fd);

/* Used by node.c, under the lock: takes a descriptor away from its node, to be closed by state_unlock() or with its last pin. */
void node_fd_close_locked(struct state *state, int fd);

/* Unlocks state.lock, and then closes what was taken away under it. */
void state_unlock(struct state *state);

#endif
