/* SPDX-License-Identifier: MIT */
/*
 * The plan of makecall.so: a system call to be made once, by the worker when it creates a directory named
 * MAKE_CALL_NAME, or by the supervisor when it reaps children. In a file named by MAKE_CALL that the test and
 * the library map.
 */
#ifndef SEGFS_TESTS_MAKECALL_H
#define SEGFS_TESTS_MAKECALL_H

#include <stdatomic.h>

#define MAKE_CALL_NAME "make-call"

struct make_call {
	atomic_int wanted;       /* 1 = to be made by the worker; reset when it is */
	atomic_int wanted_above; /* the same for the supervisor */
	long number;
	long arguments[6];
	atomic_long result; /* its result: at least 0, or -errno */
};

#endif
