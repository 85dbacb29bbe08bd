/* SPDX-License-Identifier: MIT */
/*
 * What a worker does, seen from outside: strace(1) writes down its system calls, and since a request comes by read(2)
 * from /dev/fuse, its first bytes tell what was asked and which calls belong to it.
 */
#ifndef SEGFS_BENCH_TRACE_H
#define SEGFS_BENCH_TRACE_H

#include <sys/types.h>

#define TRACE_KINDS 48

struct trace_count {
	char name[24];
	unsigned int count;
};

struct trace {
	pid_t strace;
	int fuse_fd;      /* of the worker */
	char prefix[200]; /* of strace's files, one per thread */

	/* results of trace_stop(), each ending with an empty name */
	struct trace_count requests[TRACE_KINDS + 1]; /* kinds of requests */
	struct trace_count calls[TRACE_KINDS + 1];    /* system calls made for them, with their read and writev */
};

/* Returns once every thread of `worker` is watched. directory: for strace's files. */
void trace_start(struct trace *trace, pid_t worker, const char *directory);

/* Ends strace and counts. Requests of kind `ignored`, and the calls made for them, are left out. */
void trace_stop(struct trace *trace, const char *ignored);

#endif
