/* SPDX-License-Identifier: MIT */
/* Unmounting without root. */
#ifndef SEGFS_SETUP_UNMOUNT_H
#define SEGFS_SETUP_UNMOUNT_H

/* Unmounts a FUSE file system lazily with fusermount3, as an ordinary user may. Waits for it. */
void unmount_as_user(const char *path);

#endif
