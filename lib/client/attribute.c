// SPDX-License-Identifier: MIT
/* Attributes of segments: the extended attributes user.segfs.* of segfs. */
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

bool attribute_is_known(int fd)
{
	return fgetxattr(fd, PREFIX "source", NULL, 0) > 0;
}

int attribute_set(int fd, const char *name, const char *value)
{
	char full[XATTR_NAME_MAX + 1];
	int result = full_name(name, full);

	if (result < 0 || !value)
		return -EINVAL;
	/* any other file system would store it, and do nothing */
	if (!attribute_is_known(fd))
		return -EOPNOTSUPP;
	return fsetxattr(fd, full, value, strlen(value), 0) < 0 ? -errno : 0;
}

ssize_t segfs_get(const struct segfs_segment *segment, const char *attribute, char *value, size_t size)
{
	char full[XATTR_NAME_MAX + 1];
	ssize_t length = full_name(attribute, full);

	if (length < 0)
		return length;
	if (size == 0)
		return -ERANGE;
	length = fgetxattr(segment->fd, full, value, size - 1);
	if (length < 0)
		return errno == ENODATA && !attribute_is_known(segment->fd) ? -EOPNOTSUPP : -errno;
	/* the kernel asks for the length if there is no room at all */
	if ((size_t)length > size - 1)
		return -ERANGE;
	value[length] = '\0';
	return length;
}

int segfs_set(struct segfs_segment *segment, const char *attribute, const char *value)
{
	return attribute_set(segment->fd, attribute, value);
}
