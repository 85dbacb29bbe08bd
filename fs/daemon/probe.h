/* SPDX-License-Identifier: MIT */
/*
 * Finds out what the kernel can do. A child process mounts a FUSE file system of its own, in a mount
 * namespace of its own, so that nobody sees it; serves it for some milliseconds, and is gone.
 */
#ifndef SEGFS_DAEMON_PROBE_H
#define SEGFS_DAEMON_PROBE_H

#include <stdint.h>

/*
 * Sets bits 1 << enum feature of what the kernel has; those that need no mount even on failure. An ordinary
 * user's child needs a user namespace for the mount.
 * Returns 0; -EPERM if a mount, or the namespace for it, is not permitted; -ENOENT, -EACCES of /dev/fuse;
 * -ETIMEDOUT; -EMFILE, -ENOMEM, -EAGAIN.
 */
int probe_features(uint32_t *features);

#endif
