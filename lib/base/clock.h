/* SPDX-License-Identifier: MIT */
/* Clocks, in nanoseconds. */
#ifndef SEGFS_BASE_CLOCK_H
#define SEGFS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_REALTIME: nanoseconds since the epoch. */
static inline uint64_t realtime_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CLOCK_REALTIME_COARSE, nanoseconds: the timestamp that the kernel gives a file created now. */
static inline uint64_t file_time_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CLOCK_MONOTONIC_COARSE, nanoseconds; accurate to a few milliseconds; never 0. */
static inline uint64_t monotonic_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CLOCK_BOOTTIME, nanoseconds since boot, suspend included; never 0. */
static inline uint64_t boottime_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
