/* SPDX-License-Identifier: MIT */
/*
 * Who makes a request. A connection whose mounts may be idmapped (FUSE_ALLOW_IDMAP) carries user and group,
 * mapped as the mount has it, in those requests only that make an inode; in all others there is
 * FUSE_INVALID_UIDGID, on mounts that are not idmapped as well. The kernel has checked modes and access
 * control lists by then. Where more depends on the user, the requesting thread is asked.
 */
#ifndef SEGFS_FUSE_IDENTITY_H
#define SEGFS_FUSE_IDENTITY_H

#include "fs/fuse/request.h"

#define IDENTITY_UNKNOWN UINT32_MAX /* of a user or group: somebody who owns nothing and may do nothing */

/*
 * Whether the kernel tells the credentials of a thread (PIDFD_GET_INFO, Linux 6.13) without anything that may
 * wait.
 */
bool identity_can_be_asked(void);

/*
 * Puts the file-system ids of the requesting thread into the header of a request that has none, where
 * carrying it out depends on them. They stay IDENTITY_UNKNOWN where the thread is not visible in the daemon's
 * pid namespace. The thread waits for the answer, so that its number is no other's. To be called by the
 * reader. Never waits.
 */
void identity_complete(struct request *request);

#endif
