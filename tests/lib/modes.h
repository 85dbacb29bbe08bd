/* SPDX-License-Identifier: MIT */
/* Runs groups of cases on a mount of their own, once per I/O mode. */
#ifndef SEGFS_TESTS_MODES_H
#define SEGFS_TESTS_MODES_H

#include "tests/mount/harness.h"

/*
 * A name of a mode is direct, mediated or relayed, or usual, which stands for usual_mode(); with "-mand"
 * appended, the mount keeps the locks of its users instead of leaving them to the kernel.
 */

/* The mode of most mounts by root: direct, or relayed where the kernel has no passthrough. */
const char *usual_mode(void);

/* The mount options of a mode; valid for 16 further calls of path_of(). */
const char *mode_options(const char *mode);

/*
 * Runs a group of `n` cases. Where the kernel has no passthrough, it skips those of mode direct or mediated.
 * mode: the group's name and the argument of `start`, which mounts and returns 0 or -1.
 * Returns the number of failed cases.
 */
int run_in_mode(const char *mode, const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		CMFixtureFunction stop);

/* Run a group of `n` cases in all three modes, without or with "-mand". Return the number of failed cases. */
int run_in_each_mode(const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		     CMFixtureFunction stop);
int run_in_each_mode_with_mand(const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
			       CMFixtureFunction stop);

#endif
