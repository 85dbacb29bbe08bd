/* SPDX-License-Identifier: MIT */
/*
 * Which points of an operation are tried: each of them takes minutes for all operations together. `make check` tries every sixth one,
 * others each day; with SEGFS_POINTS=all, as `make check-crash` has it, all of them are.
 */
#ifndef SEGFS_TESTS_SAMPLE_H
#define SEGFS_TESTS_SAMPLE_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline unsigned int sample_step(void)
{
	const char *points = getenv("SEGFS_POINTS");

	return points && strcmp(points, "all") == 0 ? 1 : 6;
}

/* The first one: points are counted from 1. */
static inline unsigned int sample_first(void)
{
	return 1 + (unsigned int)(time(NULL) / 86400) % sample_step();
}

#endif
