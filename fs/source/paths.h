/* SPDX-License-Identifier: MIT */
/*
 * Finds the path of a node within a store. The kernel knows it while the dentry is in memory, which on tmpfs
 * is always; on disk the stores are searched.
 */
#ifndef SEGFS_SOURCE_PATHS_H
#define SEGFS_SOURCE_PATHS_H

#include "fs/source/source.h"

/* struct source.path of source.h. On disk this may read all directories of the store. */
int paths_find(const struct state *state, const struct node_slot *node, char *path, size_t size);

/*
 * Gets the kernel's path for a descriptor's file, in the daemon's mount namespace. Returns 0; -ENAMETOOLONG;
 * the negative errno of readlink(2).
 */
int paths_of_descriptor(int fd, char *path, size_t size);

/*
 * Gets the kernel's path of a descriptor's file relative to another descriptor's directory; meaningless for
 * an unlinked file. path: `size` bytes, without a leading '/'; undefined on failure. Returns the length;
 * -ENOENT if the file is not below that directory; -ENAMETOOLONG; the negative errno of readlink(2).
 */
int paths_below(int root_fd, int fd, char *path, size_t size);

/*
 * Opens a directory by its path below another one. Follows no links, not even magic links of /proc; crosses
 * mounts. Returns a descriptor; the negative errno of openat2(2).
 */
int paths_open_beneath(int dir_fd, const char *path);

/*
 * Opens a directory by its path below the mount, "" for the root. Follows no links. Returns a descriptor; the
 * negative errno of openat2(2).
 */
int paths_open_directory(const struct state *state, const char *path);

/*
 * Calls `visit` for each regular file of all stores, with a descriptor of its directory, its name in that,
 * and its path below the mount. Directories that this thread may not read are left out. Returns 0; -ENOMEM;
 * the negative errno of opening the root.
 */
int paths_walk(const struct state *state,
	       void (*visit)(int dir_fd, const char *name, const char *path, void *context), void *context);

#endif
