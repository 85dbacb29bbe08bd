/* SPDX-License-Identifier: MIT */
/*
 * Owners as an idmapped mount has them: the user who asks owns a file under the id that the mount maps to his.
 */
#ifndef SEGFS_FUSE_IDMAPPED_H
#define SEGFS_FUSE_IDMAPPED_H

#include "fs/fuse/fs.h"

/*
 * Whether a user, as a thread of his mount namespace, is the owner of a file whose owner is stored as `owner`: he is if all mounts of this
 * file system that the namespace has, and there is one, map that id to his. No request tells through which of them it came.
 * May take long where there are many mounts; waits for nobody. Linux 6.15; false on kernels before.
 */
bool idmapped_owns(const struct fs *fs, pid_t thread, uid_t user, uid_t owner);

#endif
