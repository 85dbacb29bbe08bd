/* SPDX-License-Identifier: MIT */
/*
 * POSIX shared memory: the attributes of its objects beyond those of any file in a store. Otherwise this
 * source is the store source on the tmpfs of shm_open(3).
 */
#ifndef SEGFS_SOURCE_POSIX_H
#define SEGFS_SOURCE_POSIX_H

#include "fs/source/source.h"

#define POSIX_DIRECTORY "/dev/shm" /* directory of shm_open(3) and sem_open(3) */

extern const struct source_fact posix_facts[];

/* See struct source. */
int posix_path(const struct state *state, const struct node_slot *node, char *path, size_t size);

#endif
