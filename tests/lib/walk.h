/* SPDX-License-Identifier: MIT */
/*
 * Shared by kill walks and fail walks: the mount of a group of cases, operations without a disturbance, and
 * programs with one case per scene. For one thread; failures end the case.
 */
#ifndef SEGFS_TESTS_WALK_H
#define SEGFS_TESTS_WALK_H

#include "tests/lib/operations.h"

/*
 * Mounts in an I/O mode and enters the scene of the store.
 * mode: direct, mediated or relayed; also the mount's tag. attr_timeout: seconds. Returns 0 or -1.
 */
int walk_start(const char *mode, unsigned int attr_timeout);

/* Leaves the scene and unmounts. Returns 0 or -1. */
int walk_stop(void **unused);

/* The mount of the current group. */
const struct mount *walk_mount(void);

/*
 * Prepares an operation and carries it out, which must succeed. when: added to the operation's name if it
 * fails. Returns the content of the scene afterwards; the caller frees it.
 */
char *walk_undisturbed(const struct operation *operation, const char *when);

/*
 * The main function of a program that walks in the scenes of segments, objects, process and control, each of
 * which is a case, on a machine of the program's own. start: mounts in a mode, see walk_start(). walk: walks
 * through all operations of the scene, which is entered. Returns the number of failed cases.
 */
int walk_in_scenes(int (*start)(const char *mode), void (*walk)(const struct scene *scene));

#endif
