/* SPDX-License-Identifier: MIT */
/*
 * Runs operations with each of the worker's system calls failing in turn. Whichever call fails, an operation
 * ends with success or with an error that the failure explains, is done completely or not at all, and
 * succeeds when it is repeated. The worker continues, and nothing is lost or leaked.
 */
#ifndef SEGFS_TESTS_FAILWALK_H
#define SEGFS_TESTS_FAILWALK_H

#include "tests/lib/walk.h"

/* To be called first in main(): skips the program if this machine cannot run it. */
void failwalk_require(void);

/* Starts a group of cases on a mount of its own, in an I/O mode; walk_stop() ends it. Returns 0 or -1. */
int failwalk_start(const char *mode);

/*
 * Runs the operations of some tables that belong to the current scene: each call fails once with EIO and once
 * with its most likely error. Afterwards the daemon holds what it held before.
 */
void failwalk_points(const struct operation *const tables[]);

/*
 * Like failwalk_points(), with all operations of the scene, which must make requests of every kind.
 * kinds: fails each kind of call, see callkinds.h: once per operation with its most likely error, once in all
 * operations with EIO. Otherwise fails each call, except in operations whose calls are alike.
 */
void failwalk_all_points(bool kinds);

/*
 * Like failwalk_points(), with the most likely errors only and a new worker each time, which allocates memory
 * and starts threads.
 */
void failwalk_points_of_new_workers(const struct operation *const tables[]);

/* For other walks of the program: reports a failure and counts it, without hiding further ones. */
void failwalk_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Returns the number of complaints and resets it. */
unsigned int failwalk_complaints(void);

#endif
