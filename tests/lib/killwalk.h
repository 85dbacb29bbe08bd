/* SPDX-License-Identifier: MIT */
/*
 * Walks through operations with a kill at each of their points, or with two. Whatever the points, an operation says what it says
 * without a kill, and is done once: the store holds what it holds without one. No handle is left, no descriptor or
 * passthrough id that nothing names, and the state is valid.
 */
#ifndef SEGFS_TESTS_KILLWALK_H
#define SEGFS_TESTS_KILLWALK_H

#include "tests/lib/operations.h"

/* Begins a group of cases on a mount of its own, in an I/O mode. Returns 0 or -1. */
int killwalk_start(const char *mode);

/* Ends it. */
int killwalk_stop(void **unused);

/* The mount of the present group. */
const struct mount *killwalk_mount(void);

/* Carries out an operation without a kill. Returns what the store holds after that, which the caller frees. */
char *killwalk_carry_out(const struct operation *operation);

/* Carries out the operations of some tables that are of the present scene with a kill at each of their points, one after another. */
void killwalk_points(const struct operation *const tables[]);

/*
 * The same with all operations of the scene, of which requests of each kind must be among those that they make.
 * each: the table whose operations have a kill at each of their points, but for those whose calls are alike; NULL = none has. The others
 * have one at each kind of call, see callkinds.h, that one of them makes.
 */
void killwalk_all_points(const struct operation *each);

/*
 * The same with a kill at the first point, one in the middle, and the last one, and another kill of the worker that comes next: at points
 * of its whole life that change from one operation to the next, so that all operations together have had many.
 */
void killwalk_two(const struct operation *const tables[]);

#endif
