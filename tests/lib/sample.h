/* SPDX-License-Identifier: MIT */
/*
 * Selects the points of an operation to try, since all of them take minutes. `make check` tries every eighth,
 * others each day; with SEGFS_POINTS=all, as in `make check-crash`, all of them; with SEGFS_POINTS=N, a
 * multiple of 8, every N-th, as in an emulator.
 */
#ifndef SEGFS_TESTS_SAMPLE_H
#define SEGFS_TESTS_SAMPLE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline unsigned int sample_step(void)
{
	const char *points = getenv("SEGFS_POINTS");
	const int step = points ? atoi(points) : 0;

	return points && strcmp(points, "all") == 0 ? 1 : step > 8 ? (unsigned int)step : 8;
}

/* The first point, counted from 1. */
static inline unsigned int sample_first(void)
{
	return 1 + (unsigned int)(time(NULL) / 86400) % sample_step();
}

/*
 * Whether the n-th operation is disturbed, where the number of points does not depend on sample_step(): every
 * second one, or fewer with SEGFS_POINTS=N, others the next day.
 */
static inline bool sample_takes(unsigned int n)
{
	const unsigned int each = sample_step() / 4;

	return each == 0 || n % each == sample_first() % each;
}

#endif
