/* SPDX-License-Identifier: MIT */
/*
 * O_PATH descriptors of nodes, kept open in a table of the arena: every operation on a name starts with that of a
 * directory, and attributes are asked for again and again. The descriptors outlive a worker that dies, as the table does.
 *
 * A descriptor stays at most until the kernel forgets its node, so it keeps no file alive that is removed.
 */
#ifndef SEGFS_SOURCE_KEPT_H
#define SEGFS_SOURCE_KEPT_H

#include "fs/state/node.h"

/* A node's descriptor in use; between kept_get() and kept_put(). */
struct kept {
	int fd;              /* O_PATH */
	int slot;            /* place in the table, or one of KEPT_* */
	struct state *state; /* for KEPT_OF_NODE */
};

#define KEPT_OWN (-1)     /* this user's own, closed by kept_put() */
#define KEPT_OF_NODE (-2) /* the one that the node holds itself, which is pinned */

/*
 * Opens a node's file, or finds it open.
 * Returns 0; ESTALE where it is gone; EMFILE, ENFILE, ENOMEM of open(2).
 */
int kept_get(struct state *state, const struct node_slot *node, struct kept *out);

/* The same for a directory; ENOTDIR for another kind of node. */
int kept_get_directory(struct state *state, const struct node_slot *node, struct kept *out);

void kept_put(struct kept *kept);

/* Closes the kept descriptor of a node that the kernel forgot. */
void kept_drop(struct state *state, uint64_t id);

static inline void cleanup_kept(struct kept *kept)
{
	kept_put(kept);
}

#define KEPT_NONE ((struct kept){.fd = -1, .slot = KEPT_OWN})
#define _cleanup_kept_ __attribute__((cleanup(cleanup_kept)))

#endif
