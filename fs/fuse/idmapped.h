/* SPDX-License-Identifier: MIT */
/*
 * File owners on idmapped mounts: a user owns the files whose stored owner the mount maps to that user.
 */
#ifndef SEGFS_FUSE_IDMAPPED_H
#define SEGFS_FUSE_IDMAPPED_H

#include "fs/fuse/fs.h"

/*
 * Whether `user` owns a file whose stored owner is `owner`: all mounts of this file system in the mount
 * namespace of `thread`, at least one, map `owner` to `user`. All of them, since a request does not tell
 * through which mount it came. May take long if there are many mounts; waits for no process. Needs
 * Linux 6.15; false on older kernels.
 */
bool idmapped_owns(const struct fs *fs, pid_t thread, uid_t user, uid_t owner);

#endif
