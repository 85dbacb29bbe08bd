/* SPDX-License-Identifier: MIT */
/*
 * A store's names: making them, by making files or by linking them. As store_names.h has it of the others, each is made once,
 * whatever workers die over it.
 *
 * The functions are those of struct source that are called so.
 */
#ifndef SEGFS_SOURCE_STORE_MAKE_H
#define SEGFS_SOURCE_STORE_MAKE_H

#include "fs/source/source.h"

int store_create(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, int flags,
		 const char *policy, struct source_file *file);
int store_make(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, dev_t device, const char *target,
	       const char *policy, struct source_file *file);
int store_link(struct state *state, const struct node_slot *node, const struct node_slot *dir, const char *name,
	       struct source_file *file);

#endif
