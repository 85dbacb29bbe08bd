/* SPDX-License-Identifier: MIT */
/*
 * The plan of endworker.so: which workers end themselves, where, and how. In a file named by END_WORKER that
 * the test and the library map.
 */
#ifndef SEGFS_TESTS_ENDWORKER_H
#define SEGFS_TESTS_ENDWORKER_H

#include <stdatomic.h>

struct end_worker {
	atomic_int started; /* number of workers started, counted by the workers */
	atomic_int first;   /* first worker that ends itself */
	atomic_int last;    /* last such worker; lower than `first` = none */
	atomic_int call;    /* the call at which it does, counted from 1 */
	atomic_int signal;  /* the signal by which it does */
	atomic_int ended;   /* workers that have ended themselves */
};

#endif
