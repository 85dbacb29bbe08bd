/* SPDX-License-Identifier: MIT */
/*
 * What the tests of mandatory locks share: a mount with a directory m, in which all is made mandatory, a segment in it for each
 * case, and the test's own open of that, through which it locks. For one thread; failures end the case.
 */
#ifndef SEGFS_TESTS_MANDATORY_H
#define SEGFS_TESTS_MANDATORY_H

#include "tests/mount/harness.h"

extern struct mount mandatory_mount;
extern char segment[PATH_MAX]; /* absolute */
extern int owner;              /* -1 = none; a case may close it itself */

/* For run_in_mode(). Return 0, or -1 with the reason on stderr. */
int mandatory_start(const char *mode);
int mandatory_stop(void **unused);

/* Makes the segment, of `size` bytes 'o', and opens it. */
void mandatory_make(size_t size);

/* The teardown of a case: nobody waits any more, and nothing is lost. Returns 0, or -1 with the reason on stderr. */
int mandatory_tear_down(void **unused);

/* What the store has, past all locks. */
void expect_stored(off_t at, off_t size, char byte);
off_t stored_size(void);

#endif
