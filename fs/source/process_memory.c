// SPDX-License-Identifier: MIT
#include "fs/source/process_memory.h"
#include "fs/source/backing.h"
#include "fs/source/huge.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statfs.h>

/* A lack of our own; all else that /proc says is that there is no such thing, or none that we may see. */
static int lack_or_none(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ? -error : -ENOENT;
}

/* The file system of memfds and shared anonymous memory, which nobody can mount. 0 = it can't be found out now. */
static dev_t memory_device(void)
{
	static _Atomic dev_t known;
	dev_t device = atomic_load(&known);

	if (device == 0) {
		_cleanup_close_ int fd = memfd_create("segfs", MFD_CLOEXEC);
		struct stat stat;

		if (fd >= 0 && fstat(fd, &stat) == 0)
			device = stat.st_dev;
		atomic_store(&known, device);
	}
	return device;
}

static void link_path(const struct task *task, enum process_kind kind, uint64_t first, uint64_t second,
		      char path[TASK_PATH_MAX])
{
	if (kind == PROCESS_MEMFD)
		task_path(task, path, "fd/%" PRIu64, first);
	else
		task_path(task, path, "map_files/%" PRIx64 "-%" PRIx64, first, second);
}

/* Where an O_PATH descriptor leads, at most size bytes. Returns the length. */
static ssize_t target_of(int fd, char *target, size_t size)
{
	char path[PROC_FD_MAX];
	ssize_t length;

	proc_fd_path(path, fd);
	length = readlink(path, target, size);
	return length < 0 ? -errno : length;
}

static bool is_on_tmpfs(int fd)
{
	struct statfs found;

	return fstatfs(fd, &found) == 0 && found.f_type == TMPFS_MAGIC;
}

/* By the file itself, since a name can be anybody's: whether it is what its kind says. title: gets what it is called, in `target`. */
static bool is_of_kind(const struct memory *memory, char *target, size_t size, const char **title, size_t *title_length)
{
	ssize_t length = target_of(memory->fd, target, size);
	bool is_internal = memory->stat.st_dev == memory_device();

	*title = target;
	*title_length = 0;
	if (length < 0 || !S_ISREG(memory->stat.st_mode) || memory->stat.st_nlink > 0)
		return false;
	switch (memory->key.kind) {
	case PROCESS_MEMFD:
		return (is_internal || huge_is_on_hugetlbfs(memory->fd)) &&
		       process_parse_memfd(target, (size_t)length, title, title_length);
	case PROCESS_ANONYMOUS:
		return is_internal ? process_is_anonymous(target, (size_t)length)
				   : huge_is_on_hugetlbfs(memory->fd) && process_is_anonymous_huge(target, (size_t)length);
	case PROCESS_DELETED:
		return !is_internal && is_on_tmpfs(memory->fd) &&
		       process_parse_deleted(target, (size_t)length, title, title_length);
	default:
		return false;
	}
}

/*
 * Opens what a link leads to and makes sure that it is what it is to be. Of anonymous memory on huge pages the caller has to know
 * that it is shared.
 */
static int identify(const struct task *task, const struct process_name *parsed, struct memory *memory)
{
	struct memory found = {.key = {.kind = parsed->kind, .first = parsed->first, .second = parsed->second}, .fd = -1};
	char path[TASK_PATH_MAX];
	char target[PATH_MAX];
	size_t title_length;
	const char *title;
	int result = 0;

	link_path(task, parsed->kind, parsed->first, parsed->second, path);
	found.fd = openat(task->proc_fd, path, O_PATH | O_CLOEXEC);
	if (found.fd < 0)
		return lack_or_none(errno);
	if (fstatat(found.fd, "", &found.stat, AT_EMPTY_PATH) < 0 ||
	    !is_of_kind(&found, target, sizeof(target), &title, &title_length) || !task_is_there(task))
		result = -ENOENT;
	if (result < 0) {
		memory_close(&found);
		return result;
	}
	found.key.device = found.stat.st_dev;
	found.key.inode = found.stat.st_ino;
	process_write_name(parsed, title, title_length, found.name);
	*memory = found;
	return 0;
}

/* The mappings of a process, one after the other. */
struct mappings {
	FILE *file;
	char *line;
	size_t size;
};

static void mappings_close(struct mappings *mappings)
{
	free(mappings->line);
	if (mappings->file)
		fclose(mappings->file);
}

#define _cleanup_mappings_ __attribute__((cleanup(mappings_close)))

