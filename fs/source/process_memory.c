// SPDX-License-Identifier: MIT
#include "fs/source/process_memory.h"
#include "fs/source/huge.h"
#include "fs/source/paths.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_users.h"

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

/* Whether a file is on the file system of memfds and shared anonymous memory, which nobody can mount: 1 or 0; a negative errno. */
static int is_on_memory_device(const struct stat *file)
{
	static _Atomic dev_t known; /* 0 = not yet */
	dev_t device = atomic_load(&known);

	if (device == 0) {
		_cleanup_close_ int fd = memfd_create("segfs", MFD_CLOEXEC);
		struct stat stat;

		if (fd < 0 || fstat(fd, &stat) < 0)
			return -errno;
		device = stat.st_dev;
		atomic_store(&known, device);
	}
	return file->st_dev == device;
}

static void link_path(const struct task *task, enum process_kind kind, uint64_t first, uint64_t second,
		      char path[TASK_PATH_MAX])
{
	if (kind == PROCESS_MEMFD)
		task_path(task, path, "fd/%" PRIu64, first);
	else
		task_path(task, path, "map_files/%" PRIx64 "-%" PRIx64, first, second);
}

/* 1 or 0; a negative errno. */
static int is_on_tmpfs(int fd)
{
	struct statfs found;

	return fstatfs(fd, &found) < 0 ? -errno : found.f_type == TMPFS_MAGIC;
}

/*
 * By the file itself, since a name can be anybody's: whether it is what its kind says, 1 or 0; a negative errno where that can't be said.
 * title: gets what it is called, in `target`.
 */
static int is_of_kind(const struct memory *memory, char *target, size_t size, const char **title, size_t *title_length)
{
	int result = paths_of_descriptor(memory->fd, target, size);
	int is_internal = is_on_memory_device(&memory->stat);
	int is_there; /* where memory of this kind is */
	size_t length;

	*title = target;
	*title_length = 0;
	if (result < 0)
		return procfs_says_none(-result) ? 0 : result;
	if (is_internal < 0)
		return is_internal;
	if (!S_ISREG(memory->stat.st_mode) || memory->stat.st_nlink > 0)
		return 0;
	length = strlen(target);
	switch (memory->key.kind) {
	case PROCESS_MEMFD:
		is_there = is_internal ? 1 : huge_is_on_hugetlbfs(memory->fd);
		return is_there <= 0 ? is_there : process_parse_memfd(target, length, title, title_length);
	case PROCESS_ANONYMOUS:
		if (is_internal)
			return process_is_anonymous(target, length);
		is_there = huge_is_on_hugetlbfs(memory->fd);
		return is_there <= 0 ? is_there : process_is_anonymous_huge(target, length);
	case PROCESS_DELETED:
		is_there = is_internal ? 0 : is_on_tmpfs(memory->fd);
		return is_there <= 0 ? is_there : process_parse_deleted(target, length, title, title_length);
	default:
		return 0;
	}
}

