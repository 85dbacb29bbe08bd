/* SPDX-License-Identifier: MIT */
/*
 * Reads attributes without asking the file system. A file may be on a user's FUSE mount, or on one stacked on
 * it: stat(2) then waits for the user's server, and cannot even be killed. These functions use what the
 * kernel has cached.
 *
 * Thread-safe; never block.
 */
#ifndef SEGFS_SOURCE_PEEK_H
#define SEGFS_SOURCE_PEEK_H

#include "fs/state/state.h"

#include <sys/stat.h>

/*
 * Like fstatat(2) with AT_SYMLINK_NOFOLLOW, and AT_EMPTY_PATH for an empty name. Exact on memory file
 * systems; on others only device and inode number are reliable, and the rest may be outdated.
 * mount_id: receives the file's mount id, unless NULL. Returns 0; the negative errno of statx(2).
 */
int peek(int dir_fd, const char *name, struct stat *stat, int *mount_id);

/*
 * Gets attributes of a name in a store's directory: by peek() if others can mount file systems there, by
 * fstatat(2) if the store is segfs's own.
 * store: index of the store_record. Returns 0; a negative errno.
 */
int peek_in_store(const struct state *state, uint16_t store, int dir_fd, const char *name, struct stat *stat);

#endif
