/* SPDX-License-Identifier: MIT */
/*
 * What /proc/self/mountinfo says. Reading it touches no file system, so it is safe for dead and hanging mounts; and it takes
 * no memory but the stack's, so that a mount can always be found and taken away.
 */
#ifndef SEGFS_SETUP_MOUNTS_H
#define SEGFS_SETUP_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

/* One mount, while mounts_walk() calls back. */
struct mount_entry {
	const char *path; /* mount point, absolute */
	const char *type; /* file system type */
	const char *source; /* what it was mounted from, as the kernel writes it */
	dev_t device;     /* st_dev of the files in it */
};

/*
 * Calls `visit` for each mount of this mount namespace, in the order in which they were made.
 * A visit that returns something else than 0 ends the walk; that value is returned. Else 0, or a negative errno.
 */
int mounts_walk(int (*visit)(const struct mount_entry *entry, void *context), void *context);

/*
 * Finds the topmost mount on `path`, which must be absolute and free of symbolic links.
 * device, type: filled where there is one; type has room for `size` bytes. Returns 0, -ENOENT, or a negative errno.
 */
int mounts_find(const char *path, dev_t *device, char *type, size_t size);

/* Unmounts a FUSE file system as an ordinary user may: lazily, by fusermount3. Waits for it. */
void unmount_as_user(const char *path);

#endif
