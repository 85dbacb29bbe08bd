// SPDX-License-Identifier: MIT
#include "lib/base/mounts.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Decodes in place what the kernel has escaped as three octal digits: blanks and backslashes. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3]) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* Parses "36 35 98:0 /root /mount/point options ... - type source super-options". */
static bool parse_line(char *line, struct mount_entry *entry)
{
	unsigned int major_number;
	unsigned int minor_number;
	char *separator = strstr(line, " - ");
	char *fields = line;
	char *options;
	char *source;
	char *root;
	char *path;
	char *end;

	if (!separator || sscanf(line, "%*u %*u %u:%u", &major_number, &minor_number) != 2)
		return false;
	for (int i = 0; i < 3; i++) {
		fields = strchr(fields, ' ');
		if (!fields)
			return false;
		fields++;
	}
	root = fields;
	end = strchr(root, ' ');
	if (!end)
		return false;
	*end = '\0';
	path = end + 1;
	end = strchr(path, ' ');
	if (!end)
		return false;
	*end = '\0';
	unescape(path);
	separator += 3;
	end = strchr(separator, ' ');
	if (!end)
		return false;
	*end = '\0';
	source = end + 1;
	end = strchr(source, ' ');
	if (!end)
		return false;
	*end = '\0';
	options = end + 1;
	*entry = (struct mount_entry){
		.root = root,
		.path = path,
		.type = separator,
		.source = source,
		.options = options,
		.device = makedev(major_number, minor_number),
	};
	return true;
}

int mounts_walk(int (*visit)(const struct mount_entry *entry, void *context), void *context)
{
	_cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	char text[4 * PATH_MAX];
	size_t filled = 0;
	int result = 0;

	if (fd < 0)
		return -errno;
	while (result == 0) {
		struct mount_entry entry;
		char *end = filled > 0 ? memchr(text, '\n', filled) : NULL;
		ssize_t length;

		if (end) {
			*end++ = '\0';
			if (parse_line(text, &entry))
				result = visit(&entry, context);
			filled -= (size_t)(end - text);
			memmove(text, end, filled);
			continue;
		}
		/* skip an overlong line: its mount point would exceed PATH_MAX */
		if (filled == sizeof(text))
			filled = 0;
		length = read(fd, text + filled, sizeof(text) - filled);
		if (length <= 0)
			return length < 0 ? -errno : 0;
		filled += (size_t)length;
	}
	return result;
}

uid_t mounts_user(const struct mount_entry *entry)
{
	static const char key[] = "user_id=";
	const char *at = entry->options;

	while (at && strncmp(at, key, sizeof(key) - 1) != 0) {
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	return at ? (uid_t)strtoul(at + sizeof(key) - 1, NULL, 10) : (uid_t)-1;
}

struct search {
	const char *path;
	dev_t *device;
	char *type;
	size_t size;
	bool found;
};

static int compare(const struct mount_entry *entry, void *context)
{
	struct search *search = context;

	if (strcmp(entry->path, search->path) == 0) {
		search->found = true;
		*search->device = entry->device;
		snprintf(search->type, search->size, "%s", entry->type);
	}
	return 0;
}

int mounts_find(const char *path, dev_t *device, char *type, size_t size)
{
	struct search search = {.path = path, .device = device, .type = type, .size = size};
	int result = mounts_walk(compare, &search);

	return result < 0 ? result : search.found ? 0 : -ENOENT;
}