/* Whether a process is there, in the words of this file. */
static int check_task(const struct task *task)
{
	int result = task_check(task);

	return result == -ESRCH ? -ENOENT : result;
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
	size_t title_length = 0;
	const char *title = "";
	int result;

	link_path(task, parsed->kind, parsed->first, parsed->second, path);
	found.fd = openat(task->proc_fd, path, O_PATH | O_CLOEXEC);
	if (found.fd < 0)
		return procfs_lack_or_none(errno);
	result = fstatat(found.fd, "", &found.stat, AT_EMPTY_PATH) < 0
			 ? -errno
			 : is_of_kind(&found, target, sizeof(target), &title, &title_length);
	if (result >= 0)
		result = result == 0 ? -ENOENT : check_task(task);
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

/* What a process has mapped that may be of interest. */
struct search {
	const struct task *task;
	const struct process_name *wanted; /* a mapping whose address is known; or NULL, and all are told to `found` */
	struct memory *memory;             /* gets that one */
	void (*found)(void *context, const struct memory *memory);
	void *context;
	unsigned int n; /* told */
};

/* Returns 1 to end the search. */
static int tell(struct search *search, const struct process_name *parsed)
{
	_cleanup_memory_ struct memory memory = MEMORY_NONE;
	int result;

	if (search->n == MEMORY_LIST_MAX)
		return 1;
	result = identify(search->task, parsed, &memory);
	if (result < 0)
		return result == -ENOENT ? 0 : result;
	search->found(search->context, &memory);
	search->n++;
	return 0;
}

static int visit_mapping(void *context, const char *line, size_t length)
{
	struct process_mapping mapping;
	struct search *search = context;
	struct process_name parsed;
	int result;

	if (!process_parse_mapping(line, length, &mapping))
		return 0;
	parsed = (struct process_name){.kind = process_mapping_kind(&mapping), .first = mapping.start, .second = mapping.end};
	if (!search->wanted)
		return parsed.kind ? tell(search, &parsed) : 0;
	if (mapping.start < search->wanted->first)
		return 0;
	if (mapping.start > search->wanted->first || parsed.kind != search->wanted->kind)
		return -ENOENT;
	result = identify(search->task, &parsed, search->memory);
	return result < 0 ? result : 1;
}

static int walk_mappings(struct search *search)
{
	char path[TASK_PATH_MAX];

	task_path(search->task, path, "maps");
	return procfs_walk_lines(search->task->proc_fd, path, visit_mapping, search);
}

/* A mapping whose address the name tells, but not its end, or not whether it is shared. */
static int find_mapping(const struct task *task, const struct process_name *wanted, struct memory *memory)
{
	struct search search = {.task = task, .wanted = wanted, .memory = memory};
	int result = walk_mappings(&search);

	return result < 0 ? result : result > 0 ? 0 : -ENOENT;
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
	if (result == 0 && wanted.kind == PROCESS_ANONYMOUS) {
		result = is_on_memory_device(&found.stat);
		if (result <= 0)
			memory_close(&found);
		if (result == 0)
			result = find_mapping(task, &wanted, &found);
		else if (result > 0)
			result = 0;
	}
	if (result == 0 && strcmp(found.name, name) != 0) {
		memory_close(&found);
		result = -ENOENT;
	}
	if (result == 0)
		*memory = found;
	return result;
}

/* 1 or 0; a negative errno, of a lack of our own. */
static int is_memfd_link(int dir_fd, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(dir_fd, name, target, sizeof(target));
	const char *title;
	size_t title_length;

	if (length < 0)
		return procfs_says_none(errno) ? 0 : -errno;
	return process_parse_memfd(target, (size_t)length, &title, &title_length);
}

static int list_memfds(struct search *search)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[TASK_PATH_MAX];
	int result = 0;
	int fd;

	task_path(search->task, path, "fd");
	fd = openat(search->task->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return procfs_lack_or_none(errno);
	dir = fdopendir(fd);
	/* which looks at the directory once more: the process may have ended */
	if (!dir) {
		result = procfs_lack_or_none(errno);
		close(fd);
		return result;
	}
	for (errno = 0; result == 0 && (entry = readdir(dir)); errno = 0) {
		struct process_name parsed = {.kind = PROCESS_MEMFD};

		result = entry->d_name[0] == '.' ? 0 : is_memfd_link(dirfd(dir), entry->d_name);
		if (result <= 0)
			continue;
		parsed.first = strtoull(entry->d_name, NULL, 10);
		result = tell(search, &parsed);
	}
	return result == 0 && errno ? procfs_lack_or_none(errno) : result;
}

int memory_list(const struct task *task, void (*found)(void *context, const struct memory *memory), void *context)
{
	struct search search = {.task = task, .found = found, .context = context};
	int result = list_memfds(&search);

	/* what may not be seen, or has no memory, shows none */
	if (result == 0 || result == -ENOENT)
		result = walk_mappings(&search);
	if (result == -ENOENT)
		result = check_task(task);
	return result < 0 ? result : 0;
}

int memory_open(const struct task *task, const struct memory_key *key, struct stat *stat)
{
	_cleanup_close_ int fd = -1;
	char path[TASK_PATH_MAX];
	int result;

	link_path(task, key->kind, key->first, key->second, path);
	fd = openat(task->proc_fd, path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return procfs_lack_or_none(errno);
	if (fstatat(fd, "", stat, AT_EMPTY_PATH) < 0)
		return -errno;
	if (stat->st_dev != key->device || stat->st_ino != key->inode)
		return -ENOENT;
	result = check_task(task);
	return result < 0 ? result : take_fd(&fd);
}

int memory_is_writable(const struct task *task, const struct memory_key *key)
{
	char path[TASK_PATH_MAX];
	struct stat stat;

	link_path(task, key->kind, key->first, key->second, path);
	if (fstatat(task->proc_fd, path, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return procfs_lack_or_none(errno);
	return stat.st_mode & S_IWUSR ? 1 : 0;
}

void memory_close(struct memory *memory)
{
	cleanup_close(&memory->fd);
	memory->fd = -1;
}
