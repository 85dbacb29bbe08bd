/* SPDX-License-Identifier: MIT */
/* What a store tells about its segments, user.segfs.* beside the policy. Thread-safe. */
#ifndef SEGFS_SOURCE_STORE_FACTS_H
#define SEGFS_SOURCE_STORE_FACTS_H

#include "fs/source/source.h"

extern const struct source_fact store_facts[];

/*
 * Before a change of a file's size: its generation is another one from now on if it shrinks. How often it
 * grows need not be noted, see user.segfs.generation in store_facts.c.
 * size: the new one, in bytes. Returns 0; -ESTALE; the negative errno of setxattr(2).
 */
int store_before_resize(struct state *state, const struct node_slot *node, off_t size);

#endif
