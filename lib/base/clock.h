/* SPDX-License-Identifier: MIT */
/*
 * The time, as a number.
 */
#ifndef SEGFS_BASE_CLOCK_H
#define SEGFS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_REALTIME, nanoseconds since the epoch. */
static inline uint64_t realtime_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* CLOCK_BOOTTIME, nanoseconds since the machine was started, sleep included; not 0. */
static inline uint64_t boottime_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
