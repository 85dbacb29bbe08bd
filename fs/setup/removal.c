// SPDX-License-Identifier: MIT
#include "fs/setup/removal.h"
#include "fs/source/paths.h"
#include "lib/base/cleanup.h"
#include "lib/base/mounts.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int open_below(int dir_fd, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH | resolve,
	};
	long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* The latest mount below a directory. */
struct last_mount {
	char directory[PATH_MAX];
	char path[PATH_MAX]; /* relative to the directory; "" = none */
};

static int take_later(const struct mount_entry *entry, void *context)
{
	struct last_mount *last = context;
	size_t length = strlen(last->directory);

	if (strncmp(entry->path, last->directory, length) == 0 && entry->path[length] == '/')
		snprintf(last->path, sizeof(last->path), "%s", entry->path + length + 1);
	return 0;
}

int unmount_all(int fd)
{
	for (;;) {
		struct last_mount last = {.path = ""};
		int result = paths_of_descriptor(fd, last.directory, sizeof(last.directory));
		_cleanup_close_ int mount_fd = -1;
		char path[PROCFS_FD_MAX];

		if (result == 0)
			result = mounts_walk(take_later, &last);
		if (result < 0 || !*last.path)
			return result;
		mount_fd = open_below(fd, last.path, O_PATH, 0);
		if (mount_fd < 0)
			return mount_fd;
		procfs_fd_path(path, mount_fd);
		if (umount2(path, MNT_DETACH) < 0)
			return -errno;
	}
}

/* --- files --- */

/* Opens a directory to empty it, adding missing permissions of its owner. */
static int open_to_empty(int parent_fd, const char *name)
{
	_cleanup_close_ int fd = open_below(parent_fd, name, O_PATH, RESOLVE_NO_XDEV);
	char path[PROCFS_FD_MAX];
	struct stat found;

	if (fd < 0)
		return fd;
	procfs_fd_path(path, fd);
	if (fstat(fd, &found) == 0 && (found.st_mode & 0700) != 0700 &&
	    chmod(path, (found.st_mode & 07777) | 0700) < 0)
		return -errno;
	return procfs_fd_open(fd, O_RDONLY | O_DIRECTORY);
}

/* Removes a file or an empty directory. */
static int remove_name(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errno == ENOTDIR ? -EPERM : -errno;
}

/* Moves a subdirectory that is not empty up to the top directory, under a free name. */
static int lift(int dir_fd, const char *name, int top_fd, unsigned int *n)
{
	char free_name[32];
	int fd = open_to_empty(dir_fd, name); /* a directory without write permission cannot be moved */

	if (fd < 0)
		return fd;
	close(fd);
	do
		snprintf(free_name, sizeof(free_name), "removed-%u", (*n)++);
	while (faccessat(top_fd, free_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0);
	return renameat(dir_fd, name, top_fd, free_name) < 0 ? -errno : 0;
}

/* Empties the top directory or one in it; sets `again` if there is more to do. */
static int empty(int fd, int top_fd, unsigned int *n, bool *again)
{
	_cleanup_closedir_ DIR *dir = fdopendir(fd);
	const struct dirent *entry;
	int result = 0;

	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (result == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		result = remove_name(dirfd(dir), entry->d_name);
		if (result != -ENOTEMPTY && result != -EEXIST && result != -EACCES)
			continue;
		if (top_fd >= 0) {
			result = lift(dirfd(dir), entry->d_name, top_fd, n);
		} else {
			int below = open_to_empty(dirfd(dir), entry->d_name);

			result = below < 0 ? below : empty(below, dirfd(dir), n, again);
		}
		*again = true;
	}
	return result;
}

/* Opens at most two levels at a time, however deep the tree is. */
int remove_tree(int parent_fd, const char *name)
{
	unsigned int n = 0;
	bool again = true;
	int result = 0;

	while (result == 0 && again) {
		int fd = open_to_empty(parent_fd, name);

		again = false;
		result = fd < 0 ? fd : empty(fd, -1, &n, &again);
	}
	if (result == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0)
		result = -errno;
	return result;
}
