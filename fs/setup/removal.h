/* SPDX-License-Identifier: MIT */
/* Removes a tree and the mounts in it, by descriptors: no path gets too long, and no link is followed. */
#ifndef SEGFS_SETUP_REMOVAL_H
#define SEGFS_SETUP_REMOVAL_H

/*
 * Unmounts everything mounted below the directory `fd`, latest first, with MNT_DETACH, so that a process that
 * still maps a segment keeps it. Returns 0; the negative errno of openat2(2), umount2(2).
 */
int unmount_all(int fd);

/*
 * Removes the directory `name` with its content; adds missing write permission to directories. Stops at
 * mounts.
 * Returns 0; -EBUSY, -EXDEV at a mount; the negative errno of openat2(2), unlinkat(2).
 */
int remove_tree(int parent_fd, const char *name);

#endif
