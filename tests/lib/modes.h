/* SPDX-License-Identifier: MIT */
/* Runs groups of cases on a mount of their own, once per I/O mode. */
#ifndef SEGFS_TESTS_MODES_H
#define SEGFS_TESTS_MODES_H

#include "tests/mount/harness.h"

/*
 * Runs a group of `n` cases.
 * mode: direct, mediated or relayed; the group's name and the argument of `start`, which mounts and returns 0
 * or -1.
 * Returns the number of failed cases.
 */
int run_in_mode(const char *mode, const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		CMFixtureFunction stop);

/* Runs a group of `n` cases in all three modes. Returns the number of failed cases. */
int run_in_each_mode(const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		     CMFixtureFunction stop);

#endif
