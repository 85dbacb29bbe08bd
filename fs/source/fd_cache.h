/* SPDX-License-Identifier: MIT */
/*
 * A cache of O_PATH descriptors of nodes, in the arena. Every operation on a name needs the descriptor of its
 * directory, and attributes are read often. Descriptors and cache outlive a worker.
 *
 * A descriptor is cached at most until the kernel forgets its node, so the cache keeps no removed file alive,
 * except one that was removed behind the mount.
 */
#ifndef SEGFS_SOURCE_FD_CACHE_H
#define SEGFS_SOURCE_FD_CACHE_H

#include "fs/state/node.h"

/* A node's descriptor in use, between fd_cache_get() and fd_cache_put(). */
struct cached_fd {
	int fd;              /* O_PATH */
	int slot;            /* index in the cache, or KEPT_* */
	struct state *state; /* for CACHED_FD_OF_NODE */
};

#define CACHED_FD_PRIVATE (-1) /* private to this user, closed by fd_cache_put() */
#define CACHED_FD_OF_NODE (-2) /* the node's own descriptor, pinned */

/*
 * Gets an O_PATH descriptor of a node's file, from the cache if possible.
 * Returns 0; -ESTALE if the file is gone; -EMFILE, -ENFILE, -ENOMEM of open(2).
 */
int fd_cache_get(struct state *state, const struct node_slot *node, struct cached_fd *out);

/* Like fd_cache_get(), for directories; -ENOTDIR for any other node. */
int fd_cache_get_directory(struct state *state, const struct node_slot *node, struct cached_fd *out);

void fd_cache_put(struct cached_fd *cached);

/* Closes the cached descriptor of a node that the kernel has forgotten. */
void fd_cache_drop(struct state *state, uint64_t id);

/* Closes all cached descriptors that are not in use. Returns how many. */
unsigned int fd_cache_clear(struct state *state);

static inline void cleanup_cached_fd(struct cached_fd *cached)
{
	fd_cache_put(cached);
}

#define CACHED_FD_NONE      ((struct cached_fd){.fd = -1, .slot = CACHED_FD_PRIVATE})
#define _cleanup_cached_fd_ __attribute__((cleanup(cleanup_cached_fd)))

#endif
