/* SPDX-License-Identifier: MIT */
/*
 * Removing a tree and the mounts in it, by descriptors: no path is too long, and no link is followed.
 */
#ifndef SEGFS_SETUP_REMOVAL_H
#define SEGFS_SETUP_REMOVAL_H

/*
 * Unmounts all that is mounted below the directory `fd`, the latest first. Detached, so that a process that still maps a segment keeps it
 * to its end. Returns 0; the errno of openat2(2), umount2(2).
 */
int unmount_all(int fd);

/*
 * Removes the directory `name` and all that is in it; its directories are made writable where they are not. Stops at mounts.
 * Returns 0; -EBUSY, -EXDEV at a mount; the errno of openat2(2), unlinkat(2).
 */
int remove_tree(int parent_fd, const char *name);

#endif
