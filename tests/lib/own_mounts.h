/* SPDX-License-Identifier: MIT */
/* For a mount namespace of a test's own: it begins with all mounts there are, those of other tests that run at the same time included. */
#ifndef SEGFS_TESTS_OWN_MOUNTS_H
#define SEGFS_TESTS_OWN_MOUNTS_H

#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

/*
 * Detaches the mounts of other tests, each of which waits, when it unmounts a file system, until the last namespace has let go of it.
 * Called in a new namespace from which nothing propagates.
 */
static inline void own_mounts_only(void)
{
	const char *directory = getenv("TMPDIR");
	const char *token = directory ? strrchr(directory, '/') : NULL;
	FILE *mounts = token ? setmntent("/proc/self/mounts", "re") : NULL;
	const struct mntent *entry;

	if (!mounts)
		return;
	while ((entry = getmntent(mounts)))
		if (strstr(entry->mnt_dir, "/segfs_test.") && !strstr(entry->mnt_dir, token))
			umount2(entry->mnt_dir, MNT_DETACH);
	endmntent(mounts);
}

#endif
