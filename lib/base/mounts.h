/* SPDX-License-Identifier: MIT */
/*
 * Reads /proc/self/mountinfo. This touches no file system, so it is safe with dead and hanging mounts; and it
 * uses stack memory only, so that a mount can be found and removed even without free memory.
 */
#ifndef SEGFS_BASE_MOUNTS_H
#define SEGFS_BASE_MOUNTS_H

#include <sys/types.h>

/* A mount, valid during the callback. */
struct mount_entry {
	const char *root;    /* what of the file system is mounted, as escaped by the kernel; "/" = all */
	const char *path;    /* mount point, absolute */
	const char *type;    /* file system type */
	const char *source;  /* the source of the mount, as escaped by the kernel */
	const char *options; /* those of the file system, with commas */
	dev_t device;        /* st_dev of its files */
};

/*
 * Calls `visit` for each mount of this mount namespace, in the order of mounting.
 * Stops at the first non-zero result and returns it; else 0, or a negative errno.
 */
int mounts_walk(int (*visit)(const struct mount_entry *entry, void *context), void *context);

/* The user who made a mount of FUSE, of its option user_id; (uid_t)-1 = none is told. */
uid_t mounts_user(const struct mount_entry *entry);

/*
 * Finds the topmost mount on `path`, which must be absolute and free of symbolic links.
 * device, type: set if there is one; type has room for `size` bytes. Returns 0, -ENOENT, or a negative errno.
 */
int mounts_find(const char *path, dev_t *device, char *type, size_t size);

#endif
