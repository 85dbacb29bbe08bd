// SPDX-License-Identifier: MIT
#include "fs/source/peek.h"
#include "fs/source/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

static struct timespec time_from(const struct statx_timestamp *time)
{
	return (struct timespec){.tv_sec = time->tv_sec, .tv_nsec = time->tv_nsec};
}

int peek(int dir_fd, const char *name, struct stat *stat, int *mount_id)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC | (*name ? 0 : AT_EMPTY_PATH);
	struct statx found;

	if (statx(dir_fd, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, &found) < 0)
		return -errno;
	*stat = (struct stat){
		.st_dev = makedev(found.stx_dev_major, found.stx_dev_minor),
		.st_rdev = makedev(found.stx_rdev_major, found.stx_rdev_minor),
		.st_ino = found.stx_ino,
		.st_mode = found.stx_mode,
		.st_nlink = found.stx_nlink,
		.st_uid = found.stx_uid,
		.st_gid = found.stx_gid,
		.st_size = (off_t)found.stx_size,
		.st_blksize = (blksize_t)found.stx_blksize,
		.st_blocks = (blkcnt_t)found.stx_blocks,
		.st_atim = time_from(&found.stx_atime),
		.st_mtim = time_from(&found.stx_mtime),
		.st_ctim = time_from(&found.stx_ctime),
	};
	if (mount_id)
		*mount_id = (int)found.stx_mnt_id;
	return 0;
}

int peek_in_store(const struct state *state, uint16_t store, int dir_fd, const char *name, struct stat *stat)
{
	if (state->arena->header->stores[store].source != SOURCE_STORE)
		return peek(dir_fd, name, stat, NULL);
	return fstatat(dir_fd, name, stat, AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH)) < 0 ? -errno
												  : 0;
}
