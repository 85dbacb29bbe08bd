/* SPDX-License-Identifier: MIT */
/*
 * Attributes of files that may be anybody's, on file systems that may be a user's own (FUSE, and what is stacked on it): stat(2) asks the server of
 * such a file system, and who waits for its answer can't even be killed. What is asked for here the kernel knows, or makes up.
 *
 * Functions may be called by several threads at once, and wait for nobody.
 */
#ifndef SEGFS_SOURCE_PEEK_H
#define SEGFS_SOURCE_PEEK_H

#include "fs/state/state.h"

#include <sys/stat.h>

/*
 * As fstatat(2) with AT_SYMLINK_NOFOLLOW, and AT_EMPTY_PATH for an empty name. Right on file systems that are in memory; of others device
 * and inode number can be relied on, the rest is what the kernel was told last.
 * mount_id: gets that of the file, unless it is NULL. Returns 0; the errno of statx(2).
 */
int peek(int dir_fd, const char *name, struct stat *stat, int *mount_id);

/*
 * Attributes of a name in a directory of a store: by peek() where others can mount something in it, by fstatat(2) where it is segfs's own.
 * store: index of the store_record. Returns 0; a negative errno.
 */
int peek_in_store(const struct state *state, uint16_t store, int dir_fd, const char *name, struct stat *stat);

#endif
