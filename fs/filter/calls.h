/* SPDX-License-Identifier: MIT */
/*
 * Which system calls a worker may make, and which ones neither it nor the supervisor will ever need. Tables only, for
 * generate.c; they are no part of the program.
 */
#ifndef SEGFS_FILTER_CALLS_H
#define SEGFS_FILTER_CALLS_H

#include <seccomp.h>
#include <stddef.h>

/* What sanitizers do at the end of a process, and when they have found something, is allowed in builds with them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FILTER_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FILTER_SANITIZED
#endif
#endif

/* A rule for some arguments of a call; there may be several for one call, which must not be among the allowed. */
struct filter_rule {
	int call;                     /* number, or libseccomp's pseudo number where this architecture has none */
	uint32_t action;              /* SCMP_ACT_... where the condition is met */
	struct scmp_arg_cmp argument; /* the condition; .op = 0: none */
};

/* What a worker may call with any arguments. */
extern const int filter_allowed[];
extern const size_t filter_n_allowed;

/* What it may call with some, or what is answered with an error that the caller knows how to go on from. */
extern const struct filter_rule filter_limited[];
extern const size_t filter_n_limited;

/* What the supervisor, and all that it starts, may never call. */
extern const int filter_forbidden[];
extern const size_t filter_n_forbidden;

#endif