static int mappings_open(const struct task *task, struct mappings *mappings)
{
	_cleanup_close_ int fd = -1;
	char path[TASK_PATH_MAX];

	task_path(task, path, "maps");
	fd = openat(task->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return lack_or_none(errno);
	mappings->file = fdopen(fd, "r");
	if (!mappings->file)
		return -ENOMEM;
	take_fd(&fd);
	return 0;
}

/* The next one that is of interest. Returns false at the end. */
static bool mappings_next(struct mappings *mappings, struct process_name *parsed)
{
	ssize_t length;

	while ((length = getline(&mappings->line, &mappings->size, mappings->file)) > 0) {
		struct process_mapping mapping;

		if (!process_parse_mapping(mappings->line, (size_t)length, &mapping))
			continue;
		parsed->kind = process_mapping_kind(&mapping);
		parsed->first = mapping.start;
		parsed->second = mapping.end;
		if (parsed->kind)
			return true;
	}
	return false;
}

/* A mapping whose address the name tells, but not its end, or not whether it is shared. */
static int find_mapping(const struct task *task, const struct process_name *wanted, struct memory *memory)
{
	_cleanup_mappings_ struct mappings mappings = {0};
	int result = mappings_open(task, &mappings);
	struct process_name parsed;

	if (result < 0)
		return result;
	while (mappings_next(&mappings, &parsed) && parsed.first <= wanted->first)
		if (parsed.kind == wanted->kind && parsed.first == wanted->first)
			return identify(task, &parsed, memory);
	return -ENOENT;
}

int memory_find(const struct task *task, const char *name, struct memory *memory)
{
	struct memory found = MEMORY_NONE;
	struct process_name wanted;
	int result;

	if (!process_parse_name(name, &wanted))
		return -ENOENT;
	if (wanted.kind == PROCESS_DELETED)
		result = find_mapping(task, &wanted, &found);
	else
		result = identify(task, &wanted, &found);
	/* huge pages of a private mapping have the same target */
	if (result == 0 && wanted.kind == PROCESS_ANONYMOUS && found.stat.st_dev != memory_device()) {
		memory_close(&found);
		result = find_mapping(task, &wanted, &found);
	}
	if (result == 0 && strcmp(found.name, name) != 0) {
		memory_close(&found);
		result = -ENOENT;
	}
	if (result == 0)
		*memory = found;
	return result;
}

static bool is_memfd_link(int dir_fd, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(dir_fd, name, target, sizeof(target));
	const char *title;
	size_t title_length;

	return length > 0 && process_parse_memfd(target, (size_t)length, &title, &title_length);
}

static int list_memfds(const struct task *task, unsigned int *n, void (*found)(void *context, const struct memory *memory),
		       void *context)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[TASK_PATH_MAX];
	int result = 0;
	int fd;

	task_path(task, path, "fd");
	fd = openat(task->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return lack_or_none(errno);
	dir = fdopendir(fd);
	/* which looks at the directory once more: the process may have ended */
	if (!dir) {
		result = lack_or_none(errno);
		close(fd);
		return result;
	}
	while (result == 0 && *n < MEMORY_LIST_MAX && (entry = readdir(dir))) {
		struct process_name parsed = {.kind = PROCESS_MEMFD};
		_cleanup_memory_ struct memory memory = MEMORY_NONE;

		if (entry->d_name[0] == '.' || !is_memfd_link(dirfd(dir), entry->d_name))
			continue;
		parsed.first = strtoull(entry->d_name, NULL, 10);
		result = identify(task, &parsed, &memory);
		if (result == 0) {
			found(context, &memory);
			++*n;
		} else if (result == -ENOENT) {
			result = 0;
		}
	}
	return result;
}

static int list_mappings(const struct task *task, unsigned int *n,
			 void (*found)(void *context, const struct memory *memory), void *context)
{
	_cleanup_mappings_ struct mappings mappings = {0};
	int result = mappings_open(task, &mappings);
	struct process_name parsed;

	while (result == 0 && *n < MEMORY_LIST_MAX && mappings_next(&mappings, &parsed)) {
		_cleanup_memory_ struct memory memory = MEMORY_NONE;

		result = identify(task, &parsed, &memory);
		if (result == 0) {
			found(context, &memory);
			++*n;
		} else if (result == -ENOENT) {
			result = 0;
		}
	}
	return result;
}

int memory_list(const struct task *task, void (*found)(void *context, const struct memory *memory), void *context)
{
	unsigned int n = 0;
	int result = list_memfds(task, &n, found, context);

	/* what may not be seen, or has no memory, shows none */
	if (result == 0 || result == -ENOENT)
		result = list_mappings(task, &n, found, context);
	if (result == -ENOENT && task_is_there(task))
		result = 0;
	return result;
}

int memory_open(const struct task *task, const struct memory_key *key, struct stat *stat)
{
	_cleanup_close_ int fd = -1;
	char path[TASK_PATH_MAX];

	link_path(task, key->kind, key->first, key->second, path);
	fd = openat(task->proc_fd, path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return lack_or_none(errno);
	if (fstatat(fd, "", stat, AT_EMPTY_PATH) < 0 || stat->st_dev != key->device || stat->st_ino != key->inode ||
	    !task_is_there(task))
		return -ENOENT;
	return take_fd(&fd);
}

int memory_is_writable(const struct task *task, const struct memory_key *key)
{
	char path[TASK_PATH_MAX];
	struct stat stat;

	link_path(task, key->kind, key->first, key->second, path);
	if (fstatat(task->proc_fd, path, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return lack_or_none(errno);
	return stat.st_mode & S_IWUSR ? 1 : 0;
}

void memory_close(struct memory *memory)
{
	cleanup_close(&memory->fd);
	memory->fd = -1;
}
