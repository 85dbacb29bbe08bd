/* SPDX-License-Identifier: MIT */
/*
 * A storm of locks: processes that read and write records of a file through views, under locks of fcntl(2)
 * and flock(2), and fail if exclusion is violated or a call fails. Some upgrade and downgrade in place.
 */
#ifndef SEGFS_TESTS_LOCKSTORM_H
#define SEGFS_TESTS_LOCKSTORM_H

#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#define STORM_JOBS 8

struct lockstorm {
	char path[PATH_MAX];          /* of the file */
	struct job *jobs[STORM_JOBS]; /* a step is a lock acquired and released */
};

/*
 * Creates the file and starts all jobs.
 * interrupts: sends signals to them all the time; an interrupted call must not have acquired the lock.
 * Returns 0, or -1 with the reason on stderr.
 */
int lockstorm_start(struct lockstorm *storm, const char *path, bool interrupts);

/* Whether each job acquires `steps` more locks before the deadline; otherwise one was not woken. */
bool lockstorm_goes_on(const struct lockstorm *storm, unsigned long steps);

/* Ends all jobs, and removes the file. Returns 0, or -1 with the reason on stderr. */
int lockstorm_end(struct lockstorm *storm);

#endif
