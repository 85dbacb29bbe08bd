/* SPDX-License-Identifier: MIT */
/*
 * Report of reader.so: calls made by the reader thread that may block on somebody else. In a file named by
 * READER_CALLS that the test and the library map.
 */
#ifndef SEGFS_TESTS_READER_H
#define SEGFS_TESTS_READER_H

#include <stdatomic.h>

#define READER_CALLS_MAX 32

struct reader_calls {
	atomic_uint looked; /* calls examined, of all threads */
	atomic_uint n;      /* forbidden calls of the reader; the first ones are in `calls` */
	char calls[READER_CALLS_MAX][128];
};

#endif
