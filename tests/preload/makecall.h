/* SPDX-License-Identifier: MIT */
/*
 * What a test tells makecall.so: a system call that is to be made once, by the worker, while it makes a directory with the name
 * MAKE_CALL_NAME, or by the supervisor, when it looks which of its children has ended. Lies in a file that MAKE_CALL names and that both map.
 */
#ifndef SEGFS_TESTS_MAKECALL_H
#define SEGFS_TESTS_MAKECALL_H

#include <stdatomic.h>

#define MAKE_CALL_NAME "make-call"

struct make_call {
	atomic_int wanted;  /* 1 = it is to be made by the worker; 0 from the moment when it is */
	atomic_int wanted_above; /* the same, by the supervisor */
	long number;
	long arguments[6];
	atomic_long result; /* what it returned: at least 0, or -errno */
};

#endif
