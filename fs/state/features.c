// SPDX-License-Identifier: MIT
#include "fs/state/features.h"

static const struct feature_info infos[FEATURES] = {
	[FEATURE_PASSTHROUGH] = {"passthrough", "the kernel moves the bytes of reads, writes and views",
				 "every open is relayed: the daemon moves the bytes"},
	[FEATURE_CLOSE_UNLOCKED] = {"close-unlocked",
				    "close(2) of a file does not wait for a write or truncate of it",
				    "these fail with EAGAIN where a mandatory lock would make them wait"},
	[FEATURE_MMAP_DIRECT_IO] =
		{"mmap-direct-io",
		 "mmap(2) in posix/, sysv/, process/ and of mandatory files, without passthrough",
		 "mmap(2) with MAP_SHARED fails with ENODEV for them"},
	[FEATURE_EXPIRE_ONLY] = {"expire-only", "the kernel remembers that a name does not exist",
				 "each use of such a name asks the daemon"},
	[FEATURE_IDMAPPED] = {"idmapped", "mounts of the file system can be idmapped",
			      "mount_setattr(2) fails with EINVAL"},
	[FEATURE_PRUNE] = {"prune", "near max-nodes the kernel forgets files that nobody uses",
			   "ENFILE until it forgets them by itself"},
	[FEATURE_PIDFS] = {"pidfs", "a process is identified for certain, without waiting for it",
			   "by its start time, which another thread reads"},
	[FEATURE_PIDFD_INFO] = {"pidfd-info", "the user and process of a thread are known at once",
				"another thread reads /proc"},
	[FEATURE_USER_XATTR] = {"tmpfs-user-xattr", "user.* attributes of files in memory",
				"setxattr(2) fails with EOPNOTSUPP for any but user.segfs.*"},
};

const struct feature_info *feature_info(enum feature feature)
{
	return &infos[feature];
}
