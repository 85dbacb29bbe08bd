/* SPDX-License-Identifier: MIT */
/*
 * For a private mount namespace, which starts with all mounts, including those of tests that run at the same
 * time.
 */
#ifndef SEGFS_TESTS_OWN_MOUNTS_H
#define SEGFS_TESTS_OWN_MOUNTS_H

#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

/*
 * Detaches the mounts of other tests, whose unmounts would wait until this namespace has released them. To be
 * called in a new namespace without propagation.
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
