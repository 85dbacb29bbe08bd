// SPDX-License-Identifier: MIT
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* Without opening the file, which might change its lifetime. -1 = unknown. */
static int64_t attached_of(int dir_fd, const char *name)
{
	char path[64 + NAME_MAX];
	char value[32];
	char *end;
	ssize_t length;
	long long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	length = lgetxattr(path, "user.segfs.attached", value, sizeof(value) - 1);
	if (length <= 0)
		return -1;
	value[length] = '\0';
	errno = 0;
	n = strtoll(value, &end, 10);
	return errno || *end || n < 0 ? -1 : n;
}

/* Whether it is a segment or a directory. */
static bool look(int dir_fd, const char *name, struct segfs_entry *entry)
{
	struct stat found;

	if (fstatat(dir_fd, name, &found, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)))
		return false;
	*entry = (struct segfs_entry){
		.name = name,
		.kind = S_ISDIR(found.st_mode) ? SEGFS_DIRECTORY : SEGFS_SEGMENT,
		.mode = found.st_mode & 07777,
		.uid = found.st_uid,
		.gid = found.st_gid,
		.size = S_ISREG(found.st_mode) ? (uint64_t)found.st_size : 0,
		.attached = S_ISREG(found.st_mode) ? attached_of(dir_fd, name) : -1,
	};
	return true;
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

		if (found->d_name[0] != '.' && look(dirfd(dir), found->d_name, &entry))
			result = visit(&entry, context);
	}
	return result == 0 && errno ? -errno : result;
}
