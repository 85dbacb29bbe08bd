// SPDX-License-Identifier: MIT
#include "lib/client/internal.h"

#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MOUNT_TABLE "/proc/self/mountinfo"
#define TYPE        "fuse.segfs"

/* Replaces \ooo, as the kernel writes blanks, tabs, newlines and backslashes. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/*
 * Parses a line of the mount table: id, parent, device, root, mount point, options, optional fields, "-",
 * type. Returns whether it is a mount of segfs, with `*point` and `*device` in the line.
 */
static bool is_segfs(char *line, char **point, char **device)
{
	char *rest = NULL;
	char *field = strtok_r(line, " ", &rest);
	char *type;

	for (int i = 0; field && i < 4; i++) {
		field = strtok_r(NULL, " ", &rest);
		if (i == 1)
			*device = field;
		/* a part of the file system, mounted elsewhere */
		if (i == 2 && field && strcmp(field, "/") != 0)
			return false;
	}
	*point = field;
	while (field && strcmp(field, "-") != 0)
		field = strtok_r(NULL, " ", &rest);
	type = field ? strtok_r(NULL, " ", &rest) : NULL;
	return type && *device && *point && strcmp(type, TYPE) == 0;
}

/* Whether the path leads to this mount: another one may be on top of it. */
static bool is_on_top(const char *path, const char *device)
{
	struct stat found;
	char present[32];

	if (stat(path, &found) < 0)
		return false;
	snprintf(present, sizeof(present), "%u:%u", major(found.st_dev), minor(found.st_dev));
	return strcmp(present, device) == 0;
}

#define DEVICES 64 /* file systems told apart; further ones may be visited more than once */

int name_each_mount(void (*visit)(const char *path, void *context), void *context)
{
	char seen[DEVICES][32];
	size_t n = 0;
	char *line = NULL;
	size_t size = 0;
	FILE *table = fopen(MOUNT_TABLE, "re");

	if (!table)
		return -errno;
	while (getline(&line, &size, table) > 0) {
		char *point = NULL;
		char *device = NULL;
		size_t i = 0;

		if (!is_segfs(line, &point, &device))
			continue;
		unescape(point);
		while (i < n && strcmp(seen[i], device) != 0)
			i++;
		if (i < n || !is_on_top(point, device))
			continue;
		if (n < DEVICES)
			snprintf(seen[n++], sizeof(seen[0]), "%s", device);
		visit(point, context);
	}
	free(line);
	fclose(table);
	return 0;
}

struct only {
	char *path;
	unsigned int n;
};

static void take_only(const char *path, void *context)
{
	struct only *only = context;

	if (only->n++ == 0)
		snprintf(only->path, PATH_MAX, "%s", path);
}

int name_root(char path[PATH_MAX])
{
	const char *given = secure_getenv("SEGFS_MOUNT");
	struct only only = {.path = path};
	int result;

	if (given && *given) {
		if (strlen(given) >= PATH_MAX)
			return -ENAMETOOLONG;
		snprintf(path, PATH_MAX, "%s", given);
		return 0;
	}
	result = name_each_mount(take_only, &only);
	if (result < 0)
		return result;
	return only.n == 0 ? -ENODEV : only.n > 1 ? -ENOTUNIQ : 0;
}

static bool goes_up(const char *name)
{
	for (const char *at = name; at; at = strchr(at, '/')) {
		at += strspn(at, "/");
		if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || at[2] == '\0'))
			return true;
	}
	return false;
}

int name_resolve(const char *name, bool may_be_empty, char path[PATH_MAX])
{
	size_t length;
	int result;

	if (!name || (!*name && !may_be_empty))
		return -EINVAL;
	if (*name == '/') {
		if (strlen(name) >= PATH_MAX)
			return -ENAMETOOLONG;
		snprintf(path, PATH_MAX, "%s", name);
		return 0;
	}
	if (goes_up(name))
		return -EINVAL;
	result = name_root(path);
	if (result < 0)
		return result;
	length = strlen(path);
	if (length + 1 + strlen(name) >= PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(path + length, PATH_MAX - length, "/%s", name);
	return 0;
}

/* --- errors --- */

struct list {
	char *text;
	size_t size;
	size_t length;
};

static void add_mount(const char *path, void *context)
{
	struct list *list = context;
	int n;

	if (list->length >= list->size)
		return;
	n = snprintf(list->text + list->length, list->size - list->length, "%s%s", list->length ? ", " : "",
		     path);
	list->length += n > 0 ? (size_t)n : 0;
}

char *segfs_explain(const char *name, int error, char *text, size_t size)
{
	char mounts[1024] = "";
	struct list list = {.text = mounts, .size = sizeof(mounts)};
	const char *subject = name ? name : "segment";

	if (size == 0)
		return text;
	switch (error) {
	case -ENODEV:
		snprintf(text, size, "%s: no segfs is mounted; mount one, or set SEGFS_MOUNT to a directory",
			 subject);
		break;
	case -ENOTUNIQ:
		name_each_mount(add_mount, &list);
		snprintf(text, size, "%s: segfs is mounted more than once; set SEGFS_MOUNT to one of: %s",
			 subject, mounts);
		break;
	case -ERANGE:
		snprintf(text, size, "%s: the size is not as demanded, or the value is too long", subject);
		break;
	case -EBADMSG:
		snprintf(text, size, "%s: not a synchronization object", subject);
		break;
	case -EPROTOTYPE:
		snprintf(text, size, "%s: an object of another kind", subject);
		break;
	case -EPROTONOSUPPORT:
		snprintf(text, size, "%s: an object of another version of libsegfs", subject);
		break;
	case -EOPNOTSUPP:
		snprintf(text, size, "%s: not possible on this file system or mount", subject);
		break;
	default: {
		char buffer[128];

		snprintf(text, size, "%s: %s", subject,
			 strerror_r(error < 0 ? -error : error, buffer, sizeof(buffer)));
	}
	}
	return text;
}
