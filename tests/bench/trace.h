/* SPDX-License-Identifier: MIT */
/*
 * Traces a worker with strace(1). A request arrives by read(2) from /dev/fuse, so its first bytes tell its
 * kind and which calls belong to it.
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

	/* results of trace_stop(), each terminated by an empty name */
	struct trace_count requests[TRACE_KINDS + 1]; /* requests by kind */
	struct trace_count calls[TRACE_KINDS + 1];    /* system calls for them, with read and writev */
};

/* Returns once every thread of `worker` is traced. directory: for strace's files. */
void trace_start(struct trace *trace, pid_t worker, const char *directory);

/* Ends strace and counts. Excludes requests of kind `ignored` and their calls. */
void trace_stop(struct trace *trace, const char *ignored);

#endif
