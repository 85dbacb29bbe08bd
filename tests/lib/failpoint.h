/* SPDX-License-Identifier: MIT */
/*
 * Makes a chosen system call of the worker fail: the Nth from now on is not executed and returns an error. A
 * child process follows the worker with ptrace(2) and counts.
 *
 * Calls that cannot fail, or whose failure is meaningless, are not counted: see failpoint.c.
 */
#ifndef SEGFS_TESTS_FAILPOINT_H
#define SEGFS_TESTS_FAILPOINT_H

#include "tests/lib/callkinds.h"
#include "tests/mount/harness.h"

enum failpoint_error {
	FAIL_EIO,
	FAIL_LIKELY, /* the most likely error of this call on a full or busy machine */
};

struct failpoint {
	pid_t worker; /* the worker followed; 0 = the next one */
	pid_t tracer; /* the child process */
	struct failpoint_shared *shared;
};

/* The call that failed. */
struct failed_call {
	const char *name; /* of the system call; NULL = none */
	int error;        /* errno that it returned; 0 for a call that reports failure by its return value */
};

/* Whether this machine supports failing calls. */
bool failpoint_can(void);

/*
 * Makes the worker's system call number `n`, counted from 1, fail.
 * Returns once the worker is followed: 0, or -errno (EPERM, ENOSYS: no ptrace(2) here).
 */
int failpoint_set(struct failpoint *point, const struct mount *mount, unsigned int n,
		  enum failpoint_error error);

/* Like failpoint_set(), in the next worker that the supervisor starts, from its first instruction. */
int failpoint_set_next(struct failpoint *point, const struct mount *mount, unsigned int n,
		       enum failpoint_error error);

/* Like failpoint_set(), for the first call of an unknown kind, which is known from then on. */
int failpoint_set_kind(struct failpoint *point, const struct mount *mount, struct call_kinds *kinds,
		       enum failpoint_error error);

/* Whether a call has failed. */
bool failpoint_failed(const struct failpoint *point);

/* Detaches from the worker and ends the failpoint. */
void failpoint_end(struct failpoint *point, struct failed_call *failed);

#endif
