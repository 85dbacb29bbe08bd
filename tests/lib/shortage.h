/* SPDX-License-Identifier: MIT */
/*
 * Shortage of memory: makes allocations of a segfs fail by failmalloc.so, which must be preloaded; and runs
 * operations with each allocation failing in turn.
 */
#ifndef SEGFS_TESTS_SHORTAGE_H
#define SEGFS_TESTS_SHORTAGE_H

#include "tests/mount/harness.h"
#include "tests/preload/failmalloc.h"

/*
 * To be called first in main(): creates the memory shared with the library. Skips the program if the library
 * cannot be used: with sanitizers, which replace malloc(3), or without root.
 */
void shortage_setup(void);

/*
 * Makes the allocations `first` to `last` from now on fail. Those of less than `least_size` bytes are
 * ignored.
 */
void shortage_begin(enum fail_in in, int first, int last, int least_size);

/* Like shortage_begin(), in the next `workers` workers that start. */
void shortage_begin_next(int workers, int first, int last);

/* Ends the failures. Returns the number of failed allocations. */
int shortage_end(void);

#define SHORTAGE_ALL 1000000000 /* for `last` */

/* An operation on a mount. */
struct shortage_operation {
	const char *name;
	void (*prepare)(void); /* or NULL */
	int (*run)(void);      /* 0, or -errno; -EBADMSG for a wrong result */
	bool (*done)(void);    /* whether it has been done, according to the store; or NULL */
	int found_done;        /* errno of a repetition if the call failed after it was done; 0 = never */
	const char *needs;     /* a feature of the kernel, see kernel_has(); NULL = none */
};

/*
 * Runs each operation with its first allocation failing, then its second, and so on until there are no more;
 * then with all failing. Uses a new worker each time, since some memory is allocated once and kept. The
 * operation succeeds or fails with ENOMEM, is done completely or not at all, and succeeds when it is
 * repeated; the worker continues, and nothing is lost.
 */
void shortage_walk(const struct mount *mount, const struct shortage_operation *operations,
		   size_t n_operations);

#endif
