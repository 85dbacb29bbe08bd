/* SPDX-License-Identifier: MIT */
/*
 * What reader.so tells a test: calls that the reader has made and that may wait for somebody else. Lies in a file that READER_CALLS names
 * and that both map.
 */
#ifndef SEGFS_TESTS_READER_H
#define SEGFS_TESTS_READER_H

#include <stdatomic.h>

#define READER_CALLS_MAX 32

struct reader_calls {
	atomic_uint looked; /* calls that were looked at, of all threads */
	atomic_uint n;      /* those that the reader must not make; the first are in `calls` */
	char calls[READER_CALLS_MAX][128];
};

#endif
