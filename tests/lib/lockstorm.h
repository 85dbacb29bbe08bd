/* SPDX-License-Identifier: MIT */
/*
 * A storm of locks: processes that read and write records of one file through views, under locks of fcntl(2) and flock(2),
 * and fail where somebody is there who must not be, or where a call fails. Some upgrade and downgrade in place.
 */
#ifndef SEGFS_TESTS_LOCKSTORM_H
#define SEGFS_TESTS_LOCKSTORM_H

#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#define STORM_JOBS 8

struct lockstorm {
	char path[PATH_MAX];          /* of the file */
	struct job *jobs[STORM_JOBS]; /* a step is a lock that was had and given up */
};

/*
 * Makes the file and starts all jobs.
 * interrupts: signals come to each of them all the time, and who was interrupted must not have the lock. Returns 0, or -1 with the reason on stderr.
 */
int lockstorm_start(struct lockstorm *storm, const char *path, bool interrupts);

/* Whether each job gets `steps` more locks in time: else one of them has not been woken. */
bool lockstorm_goes_on(const struct lockstorm *storm, unsigned long steps);

/* Ends all jobs, and removes the file. Returns 0, or -1 with the reason on stderr. */
int lockstorm_end(struct lockstorm *storm);

#endif
