// SPDX-License-Identifier: MIT
#include "lib/base/cleanup.h"
#include "lib/base/object_format.h"
#include "lib/base/procfs.h"
#include "lib/client/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* -1 = unknown. */
static int64_t attached_of(int fd)
{
	char value[32];
	char *end;
	long long n;

	if (attribute_get(fd, "attached", value, sizeof(value)) <= 0)
		return -1;
	errno = 0;
	n = strtoll(value, &end, 10);
	return errno || *end || n < 0 ? -1 : n;
}

/* The kind of object that a file outside of segfs says that it is, as far as it may be read; else 0. */
static uint32_t kind_of_content(int fd, uint64_t size)
{
	_cleanup_close_ int file = -1;
	struct object_header header;
	char path[PROCFS_FD_MAX];

	procfs_fd_path(path, fd);
	file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file < 0 || pread(file, &header, sizeof(header), 0) != sizeof(header))
		return 0;
	return object_kind_name(&header, size) ? header.kind : 0;
}

enum segfs_kind segment_kind_of(int fd, bool on_segfs, uint64_t size)
{
	char value[32];
	uint32_t kind = 0;

	if (!on_segfs && size > 0 && size % page_size() == 0)
		kind = kind_of_content(fd, size);
	else if (on_segfs && attribute_get(fd, "object", value, sizeof(value)) > 0)
		kind = object_kind_find(value);
	return kind ? (enum segfs_kind)kind : SEGFS_SEGMENT;
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
		.kind = SEGFS_DIRECTORY,
		.mode = found.st_mode & 07777,
		.uid = found.st_uid,
		.gid = found.st_gid,
		.attached = -1,
	};
	if (S_ISREG(found.st_mode)) {
		entry->size = (uint64_t)found.st_size;
		entry->attached = attached_of(fd);
		entry->kind = segment_kind_of(fd, entry->attached >= 0, entry->size);
	}
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
