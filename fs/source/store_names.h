/* SPDX-License-Identifier: MIT */
/*
 * A store's names: making them, linking, removing and renaming them. Each is done once, whatever workers die over it: what the
 * journal has of the present request decides what is left to be done.
 *
 * The functions are those of struct source that are called so.
 */
#ifndef SEGFS_SOURCE_STORE_NAMES_H
#define SEGFS_SOURCE_STORE_NAMES_H

#include "fs/source/source.h"

int store_create(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, int flags,
		 const char *policy, struct source_file *file);
int store_make(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, const char *target,
	       const char *policy, struct source_file *file);
int store_link(struct state *state, const struct node_slot *node, const struct node_slot *dir, const char *name,
	       struct source_file *file);
int store_remove(struct state *state, const struct node_slot *dir, const char *name, int flags);
int store_end(struct state *state, const struct node_slot *node, struct source_name *gone);
int store_rename(struct state *state, const struct node_slot *dir, const char *name, const struct node_slot *new_dir,
		 const char *new_name, unsigned int flags);

#endif
