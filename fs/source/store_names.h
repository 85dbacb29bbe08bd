/* SPDX-License-Identifier: MIT */
/*
 * Removes and renames names in a store. Idempotent across the death of workers: the journal note of the
 * current request tells what remains to be done.
 *
 * All but the last function are those of the same names in struct source.
 */
#ifndef SEGFS_SOURCE_STORE_NAMES_H
#define SEGFS_SOURCE_STORE_NAMES_H

#include "fs/source/source.h"

int store_remove(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		 const char *name, int flags);
int store_end(struct state *state, const struct node_slot *node, struct source_name *gone);
int store_rename(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		 const char *name, const struct node_slot *new_dir, const char *new_name, unsigned int flags);

/* The inode number of a name in a directory; 0 = there is none. */
ino_t store_inode_of(int dir_fd, const char *name);

#endif
