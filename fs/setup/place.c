// SPDX-License-Identifier: MIT
/* Directories of the store that sections name: looked up first, created last. */
#include "fs/setup/place.h"
#include "fs/setup/adopt.h"
#include "fs/setup/application.h"
#include "fs/source/paths.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int fail_directory(const struct application *application, const struct claim *claim, int result,
			  const char *path)
{
	return apply_fail(application, result, claim->line, "%s '%s': the directory '%s': %s", claim->kind,
			  claim->name, path, strerror(-result));
}

/* Splits off the first component of a path. Returns the rest. */
static const char *split(const char *path, char name[NAME_MAX + 1])
{
	const char *slash = strchrnul(path, '/');

	snprintf(name, NAME_MAX + 1, "%.*s", (int)(slash - path), path);
	return *slash ? slash + 1 : slash;
}

int place_find(const struct application *application, const struct claim *claim, const char *path,
	       struct place *place)
{
	_cleanup_close_ int fd = fcntl(application->root_fd, F_DUPFD_CLOEXEC, 0);
	const char *rest = path;

	if (fd < 0)
		return fail_directory(application, claim, -errno, path);
	while (*rest) {
		char name[NAME_MAX + 1];
		const char *after = split(rest, name);
		char so_far[PATH_MAX];
		int next = paths_open_beneath(fd, name);
		int result;

		if (next == -ENOENT)
			break;
		snprintf(so_far, sizeof(so_far), "%.*s", (int)(rest - path + (int)strlen(name)), path);
		if (next < 0)
			return fail_directory(application, claim, next, so_far);
		close(fd);
		fd = next;
		result = adopt_directory(application, claim, fd, so_far);
		if (result < 0)
			return result;
		rest = after;
	}
	place->path = path;
	place->rest = rest;
	place->fd = take_fd(&fd);
	return 0;
}

void place_close(struct place *place)
{
	cleanup_close(&place->fd);
	place->fd = -1;
}

void place_remove(const struct place *place)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%.*s", (int)place->made, place->rest);
	while (*path) {
		char *slash = strrchr(path, '/');
		_cleanup_close_ int parent = -1;

		if (slash)
			*slash = 0;
		parent = paths_open_beneath(place->fd, slash ? path : ".");
		if (parent < 0 || unlinkat(parent, slash ? slash + 1 : path, AT_REMOVEDIR) < 0)
			return;
		if (!slash)
			return;
	}
}

/* Creates the directory `name`, unless somebody else has just done so, and opens it. */
static int make_one(int dir_fd, const char *name, mode_t mode, bool *is_ours)
{
	if (mkdirat(dir_fd, name, mode) < 0) {
		*is_ours = false;
		if (errno != EEXIST)
			return -errno;
	}
	return paths_open_beneath(dir_fd, name);
}

int place_create(const struct application *application, const struct claim *claim, struct place *place,
		 mode_t mode)
{
	_cleanup_close_ int fd = fcntl(place->fd, F_DUPFD_CLOEXEC, 0);
	const char *rest = place->rest;
	bool is_ours = true;
	int result = 0;

	if (fd < 0)
		return fail_directory(application, claim, -errno, place->path);
	place->made = 0;
	while (result == 0 && *rest) {
		char name[NAME_MAX + 1];
		const char *after = split(rest, name);
		size_t end = (size_t)(rest - place->path) + strlen(name);
		char so_far[PATH_MAX];
		int next = make_one(fd, name, *after ? APPLY_DIRECTORY_MODE : mode, &is_ours);

		snprintf(so_far, sizeof(so_far), "%.*s", (int)end, place->path);
		if (is_ours)
			place->made = end - (size_t)(place->rest - place->path);
		if (next < 0) {
			result = fail_directory(application, claim, next, so_far);
			break;
		}
		close(fd);
		fd = next;
		result = adopt_directory(application, claim, fd, so_far);
		rest = after;
	}
	if (result == 0)
		return take_fd(&fd);
	place_remove(place);
	return result;
}
