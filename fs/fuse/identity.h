/* SPDX-License-Identifier: MIT */
/*
 * The requester of a request. On a connection that permits idmapped mounts (FUSE_ALLOW_IDMAP), only requests
 * that make an inode carry user and group, as the mount maps them; all others carry FUSE_INVALID_UIDGID, on
 * mounts that are not idmapped as well. The kernel has checked modes and access control lists by then. If
 * more depends on the user, the credentials of the requesting thread are queried.
 */
#ifndef SEGFS_FUSE_IDENTITY_H
#define SEGFS_FUSE_IDENTITY_H

#include "fs/fuse/request.h"

#define IDENTITY_UNKNOWN UINT32_MAX /* user or group without any file or permission */

/*
 * Whether the kernel tells the credentials of a thread without blocking (PIDFD_GET_INFO, Linux 6.13).
 */
bool identity_can_be_asked(void);

/*
 * Sets the file-system ids in the header of a request that has none, and request->creator, if its operation
 * depends on them. They stay IDENTITY_UNKNOWN and 0 if the requesting thread is not visible in the daemon's
 * pid namespace. The thread waits for the reply, so its number cannot be reused. For the reader; never
 * blocks.
 */
void identity_complete(struct request *request);

/* Closes the pidfds that are cached, when no thread reads requests any more. */
void identity_close(void);

#endif
