/* SPDX-License-Identifier: MIT */
/*
 * What a test tells endworker.so: which workers are to end themselves, where, and how. Lies in a file that END_WORKER names
 * and that both map.
 */
#ifndef SEGFS_TESTS_ENDWORKER_H
#define SEGFS_TESTS_ENDWORKER_H

#include <stdatomic.h>

struct end_worker {
	atomic_int started;  /* workers, so far; counted by the workers */
	atomic_int first;    /* number of the first worker that ends itself */
	atomic_int last;     /* number of the last one; lower than `first` = none does */
	atomic_int call;     /* it does so at this of its calls, counted from 1 */
	atomic_int signal;   /* by this signal */
	atomic_int ended;    /* workers that did */
};

#endif
