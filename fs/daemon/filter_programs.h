/* SPDX-License-Identifier: MIT */
/*
 * What fs/filter/generate.c makes when the program is built.
 */
#ifndef SEGFS_DAEMON_FILTER_PROGRAMS_H
#define SEGFS_DAEMON_FILTER_PROGRAMS_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

struct filter_program {
	struct sock_fprog program; /* for seccomp(2) */
	uint32_t id;               /* tells it from those of other builds; not 0 */
};

extern const struct filter_program filter_for_worker;
extern const struct filter_program filter_for_supervisor;

/* Names of system calls by their numbers; NULL = there is none. */
extern const char *const filter_call_names[];
extern const size_t filter_n_call_names;

#endif
