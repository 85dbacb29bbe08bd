/* SPDX-License-Identifier: MIT */
/*
 * Creates names in a store, for new files and by linking. Idempotent across the death of workers, like
 * store_names.h.
 *
 * The functions are those of the same names in struct source.
 */
#ifndef SEGFS_SOURCE_STORE_MAKE_H
#define SEGFS_SOURCE_STORE_MAKE_H

#include "fs/source/source.h"

int store_create(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		 const char *name, mode_t mode, int flags, const char *policy, struct source_file *file);
int store_make(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
	       const char *name, mode_t mode, dev_t device, const char *target, const char *policy,
	       struct source_file *file);
int store_link(struct state *state, struct journal_entry *entry, const struct node_slot *node,
	       const struct node_slot *dir, const char *name, struct source_file *file);

#endif
