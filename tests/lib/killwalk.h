/* SPDX-License-Identifier: MIT */
/*
 * Runs operations with a kill at each of their points, or with two. Wherever the kills are, an operation has
 * the same result as without them and is done once: the store is the same as without kills. No handle,
 * descriptor or passthrough id is leaked, and the state is valid.
 */
#ifndef SEGFS_TESTS_KILLWALK_H
#define SEGFS_TESTS_KILLWALK_H

#include "tests/lib/walk.h"

/* Starts a group of cases on a mount of its own, in an I/O mode; walk_stop() ends it. Returns 0 or -1. */
int killwalk_start(const char *mode);

/*
 * Runs the operations of some tables that belong to the current scene, with a kill at each of their points in
 * turn.
 */
void killwalk_points(const struct operation *const tables[]);

/*
 * Like killwalk_points(), with all operations of the scene, which must make requests of every kind.
 * each: the table whose operations get a kill at each point, except those whose calls are alike; NULL = none.
 * Other operations get one at each kind of call, see callkinds.h.
 */
void killwalk_all_points(const struct operation *each);

/*
 * Like killwalk_points(), with a kill at the first, a middle and the last point, and another kill of the next
 * worker, at points of its life that vary from operation to operation.
 */
void killwalk_two(const struct operation *const tables[]);

#endif
