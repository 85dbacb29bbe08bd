/* SPDX-License-Identifier: MIT */
/*
 * What a test tells failmalloc.so: which allocations of a segfs get ENOMEM. Lies in a file that FAIL_MALLOC names and that
 * both map.
 *
 * An allocation is a call of malloc(3), calloc(3), realloc(3) and their relatives, also inside libraries, of mmap(2) and
 * mremap(2) for anonymous memory, of pthread_create(3), and of clone(2) by its library function. They are counted, from 1, as
 * long as `first` is not 0.
 */
#ifndef SEGFS_TESTS_FAILMALLOC_H
#define SEGFS_TESTS_FAILMALLOC_H

#include <stdatomic.h>

enum fail_in {
	FAIL_NOWHERE,
	FAIL_IN_START,  /* in the program and in the supervisor that it becomes */
	FAIL_IN_WORKER, /* in the worker that is there */
	FAIL_IN_NEXT,   /* in workers that start from now on, from their first instruction; see `workers` */
};

struct fail_malloc {
	atomic_int in;         /* enum fail_in */
	atomic_int workers;    /* FAIL_IN_NEXT: how many more; counted down by those that start */
	atomic_int first;      /* number of the first allocation that fails */
	atomic_int last;       /* number of the last one */
	atomic_int least_size; /* bytes; what asks for less is neither counted nor fails */
	atomic_int count;      /* allocations that were counted */
	atomic_int failed;     /* those that failed */
};

#endif
