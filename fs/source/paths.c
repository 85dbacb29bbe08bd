// SPDX-License-Identifier: MIT
#include "fs/source/paths.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

int paths_of_descriptor(int fd, char *path, size_t size)
{
	char link[PROCFS_FD_MAX];
	ssize_t length;

	procfs_fd_path(link, fd);
	length = readlink(link, path, size);
	if (length < 0)
		return -errno;
	if ((size_t)length == size)
		return -ENAMETOOLONG;
	path[length] = 0;
	return 0;
}

int paths_below(int root_fd, int fd, char *path, size_t size)
{
	char root[PATH_MAX];
	char absolute[PATH_MAX];
	size_t length;
	int result;

	result = paths_of_descriptor(root_fd, root, sizeof(root));
	if (result == 0)
		result = paths_of_descriptor(fd, absolute, sizeof(absolute));
	if (result < 0)
		return result;
	length = strlen(root);
	if (strncmp(absolute, root, length) != 0 || absolute[length] != '/')
		return -ENOENT;
	return snprintf(path, size, "%s", absolute + length + 1) < (int)size ? (int)strlen(path)
									     : -ENAMETOOLONG;
}

int paths_open_beneath(int dir_fd, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH,
	};
	long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int paths_open_directory(const struct state *state, const char *path)
{
	return paths_open_beneath(state->arena->header->stores[0].root_fd, *path ? path : ".");
}

/* Whether a path relative to the mount names this file. */
static bool leads_to(const struct state *state, const char *path, const struct stat *file)
{
	const char *slash = strrchr(path, '/');
	char parent[PATH_MAX];
	_cleanup_close_ int dir_fd = -1;
	struct stat found;

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 0, path);
	dir_fd = paths_open_directory(state, parent);
	return dir_fd >= 0 && fstatat(dir_fd, slash ? slash + 1 : path, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       found.st_ino == file->st_ino && found.st_dev == file->st_dev;
}

/* Uses the kernel's path of the descriptor, if it is right. */
static bool find_by_descriptor(const struct state *state, int fd, const struct stat *file, char *path,
			       size_t size)
{
	return paths_below(state->arena->header->stores[0].root_fd, fd, path, size) >= 0 &&
	       leads_to(state, path, file);
}

/* --- walking --- */

/* A directory being read; `path_length` is the length of its path. */
struct level {
	DIR *dir;
	size_t path_length;
};

struct walk {
	char path[PATH_MAX];
	struct level *levels;
	size_t n_levels;
};

static int push(struct walk *walk, int fd)
{
	struct level *levels;
	DIR *dir;

	if (fd < 0)
		return fd;
	levels = reallocarray(walk->levels, walk->n_levels + 1, sizeof(*levels));
	if (levels)
		walk->levels = levels;
	dir = levels ? fdopendir(fd) : NULL;
	if (!dir) {
		int result = levels ? -errno : -ENOMEM;

		close(fd);
		return result;
	}
	walk->levels[walk->n_levels++] = (struct level){.dir = dir, .path_length = strlen(walk->path)};
	return 0;
}

static void pop(struct walk *walk)
{
	closedir(walk->levels[--walk->n_levels].dir);
}

/* Whether a directory that cannot be opened is skipped: it is gone, or may not be read. */
static bool is_skipped(int error)
{
	return error == EACCES || error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/*
 * Walks depth first, with a descriptor per level. Unreadable directories are skipped. visit() returns true to
 * stop.
 */
static int walk_tree(const struct state *state, struct walk *walk,
		     bool (*visit)(int dir_fd, const char *name, const char *path, void *context),
		     void *context)
{
	int result = push(walk, paths_open_directory(state, ""));
	bool done = false;

	while (result == 0 && !done && walk->n_levels > 0) {
		struct level *level = &walk->levels[walk->n_levels - 1];
		const struct dirent *entry;
		int length;

		errno = 0;
		entry = readdir(level->dir);
		if (!entry) {
			result = -errno;
			pop(walk);
			continue;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		length = snprintf(walk->path + level->path_length, sizeof(walk->path) - level->path_length,
				  "%s%s", level->path_length ? "/" : "", entry->d_name);
		if (length < 0 || (size_t)length >= sizeof(walk->path) - level->path_length)
			continue;
		if (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN)
			done = visit(dirfd(level->dir), entry->d_name, walk->path, context);
		if (!done && (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)) {
			int fd = openat(dirfd(level->dir), entry->d_name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (fd >= 0)
				result = push(walk, fd);
			else if (!is_skipped(errno))
				result = -errno;
		}
	}
	while (walk->n_levels > 0)
		pop(walk);
	free(walk->levels);
	walk->levels = NULL;
	return result;
}

struct visitor {
	void (*visit)(int dir_fd, const char *name, const char *path, void *context);
	void *context;
};

static bool visit_all(int dir_fd, const char *name, const char *path, void *context)
{
	const struct visitor *visitor = context;

	visitor->visit(dir_fd, name, path, visitor->context);
	return false;
}

int paths_walk(const struct state *state,
	       void (*visit)(int dir_fd, const char *name, const char *path, void *context), void *context)
{
	struct walk walk = {.path = ""};
	struct visitor visitor = {visit, context};

	return walk_tree(state, &walk, visit_all, &visitor);
}

static bool visit_until_found(int dir_fd, const char *name, const char *path, void *context)
{
	const struct stat *wanted = context;
	struct stat found;

	(void)path;
	return fstatat(dir_fd, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && found.st_ino == wanted->st_ino &&
	       found.st_dev == wanted->st_dev;
}

int paths_find(const struct state *state, const struct node_slot *node, char *path, size_t size)
{
	_cleanup_close_ int fd = backing_open(state, node, O_PATH);
	struct walk walk = {.path = ""};
	struct stat file;
	int result;

	if (fd < 0)
		return fd;
	if (fstatat(fd, "", &file, AT_EMPTY_PATH) < 0)
		return -errno;
	if (file.st_nlink == 0)
		return -ENOENT;
	if (find_by_descriptor(state, fd, &file, path, size))
		return (int)strlen(path);
	result = walk_tree(state, &walk, visit_until_found, &file);
	if (result < 0)
		return result;
	/* a walk that was stopped leaves the path in place */
	if (!leads_to(state, walk.path, &file))
		return -ENOENT;
	return snprintf(path, size, "%s", walk.path) < (int)size ? (int)strlen(path) : -ENAMETOOLONG;
}
