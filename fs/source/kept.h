/* SPDX-License-Identifier: MIT */
/*
 * A cache of O_PATH descriptors of nodes, in the arena. Every operation on a name needs the descriptor of its
 * directory, and attributes are read often. Descriptors and cache outlive a worker.
 *
 * A descriptor is cached at most until the kernel forgets its node, so the cache keeps no removed file alive.
 */
#ifndef SEGFS_SOURCE_KEPT_H
#define SEGFS_SOURCE_KEPT_H

#include "fs/state/node.h"

/* A node's descriptor in use, between kept_get() and kept_put(). */
struct kept {
	int fd;              /* O_PATH */
	int slot;            /* index in the cache, or KEPT_* */
	struct state *state; /* for KEPT_OF_NODE */
};

#define KEPT_OWN (-1)     /* private to this user, closed by kept_put() */
#define KEPT_OF_NODE (-2) /* the node's own descriptor, pinned */

/*
 * Gets an O_PATH descriptor of a node's file, from the cache if possible.
 * Returns 0; -ESTALE if the file is gone; -EMFILE, -ENFILE, -ENOMEM of open(2).
 */
int kept_get(struct state *state, const struct node_slot *node, struct kept *out);

/* Like kept_get(), for directories; -ENOTDIR for any other node. */
int kept_get_directory(struct state *state, const struct node_slot *node, struct kept *out);

void kept_put(struct kept *kept);

/* Closes the cached descriptor of a node that the kernel has forgotten. */
void kept_drop(struct state *state, uint64_t id);

static inline void cleanup_kept(struct kept *kept)
{
	kept_put(kept);
}

#define KEPT_NONE ((struct kept){.fd = -1, .slot = KEPT_OWN})
#define _cleanup_kept_ __attribute__((cleanup(cleanup_kept)))

#endif
