// SPDX-License-Identifier: MIT
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* fd: O_PATH, which is no open that could change its lifetime. -1 = unknown. */
static int64_t attached_of(int fd)
{
	char path[32];
	char value[32];
	char *end;
	ssize_t length;
	long long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = getxattr(path, "user.segfs.attached", value, sizeof(value) - 1);
	if (length <= 0)
		return -1;
	value[length] = '\0';
	errno = 0;
	n = strtoll(value, &end, 10);
	return errno || *end || n < 0 ? -1 : n;
}

/*
 * Fills the entry of a name, all of it from one file. Returns 1; 0 if it is no segment and no directory, or
 * is gone; a negative errno without descriptors or memory.
 */
static int look(int dir_fd, const char *name, struct segfs_entry *entry)
{
	_cleanup_close_ int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat found;

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
	if (fstat(fd, &found) < 0 || (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)))
		return 0;
	*entry = (struct segfs_entry){
		.name = name,
		.kind = S_ISDIR(found.st_mode) ? SEGFS_DIRECTORY : SEGFS_SEGMENT,
		.mode = found.st_mode & 07777,
		.uid = found.st_uid,
		.gid = found.st_gid,
		.size = S_ISREG(found.st_mode) ? (uint64_t)found.st_size : 0,
		.attached = S_ISREG(found.st_mode) ? attached_of(fd) : -1,
	};
	return 1;
}

int segfs_list(const char *directory, int (*visit)(const struct segfs_entry *entry, void *context),
	       void *context)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *found;
	char path[PATH_MAX];
	int result = name_resolve(directory, true, path);

	if (result < 0)
		return result;
	dir = opendir(path);
	if (!dir)
		return -errno;
	for (errno = 0; result == 0 && (found = readdir(dir)); errno = 0) {
		struct segfs_entry entry;

		if (found->d_name[0] == '.')
			continue;
		result = look(dirfd(dir), found->d_name, &entry);
		if (result > 0)
			result = visit(&entry, context);
	}
	return result == 0 && errno ? -errno : result;
}
