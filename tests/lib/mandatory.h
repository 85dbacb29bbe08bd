/* SPDX-License-Identifier: MIT */
/*
 * Shared by the tests of mandatory locks: a mount with a directory m, whose files are created mandatory, a
 * segment in it for each case, and an open of it through which the test locks. For one thread; failures end
 * the case.
 */
#ifndef SEGFS_TESTS_MANDATORY_H
#define SEGFS_TESTS_MANDATORY_H

#include "tests/mount/harness.h"

extern struct mount mandatory_mount;
extern char segment[PATH_MAX]; /* absolute */
extern int owner;              /* descriptor of that open; -1 = none; a case may close it */

/* For run_in_mode(). Return 0, or -1 with the reason on stderr. */
int mandatory_start(const char *mode);
int mandatory_stop(void **unused);

/* Creates the segment with `size` bytes 'o', and opens it. */
void mandatory_make(size_t size);

/*
 * Teardown of a case: nobody may wait any more, and nothing may be leaked. Returns 0, or -1 with the reason
 * on stderr.
 */
int mandatory_tear_down(void **unused);

/* For a case in which writes or resizes wait: skips it where the kernel's close(2) would wait for them. */
#define need_waiting_writes()                                                                                \
	do {                                                                                                 \
		if (!mount_has_feature(&mandatory_mount, "close-unlocked"))                                  \
			skip_missing("close-unlocked");                                                      \
	} while (0)

/* The content of the store, bypassing locks. */
void expect_stored(off_t at, off_t size, char byte);
off_t stored_size(void);

#endif
