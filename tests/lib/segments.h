/* SPDX-License-Identifier: MIT */
/*
 * System V segments of tests, in a private IPC namespace: others' segments are never touched, none outlives
 * the test, and the limits are its own. Also helpers of tests of other sources. For one thread; failures end
 * the case.
 */
#ifndef SEGFS_TESTS_SEGMENTS_H
#define SEGFS_TESTS_SEGMENTS_H

#include "tests/mount/harness.h"

#include <sys/shm.h>

/* To be called first in main(): leaves the machine's IPC namespace, or skips the program. */
void segments_isolate(void);

/* Creates a segment, which must not exist. key: 0 = IPC_PRIVATE; flags: mode and SHM_*. Returns its id. */
int segment_make(uint32_t key, size_t size, int flags);

/* Fills it with a byte, attaching it briefly. */
void segment_fill(int id, size_t size, char byte);

struct shmid_ds segment_stat(int id);
bool segment_exists(int id);

/* The number of segments in the namespace; their resident pages. */
int segments_count(void);
unsigned long segments_pages(void);

/* Teardown: removes all segments. Returns 0. */
int segments_clean(void **unused);

/* Sets a limit: shmmni, shmall or shmmax. */
void segments_limit(const char *name, unsigned long long value);

/* The attributes user.segfs.NAME of all files and sources, policies included; terminated by NULL. */
extern const char *const attribute_names[];

/* The value of user.segfs.NAME, or the name of the errno; valid for 8 further calls. */
const char *attribute(const char *path, const char *name);

/*
 * The names in a directory, sorted, each followed by a blank; without names that begin with a dot. Valid
 * until the next call.
 */
const char *listing(const char *path);

#endif
