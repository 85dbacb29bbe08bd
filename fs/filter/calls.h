/* SPDX-License-Identifier: MIT */
/*
 * The system calls that a worker may make, and those that supervisor and worker will never need. Tables for
 * generate.c only; not part of the program.
 */
#ifndef SEGFS_FILTER_CALLS_H
#define SEGFS_FILTER_CALLS_H

#include <seccomp.h>
#include <stddef.h>

/* With sanitizers, what they do at exit and for their reports is allowed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTER_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FILTER_SANITIZED
#endif
#endif

/* A rule for one argument of a call. A call may have several rules, but must not be in filter_allowed. */
struct filter_rule {
	int call;        /* number, or libseccomp's pseudo number if the architecture lacks the call */
	uint32_t action; /* SCMP_ACT_... if the condition is met */
	struct scmp_arg_cmp argument; /* the condition; .op = 0: unconditional */
};

/* Calls that a worker may make with any arguments. */
extern const int filter_allowed[];
extern const size_t filter_n_allowed;

/* Calls that a worker may make with some arguments, or that fail with an error that callers handle. */
extern const struct filter_rule filter_limited[];
extern const size_t filter_n_limited;

/* Calls that the supervisor, and everything it starts, may never make. */
extern const int filter_forbidden[];
extern const size_t filter_n_forbidden;

#endif
