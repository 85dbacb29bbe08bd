/* SPDX-License-Identifier: MIT */
/*
 * A store's names: removing and renaming them. Each is done once, whatever workers die over it: what the journal has of the present
 * request decides what is left to be done.
 *
 * The functions are those of struct source that are called so, but for the last.
 */
#ifndef SEGFS_SOURCE_STORE_NAMES_H
#define SEGFS_SOURCE_STORE_NAMES_H

#include "fs/source/source.h"

int store_remove(struct state *state, const struct node_slot *dir, const char *name, int flags);
int store_end(struct state *state, const struct node_slot *node, struct source_name *gone);
int store_rename(struct state *state, const struct node_slot *dir, const char *name, const struct node_slot *new_dir,
		 const char *new_name, unsigned int flags);

/* The inode number of the file that a name in a directory means; 0 = there is none. */
ino_t store_inode_of(int dir_fd, const char *name);

#endif
