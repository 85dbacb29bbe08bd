/* SPDX-License-Identifier: MIT */
/*
 * The plan of faildup.so: which fcntl(F_DUPFD_CLOEXEC) of segfs fails with EMFILE. In a file named by
 * FAIL_DUP that the test and the library map.
 */
#ifndef SEGFS_TESTS_FAILDUP_H
#define SEGFS_TESTS_FAILDUP_H

#include <stdatomic.h>

struct fail_dup {
	atomic_int call;   /* the one that fails, counted from 1; 0 = none, and calls are not counted */
	atomic_int count;  /* calls so far, of all processes */
	atomic_int failed; /* calls failed */
};

#endif
