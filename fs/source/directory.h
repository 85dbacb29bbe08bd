/* SPDX-License-Identifier: MIT */
/*
 * O_PATH descriptors of directories, kept open in a small table of the arena, since every operation on a name
 * starts with one. The descriptors outlive a worker that dies, as the table does.
 */
#ifndef SEGFS_SOURCE_DIRECTORY_H
#define SEGFS_SOURCE_DIRECTORY_H

#include "fs/state/node.h"

/* A directory in use; between directory_get() and directory_put(). */
struct directory {
	int fd;   /* O_PATH|O_DIRECTORY */
	int slot; /* place in the table, -1 = the descriptor is this user's own */
};

/*
 * Opens a directory node, or finds it open.
 * Returns 0; ENOTDIR for another kind of node; ESTALE where it is gone; EMFILE, ENFILE, ENOMEM of open(2).
 */
int directory_get(struct state *state, const struct node_slot *node, struct directory *out);

void directory_put(struct directory *directory);

/* Closes the kept descriptor of a directory that the kernel forgot. */
void directory_drop(struct state *state, uint64_t id);

static inline void cleanup_directory(struct directory *directory)
{
	directory_put(directory);
}

#define DIRECTORY_NONE ((struct directory){.fd = -1, .slot = -1})
#define _cleanup_directory_ __attribute__((cleanup(cleanup_directory)))

#endif
