// SPDX-License-Identifier: MIT
#include "lib/base/procfs_users.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int procfs_lack_or_none(int error)
{
	return procfs_says_none(error) ? -ENOENT : -error;
}

int procfs_walk_lines(int dir_fd, const char *path, int (*visit)(void *context, const char *line, size_t length), void *context)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int result = 0;
	FILE *file;

	if (fd < 0)
		return procfs_lack_or_none(errno);
	file = fdopen(fd, "r");
	if (!file)
		return -errno;
	take_fd(&fd);
	while (result == 0) {
		errno = 0;
		length = getline(&line, &size, file);
		/* a line that could not be read to its end is none */
		if (length <= 0 || ferror(file))
			break;
		result = visit(context, line, (size_t)length);
	}
	/* a process that has ended says so, which is an end as well */
	if (result == 0 && errno && !procfs_says_none(errno))
		result = -errno;
	free(line);
	fclose(file);
	return result;
}

/* Calls `visit` for each process until it returns less than 0, and returns that; 0 at the end. */
static int walk_processes(int (*visit)(void *context, pid_t process), void *context)
{
	_cleanup_closedir_ DIR *processes = opendir("/proc");
	const struct dirent *entry;
	int result = 0;

	if (!processes)
		return -errno;
	for (errno = 0; result >= 0 && (entry = readdir(processes)); errno = 0)
		if (atoi(entry->d_name) > 0)
			result = visit(context, atoi(entry->d_name));
	return result < 0 ? result : -errno;
}

/* A line of /proc/PID/maps that is about a file. */
static bool parse_mapping(const char *line, struct procfs_file *file, char allowed[5])
{
	unsigned int high;
	unsigned int low;

	if (sscanf(line, "%*x-%*x %4s %*x %x:%x %" SCNu64, allowed, &high, &low, &file->inode) != 4)
		return false;
	file->device = makedev(high, low);
	return true;
}

static int walk_mappings(pid_t process, int (*visit)(void *context, const char *line, size_t length), void *context)
{
	char path[48];
	int result;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)process);
	result = procfs_walk_lines(AT_FDCWD, path, visit, context);
	return result == -ENOENT ? 0 : result;
}

/* --- views --------------------------------------------------------------------------------------------------------- */

struct view_list {
	dev_t device;
	uint64_t inode; /* 0 = any */
	pid_t process;  /* whose mappings are looked at */
	size_t first;   /* of its elements */
	struct procfs_view *views;
	size_t n;
	size_t size;
};

static int add_view(struct view_list *list, const struct procfs_view *view)
{
	for (size_t i = list->first; i < list->n; i++) {
		if (list->views[i].inode == view->inode) {
			list->views[i].writable |= view->writable;
			return 0;
		}
	}
	if (list->n == list->size) {
		size_t size = list->size ? list->size * 2 : 16;
		struct procfs_view *views = reallocarray(list->views, size, sizeof(*views));

		if (!views)
			return -ENOMEM;
		list->views = views;
		list->size = size;
	}
	list->views[list->n++] = *view;
	return 0;
}

static int visit_view(void *context, const char *line, size_t length)
{
	struct view_list *list = context;
	struct procfs_view view = {.process = list->process};
	struct procfs_file file;
	char allowed[5];

	(void)length;
	if (!parse_mapping(line, &file, allowed) || file.device != list->device || (list->inode && file.inode != list->inode))
		return 0;
	view.inode = file.inode;
	view.writable = allowed[1] == 'w' && allowed[3] == 's';
	return add_view(list, &view);
}

static int visit_viewer(void *context, pid_t process)
{
	struct view_list *list = context;

	list->process = process;
	list->first = list->n;
	return walk_mappings(process, visit_view, list);
}

ssize_t procfs_find_views(dev_t device, uint64_t inode, struct procfs_view **views)
{
	struct view_list list = {.device = device, .inode = inode};
	int result = walk_processes(visit_viewer, &list);

	if (result < 0) {
		free(list.views);
		return result;
	}
	*views = list.views;
	return (ssize_t)list.n;
}

/* --- users --------------------------------------------------------------------------------------------------------- */

struct user_list {
	const struct procfs_file *files; /* what they use */
	size_t n_files;
	struct procfs_user *users;
	size_t n;
};

static bool is_wanted(const struct user_list *list, const struct procfs_file *file)
{
	for (size_t i = 0; i < list->n_files; i++)
		if (list->files[i].inode == file->inode && list->files[i].device == file->device)
			return true;
	return false;
}

static int visit_mapped(void *context, const char *line, size_t length)
{
	struct procfs_file file;
	char allowed[5];

	(void)length;
	return parse_mapping(line, &file, allowed) && is_wanted(context, &file);
}

/* Returns 1 or 0, or a negative errno. */
static int has_open(const struct user_list *list, pid_t process)
{
	_cleanup_closedir_ DIR *descriptors = NULL;
	const struct dirent *entry;
	char path[48];
	int result = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)process);
	descriptors = opendir(path);
	if (!descriptors) {
		result = procfs_lack_or_none(errno);
		return result == -ENOENT ? 0 : result;
	}
	for (errno = 0; result == 0 && (entry = readdir(descriptors)); errno = 0) {
		struct stat stat;

		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(descriptors), entry->d_name, &stat, 0) == 0)
			result = is_wanted(list, &(struct procfs_file){stat.st_dev, stat.st_ino});
		else if (errno == ENOMEM)
			return -ENOMEM; /* what else there is says something of that file, which is none of ours */
	}
	return result == 0 && errno && !procfs_says_none(errno) ? -errno : result;
}

static int visit_user(void *context, pid_t process)
{
	struct user_list *list = context;
	int maps = walk_mappings(process, visit_mapped, list);
	int opens = maps < 0 ? maps : has_open(list, process);

	if (opens < 0 || (!maps && !opens))
		return opens;
	if ((list->n & (list->n - 1)) == 0) {
		struct procfs_user *larger = reallocarray(list->users, list->n ? list->n * 2 : 1, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		list->users = larger;
	}
	list->users[list->n++] = (struct procfs_user){.process = process, .maps = maps, .opens = opens};
	return 0;
}

ssize_t procfs_find_users(const struct procfs_file *files, size_t n, struct procfs_user **users)
{
	struct user_list list = {.files = files, .n_files = n};
	int result = walk_processes(visit_user, &list);

	if (result < 0) {
		free(list.users);
		return result;
	}
	*users = list.users;
	return (ssize_t)list.n;
}
