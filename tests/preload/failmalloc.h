/* SPDX-License-Identifier: MIT */
/*
 * The plan of failmalloc.so: which allocations of a segfs fail with ENOMEM. In a file named by FAIL_MALLOC
 * that the test and the library map.
 *
 * An allocation is a call of malloc(3), calloc(3), realloc(3) and the like, also inside libraries, of mmap(2)
 * and mremap(2) for anonymous memory, of pthread_create(3), and of the library function of clone(2). They are
 * counted, from 1, while `first` is not 0.
 */
#ifndef SEGFS_TESTS_FAILMALLOC_H
#define SEGFS_TESTS_FAILMALLOC_H

#include <stdatomic.h>

enum fail_in {
	FAIL_NOWHERE,
	FAIL_IN_START,  /* in the program and the supervisor that it becomes */
	FAIL_IN_WORKER, /* in the current worker */
	FAIL_IN_NEXT,   /* in workers started from now on, from their first instruction; see `workers` */
};

struct fail_malloc {
	atomic_int in;         /* enum fail_in */
	atomic_int workers;    /* FAIL_IN_NEXT: number of workers left; decremented as they start */
	atomic_int first;      /* first allocation that fails */
	atomic_int last;       /* last allocation that fails */
	atomic_int least_size; /* bytes; smaller allocations are neither counted nor fail */
	atomic_int count;      /* allocations counted */
	atomic_int failed;     /* allocations failed */
};

#endif
