/* SPDX-License-Identifier: MIT */
/*
 * Pins descriptors of nodes. Another thread may remove a node's descriptor at any time, and its number would
 * be reused for another file. A user pins it, under the lock, so that it is closed with the last pin, which
 * ends without it.
 *
 * Closing the last descriptor of a file frees its memory, which takes long, so it is not done under
 * state.lock.
 */
#ifndef SEGFS_STATE_NODE_FD_H
#define SEGFS_STATE_NODE_FD_H

#include "fs/state/node.h"

/*
 * Pins the descriptor of a node; to be released with node_fd_put(). Returns the descriptor; -1 if the node
 * has none; -ENFILE if too many are pinned, which cannot happen as long as threads pin only a few each.
 */
int node_fd_get(struct state *state, const struct node_slot *node);
void node_fd_put(struct state *state, int fd);

/*
 * Used by node.c, under the lock: removes a descriptor from its node; state_unlock() or the last
 * node_fd_put() closes it.
 */
void node_fd_close_locked(struct state *state, int fd);

/* Unlocks state.lock, then closes the descriptors removed under it. */
void state_unlock(struct state *state);

#endif
