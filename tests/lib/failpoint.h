/* SPDX-License-Identifier: MIT */
/*
 * Letting a system call of the worker fail at a point that can be chosen: its Nth from now on does not happen and returns an
 * error. A child process follows the worker with ptrace(2) and counts.
 *
 * Not counted are calls whose failure has no meaning, or does not exist: see failpoint.c.
 */
#ifndef SEGFS_TESTS_FAILPOINT_H
#define SEGFS_TESTS_FAILPOINT_H

#include "tests/lib/callkinds.h"
#include "tests/mount/harness.h"

enum failpoint_error {
	FAIL_EIO,
	FAIL_LIKELY, /* what this call is most likely to fail with on a machine that is full, or busy */
};

struct failpoint {
	pid_t worker;  /* whom it follows; 0 = the next one */
	pid_t tracer;  /* the child that does */
	struct failpoint_shared *shared;
};

/* What has failed. */
struct failed_call {
	const char *name; /* of the system call; NULL = none has failed */
	int error;        /* errno that it returned; 0 for a call that tells of its failure by what it returns */
};

/* Whether calls can be made to fail on this machine. */
bool failpoint_can(void);

/*
 * Lets the worker go on until it makes its system call number `n`, counted from 1, which fails.
 * Returns once the worker is followed: 0, or -errno (EPERM, ENOSYS: ptrace(2) is not to be had here).
 */
int failpoint_set(struct failpoint *point, const struct mount *mount, unsigned int n, enum failpoint_error error);

/* The same in the next worker that the supervisor starts, from its birth on. */
int failpoint_set_next(struct failpoint *point, const struct mount *mount, unsigned int n, enum failpoint_error error);

/* As failpoint_set(): what fails is the first call of a kind that is not known, and its kind is known from then on. */
int failpoint_set_kind(struct failpoint *point, const struct mount *mount, struct call_kinds *kinds, enum failpoint_error error);

/* Whether a call has failed by now. */
bool failpoint_failed(const struct failpoint *point);

/* Ends it, and lets go of the worker. */
void failpoint_end(struct failpoint *point, struct failed_call *failed);

#endif
