// SPDX-License-Identifier: MIT
#include "tests/lib/operations_facts.h"
#include "lib/base/cleanup.h"
#include "tests/lib/segments.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#define TEXT_MAX 4096

#define CHANGES "idle-since" /* what differs from one time to the next */

static char noted_attributes[TEXT_MAX];
static char noted_names[TEXT_MAX];

int has_value(const char *path, const char *attribute, const char *value)
{
	char found[256];
	ssize_t length = getxattr(path, path_of("user.segfs.%s", attribute), found, sizeof(found));

	if (length < 0)
		return -errno;
	return (size_t)length == strlen(value) && memcmp(found, value, (size_t)length) == 0 ? 0 : -EBADMSG;
}

static int read_attributes(const char *path, char text[TEXT_MAX])
{
	char list[256];
	size_t used = 0;

	if (listxattr(path, list, sizeof(list)) < 0)
		return -errno;
	for (size_t i = 0; attribute_names[i]; i++) {
		char name[64];
		char value[256];
		ssize_t size;

		if (strcmp(attribute_names[i], CHANGES) == 0)
			continue;
		snprintf(name, sizeof(name), "user.segfs.%s", attribute_names[i]);
		size = getxattr(path, name, value, sizeof(value));
		if (size < 0 && errno != ENODATA)
			return -errno;
		if (size >= 0)
			used += (size_t)snprintf(text + used, TEXT_MAX - used, "%s=%.*s\n", name, (int)size,
						 value);
		assert_true(used < TEXT_MAX);
	}
	return 0;
}

void note_attributes(const char *path)
{
	assert_int_equal(read_attributes(path, noted_attributes), 0);
	assert_non_null(strstr(noted_attributes, "user.segfs.source="));
}

int has_noted_attributes(const char *path)
{
	char found[TEXT_MAX] = "";
	int result = read_attributes(path, found);

	if (result < 0)
		return result;
	if (strcmp(found, noted_attributes) == 0)
		return 0;
	scene_report_difference(noted_attributes, found);
	return -EBADMSG;
}

static int read_names(const char *path, char text[TEXT_MAX])
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t used = 0;

	if (!dir)
		return -errno;
	errno = 0;
	while ((entry = readdir(dir))) {
		used += (size_t)snprintf(text + used, TEXT_MAX - used, "%s\n", entry->d_name);
		assert_true(used < TEXT_MAX);
		errno = 0;
	}
	return -errno;
}

void note_names(const char *path)
{
	assert_int_equal(read_names(path, noted_names), 0);
}

int has_noted_names(const char *path)
{
	char found[TEXT_MAX] = "";
	int result = read_names(path, found);

	if (result < 0)
		return result;
	if (strcmp(found, noted_names) == 0)
		return 0;
	scene_report_difference(noted_names, found);
	return -EBADMSG;
}
