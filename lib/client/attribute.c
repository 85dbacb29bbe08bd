// SPDX-License-Identifier: MIT
/* Attributes of segments: the extended attributes user.segfs.* of segfs. */
#include "lib/base/procfs.h"
#include "lib/client/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define PREFIX "user.segfs."

static int full_name(const char *name, char full[XATTR_NAME_MAX + 1])
{
	if (!name || !*name || strlen(PREFIX) + strlen(name) > XATTR_NAME_MAX)
		return -EINVAL;
	snprintf(full, XATTR_NAME_MAX + 1, PREFIX "%s", name);
	return 0;
}

/* fgetxattr(2), which descriptors of O_PATH refuse. */
static ssize_t get(int fd, const char *full, char *value, size_t size)
{
	ssize_t length = fgetxattr(fd, full, value, size);

	if (length < 0 && errno == EBADF) {
		char path[PROCFS_FD_MAX];

		procfs_fd_path(path, fd);
		length = getxattr(path, full, value, size);
	}
	return length < 0 ? -errno : length;
}

/* fsetxattr(2), likewise. */
static int set(int fd, const char *full, const char *value)
{
	int result = fsetxattr(fd, full, value, strlen(value), 0);

	if (result < 0 && errno == EBADF) {
		char path[PROCFS_FD_MAX];

		procfs_fd_path(path, fd);
		result = setxattr(path, full, value, strlen(value), 0);
	}
	return result < 0 ? -errno : 0;
}

/* Returns the length of an attribute that each file of segfs has; 0 outside of segfs; a negative errno. */
static ssize_t probe(int fd)
{
	const ssize_t length = get(fd, PREFIX "source", NULL, 0);

	return length == -ENODATA || length == -EOPNOTSUPP ? 0 : length;
}

bool attribute_is_known(int fd)
{
	return probe(fd) > 0;
}

ssize_t attribute_get(int fd, const char *name, char *value, size_t size)
{
	char full[XATTR_NAME_MAX + 1];
	ssize_t length = full_name(name, full);

	if (length < 0)
		return length;
	if (size == 0)
		return -ERANGE;
	length = get(fd, full, value, size - 1);
	if (length < 0)
		return length;
	/* the kernel asks for the length if there is no room at all */
	if ((size_t)length > size - 1)
		return -ERANGE;
	value[length] = '\0';
	return length;
}

int attribute_set(int fd, const char *name, const char *value)
{
	char full[XATTR_NAME_MAX + 1];
	int result = full_name(name, full);
	ssize_t length;

	if (result < 0 || !value)
		return -EINVAL;
	/* any other file system would store it, and do nothing */
	length = probe(fd);
	if (length <= 0)
		return length == 0 ? -EOPNOTSUPP : (int)length;
	return set(fd, full, value);
}

ssize_t segfs_get(const struct segfs_segment *segment, const char *attribute, char *value, size_t size)
{
	const ssize_t length = attribute_get(segment->fd, attribute, value, size);

	return length == -ENODATA && !attribute_is_known(segment->fd) ? -EOPNOTSUPP : length;
}

int segfs_set(struct segfs_segment *segment, const char *attribute, const char *value)
{
	return attribute_set(segment->fd, attribute, value);
}
