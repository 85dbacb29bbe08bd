// SPDX-License-Identifier: MIT
#include "lib/base/cleanup.h"
#include "lib/base/mounts.h"
#include "lib/base/object_format.h"
#include "lib/client/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TYPE    "fuse.segfs"
#define DEVICES 64 /* file systems told apart; further ones may be visited more than once */

struct walk {
	void (*visit)(const char *path, void *context);
	void *context;
	dev_t seen[DEVICES];
	size_t n;
};

static bool was_seen(const struct walk *walk, dev_t device)
{
	size_t i = 0;

	while (i < walk->n && walk->seen[i] != device)
		i++;
	return i < walk->n;
}

/*
 * Whether nobody else can be behind a mount. An ordinary user can mount a file system of any name, which
 * answers what he likes, or never.
 */
static bool is_trusted(const struct mount_entry *entry)
{
	const uid_t user = mounts_user(entry);

	return user == 0 || user == geteuid();
}

/* Whether the path leads to this mount: another one may be on top of it. */
static bool is_on_top(const struct mount_entry *entry)
{
	struct stat found;

	return stat(entry->path, &found) == 0 && found.st_dev == entry->device;
}

static int look_at_mount(const struct mount_entry *entry, void *context)
{
	struct walk *walk = context;

	/* a part of a file system may be mounted elsewhere */
	if (strcmp(entry->type, TYPE) != 0 || strcmp(entry->root, "/") != 0 || !is_trusted(entry) ||
	    was_seen(walk, entry->device) || !is_on_top(entry))
		return 0;
	if (walk->n < DEVICES)
		walk->seen[walk->n++] = entry->device;
	walk->visit(entry->path, walk->context);
	return 0;
}

int name_each_mount(void (*visit)(const char *path, void *context), void *context)
{
	struct walk walk = {.visit = visit, .context = context};

	return mounts_walk(look_at_mount, &walk);
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

static int copy_path(char path[PATH_MAX], const char *from)
{
	return snprintf(path, PATH_MAX, "%s", from) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int name_root(char path[PATH_MAX])
{
	const char *given = secure_getenv("SEGFS_MOUNT");
	struct only only = {.path = path};
	int result;

	if (given && *given)
		return copy_path(path, given);
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
	if (*name == '/')
		return copy_path(path, name);
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

/* What strerror(3) would not say of this library's errors. */
static const struct {
	int error;
	char text[72]; /* no pointer, which the loader would have to write */
} sentences[] = {
	{ENODEV, "no segfs is mounted; mount one, or set SEGFS_MOUNT to a directory"},
	{ENOTUNIQ, "segfs is mounted more than once; set SEGFS_MOUNT to one of: "},
	{ERANGE, "the size is not as demanded, or the value is too long"},
	{EBADMSG, "not a synchronization object, or overwritten by a peer"},
	{EPROTOTYPE, "an object of another kind"},
	{EPROTONOSUPPORT, "an object of another version of libsegfs"},
	{EOPNOTSUPP, "not possible on this file system or mount"},
};

/* Says what kind of object has the name, if the caller may see it; else leaves the text as it is. */
static void add_kind(const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	struct stat found;
	uint32_t kind;

	if (name_resolve(name, false, path) < 0)
		return;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &found) < 0 || !S_ISREG(found.st_mode))
		return;
	kind = segment_kind_of(fd, attribute_is_known(fd), (uint64_t)found.st_size);
	if (object_kind_text(kind))
		snprintf(text, size, ": %s %s", object_kind_article(kind), object_kind_text(kind));
}

char *segfs_explain(const char *name, int error, char *text, size_t size)
{
	const int saved = errno;
	char mounts[1024] = "";
	struct list list = {.text = mounts, .size = sizeof(mounts)};
	const int number = error < 0 ? -error : error;
	const char *sentence = NULL;
	char buffer[128], found[32] = "";

	if (size == 0)
		return text;
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]) && !sentence; i++)
		if (sentences[i].error == number)
			sentence = sentences[i].text;
	if (number == ENOTUNIQ)
		name_each_mount(add_mount, &list);
	if (number == EPROTOTYPE)
		add_kind(name, found, sizeof(found));
	snprintf(text, size, "%s: %s%s%s", name ? name : "segment",
		 sentence ? sentence : strerror_r(number, buffer, sizeof(buffer)), mounts, found);
	errno = saved;
	return text;
}
