/* SPDX-License-Identifier: MIT */
/*
 * System V segments of tests, in an IPC namespace of the program's own: nobody else's are ever touched, none outlives it, and its
 * limits are its own. Also what tests of foreign sources look at files with. For one thread; failures end the case.
 */
#ifndef SEGFS_TESTS_SEGMENTS_H
#define SEGFS_TESTS_SEGMENTS_H

#include "tests/mount/harness.h"

#include <sys/shm.h>

/* Called first in main(): leaves the machine's namespace, or ends the program as skipped. */
void segments_isolate(void);

/* Makes a segment that must not be there. key: 0 = IPC_PRIVATE; flags: mode and SHM_*. Returns its id. */
int segment_make(uint32_t key, size_t size, int flags);

/* Fills it with a byte, through an attachment that does not stay. */
void segment_fill(int id, size_t size, char byte);

struct shmid_ds segment_stat(int id);
bool segment_exists(int id);

/* Number of segments in the namespace; pages of memory that they have. */
int segments_count(void);
unsigned long segments_pages(void);

/* Removes them all; a teardown. Returns 0. */
int segments_clean(void **unused);

/* Sets a limit: shmmni, shmall or shmmax. */
void segments_limit(const char *name, unsigned long long value);

/* The value of user.segfs.NAME, or the name of the errno; valid until 8 further calls. */
const char *attribute(const char *path, const char *name);

/* Names in a directory in order, each with a space behind it; without those that begin with a dot. Valid until the next call. */
const char *listing(const char *path);

#endif
