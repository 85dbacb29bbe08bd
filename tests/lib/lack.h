/* SPDX-License-Identifier: MIT */
/*
 * Lack of memory: allocations of a segfs that fail, by failmalloc.so, which has to be preloaded there; and operations that
 * are walked through with one allocation failing after the other.
 */
#ifndef SEGFS_TESTS_LACK_H
#define SEGFS_TESTS_LACK_H

#include "tests/mount/harness.h"
#include "tests/preload/failmalloc.h"

/*
 * To be called first in main(): makes the memory that is shared with the library. Ends the program as skipped where that
 * library can't be used: with sanitizers, which replace malloc(3), and without root.
 */
void lack_setup(void);

/* From here on the allocations `first` to `last` fail. Those that ask for less than `least_size` bytes are no matter. */
void lack_begin(enum fail_in in, int first, int last, int least_size);

/* The same in the next workers that start, `workers` of them. */
void lack_begin_next(int workers, int first, int last);

/* No more allocation fails. Returns the number of those that did. */
int lack_end(void);

#define LACK_ALL 1000000000 /* for `last` */

/* What a program does on a mount. */
struct lack_operation {
	const char *name;
	void (*prepare)(void); /* or NULL */
	int (*run)(void);      /* 0, or -errno; -EBADMSG for success that is none */
	bool (*done)(void);    /* by the store: that it has been carried out; or NULL */
	int found_done;        /* errno of a repetition where the call has failed after this was done; 0 = does not happen */
};

/*
 * Carries out each operation with its first allocation failing, then its second, and so on until it has no more; then with
 * all of them failing. Each time in a new worker, since some memory is taken once and kept. The operation succeeds or fails
 * with ENOMEM, is done in full or not at all, and succeeds when it is repeated; the worker goes on, and nothing is lost.
 */
void lack_walk(const struct mount *mount, const struct lack_operation *operations, size_t n_operations);

#endif
