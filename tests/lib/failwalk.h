/* SPDX-License-Identifier: MIT */
/*
 * Walks through operations with each of the worker's system calls failing, one after another. Whatever the call, an operation ends, with a
 * good result or with what the failure explains, is done in full or not at all, and succeeds when it is repeated. The worker goes
 * on, and nothing is lost or held.
 */
#ifndef SEGFS_TESTS_FAILWALK_H
#define SEGFS_TESTS_FAILWALK_H

#include "tests/lib/operations.h"

/* Called first in main(): ends the program as skipped where it can't be done here. */
void failwalk_require(void);

/* Begins a group of cases on a mount of its own, in an I/O mode. Returns 0 or -1. */
int failwalk_start(const char *mode);

/* Ends it. */
int failwalk_stop(void **unused);

/* The mount of the present group. */
const struct mount *failwalk_mount(void);

/*
 * Walks through the operations of some tables that are of the present scene: each call fails once with EIO, and once with what it is most
 * likely to fail with. In the end the daemon has what it had at the beginning.
 */
void failwalk_points(const struct operation *const tables[]);

/*
 * The same with all operations of the scene, and requests of each kind must be among those that they make.
 * kinds: each kind of call fails, see callkinds.h: once in each operation with what it is most likely to fail with, once in all of them
 * with EIO. Else each call does, but for operations whose calls are alike.
 */
void failwalk_all_points(bool kinds);

/* The same with what calls are most likely to fail with, and a new worker for each, which takes memory, and has threads to start. */
void failwalk_points_of_new_workers(const struct operation *const tables[]);

/* For a walk of the program's own: says what is wrong, and makes failwalk_complaints() more. One hides no other. */
void failwalk_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes them back to 0. Returns how many there were. */
unsigned int failwalk_complaints(void);

#endif
