/* SPDX-License-Identifier: MIT */
/*
 * Where in a store a file is: from a node to its name. The kernel tells as long as it has the name in memory, which on a tmpfs it
 * always has; on a disk a search finds it.
 */
#ifndef SEGFS_SOURCE_PATHS_H
#define SEGFS_SOURCE_PATHS_H

#include "fs/source/source.h"

/* As source.h has it of `path`. On a medium on disk this may read all of its directories. */
int paths_find(const struct state *state, const struct node_slot *node, char *path, size_t size);

/* What the kernel calls the file of a descriptor, in the daemon's view of all mounts. Returns 0; -ENAMETOOLONG; the errno of readlink(2). */
int paths_of_descriptor(int fd, char *path, size_t size);

/*
 * Where the file of a descriptor is below the directory of another one, as the kernel has it; of a file without a name that is of no
 * use. path: `size` bytes, without a '/' at the start; of no use after a failure. Returns its length; -ENOENT where the file is not
 * below it; -ENAMETOOLONG; the errno of readlink(2).
 */
int paths_below(int root_fd, int fd, char *path, size_t size);

/*
 * Opens a directory by its path below another one, following no link, not even one of /proc; mounts are crossed. Returns a
 * descriptor; the errno of openat2(2).
 */
int paths_open_beneath(int dir_fd, const char *path);

/* Opens a directory by its path below the mount, "" for the root, following no link. Returns a descriptor; the errno of openat2(2). */
int paths_open_directory(const struct state *state, const char *path);

/*
 * Calls `visit` for each regular file of all stores with a descriptor of its directory and its name; goes on whatever that returns.
 * Returns 0; -ENOMEM; the errno of opening the root.
 */
int paths_walk(const struct state *state, void (*visit)(int dir_fd, const char *name, void *context), void *context);

#endif
