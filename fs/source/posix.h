/* SPDX-License-Identifier: MIT */
/*
 * POSIX shared memory: what is known of an object beside what any file in a store has. The rest of the source is the store's, on the
 * tmpfs in which shm_open(3) makes its objects.
 */
#ifndef SEGFS_SOURCE_POSIX_H
#define SEGFS_SOURCE_POSIX_H

#include "fs/source/source.h"

#define POSIX_DIRECTORY "/dev/shm" /* of shm_open(3) and sem_open(3) */

extern const struct source_fact posix_facts[];

/* As struct source has it. */
int posix_path(const struct state *state, const struct node_slot *node, char *path, size_t size);

#endif
