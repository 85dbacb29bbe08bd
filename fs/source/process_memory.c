// SPDX-License-Identifier: MIT
#include "fs/source/process_memory.h"
#include "fs/source/paths.h"
#include "fs/source/peek.h"
#include "fs/source/process_medium.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Verifies by the file itself, since a name can be forged, that it is of the expected kind: 1 or 0; a
 * negative errno if that cannot be determined. title: receives its name within `target`.
 */
static int is_of_kind(const struct memory *memory, enum medium medium, char *target, size_t size,
		      const char **title, size_t *title_length)
{
	int result = paths_of_descriptor(memory->fd, target, size);
	size_t length;

	*title = target;
	*title_length = 0;
	if (result < 0)
		return procfs_means_absent(-result) ? 0 : result;
	if (!S_ISREG(memory->stat.st_mode) || memory->stat.st_nlink > 0)
		return 0;
	length = strlen(target);
	switch (memory->key.kind) {
	case PROCESS_MEMFD:
		return process_parse_memfd(target, length, title, title_length);
	case PROCESS_ANONYMOUS:
		return medium == MEDIUM_MEMORY ? process_is_anonymous(target, length)
					       : process_is_anonymous_huge(target, length);
	case PROCESS_DELETED:
		return process_parse_deleted(target, length, title, title_length);
	default:
		return 0;
	}
}

/*
 * Gets the attributes of an O_PATH descriptor if its file system is one for that kind of memory, and hence
 * never asks a user's server.
 * media: for PROCESS_DELETED only. Returns an enum medium; -ENOENT for any other file system.
 */
static int stat_opened(struct media *media, const struct task *task, enum process_kind kind, int fd,
		       struct stat *stat)
{
	int result = peek(fd, "", stat, NULL);

	if (result == 0)
		result = kind == PROCESS_DELETED ? medium_tmpfs(media, task, fd, stat->st_dev)
						 : medium_internal(stat->st_dev);
	return result == MEDIUM_OTHER ? -ENOENT : result;
}

/* --- opening --- */

/* Opens a magic link of a process, in a delegate. */
struct link_open {
	int proc_fd;
	char path[TASK_PATH_MAX];
	int fd; /* O_PATH, or -1 */
};

static int open_link(void *context)
{
	struct link_open *link_open = context;

	link_open->fd = openat(link_open->proc_fd, link_open->path, O_PATH | O_CLOEXEC);
	return link_open->fd < 0 ? -errno : 0;
}

/* Returns an O_PATH descriptor. */
static int open_by_delegate(const struct view *view, struct link_open *link_open)
{
	_cleanup_close_ int fd = -1;
	int result;

	link_open->fd = -1;
	if (view->kind == VIEW_NOTHING)
		return -ENOENT;
	result = view_run(view, false, open_link, link_open);
	fd = link_open->fd;
	if (result < 0)
		return result == -ETIMEDOUT ? result : procfs_map_errno(-result);
	return take_fd(&fd);
}

/* Opens the file of a process's descriptor with the viewer's credentials. */
static int open_descriptor(const struct view *view, const struct task *task, uint64_t number)
{
	struct link_open link_open = {.proc_fd = task->proc_fd};

	task_path(task, link_open.path, "fd/%" PRIu64, number);
	return open_by_delegate(view, &link_open);
}

/* The text of /proc/PID/fdinfo/FD: open flags and file. */
struct description {
	char path[TASK_PATH_MAX];
	char text[512];
};

static int read_description(void *context)
{
	struct description *description = context;
	int fd = open(description->path, O_RDONLY | O_CLOEXEC);
	ssize_t length;
	int result;

	if (fd < 0)
		return -errno;
	length = read(fd, description->text, sizeof(description->text) - 1);
	result = length < 0 ? -errno : 0;
	description->text[length < 0 ? 0 : length] = 0;
	close(fd);
	return result;
}

static bool has_number(const char *text, const char *name, unsigned int base, uint64_t *number)
{
	const char *line = strstr(text, name);

	if (line)
		*number = strtoull(line + strlen(name), NULL, (int)base);
	return line;
}

/*
 * Whether a process's descriptor is open for writing and still refers to the file `fd`: the process may have
 * replaced it. Returns 1 or 0.
 */
static int descriptor_writes(const struct view *view, const struct task *task, uint64_t number, int fd)
{
	struct description description;
	struct statx file;
	uint64_t flags;
	uint64_t mount_id;
	uint64_t inode;
	int result;

	snprintf(description.path, sizeof(description.path), "/proc/%d/fdinfo/%" PRIu64, (int)task->pid,
		 number);
	result = view_run(view, true, read_description, &description);
	if (result < 0)
		return procfs_means_absent(-result) ? 0 : result;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &file) < 0)
		return -errno;
	return has_number(description.text, "flags:", 8, &flags) &&
	       has_number(description.text, "mnt_id:", 10, &mount_id) &&
	       has_number(description.text, "ino:", 10, &inode) && inode == file.stx_ino &&
	       mount_id == file.stx_mnt_id && (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH);
}

/*
 * Opens the file of a mapping that the viewer has seen. The kernel reserves map_files to the privileged, so
 * the daemon opens it. Device and inode number prove that it is the file of that line, whatever the process
 * has done since.
 */
static int open_mapped_file(struct media *media, const struct task *task, const struct mapping *mapping,
			    struct stat *stat, int *medium)
{
	static const struct view daemon = {.kind = VIEW_ALL};
	struct link_open link_open = {.proc_fd = task->proc_fd};
	_cleanup_close_ int fd = -1;

	task_path(task, link_open.path, "map_files/%" PRIx64 "-%" PRIx64, mapping->start, mapping->end);
	fd = open_by_delegate(&daemon, &link_open);
	if (fd < 0)
		return fd;
	*medium = stat_opened(media, task, mapping->kind, fd, stat);
	if (*medium < 0)
		return *medium;
	return stat->st_dev != mapping->device || stat->st_ino != mapping->inode ? -ENOENT : take_fd(&fd);
}

/* --- identifying --- */

/* Like task_check(), with -ENOENT for a process that has ended. */
static int check_task(const struct task *task)
{
	int result = task_check(task);

	return result == -ESRCH ? -ENOENT : result;
}

/*
 * Verifies that an opened file is of the expected kind, and sets its name. memory: has the file and the start
 * of the key.
 */
static int identify(const struct task *task, const struct process_name *parsed, int medium,
		    struct memory *memory)
{
	char target[PATH_MAX];
	size_t title_length = 0;
	const char *title = "";
	int result = medium < 0 ? medium
				: is_of_kind(memory, (enum medium)medium, target, sizeof(target), &title,
					     &title_length);

	if (result == 0)
		return -ENOENT;
	if (result > 0)
		result = check_task(task);
	if (result < 0)
		return result;
	memory->key.device = memory->stat.st_dev;
	memory->key.inode = memory->stat.st_ino;
	process_write_name(parsed, title, title_length, memory->name);
	return 0;
}

static int identify_descriptor(const struct view *view, const struct task *task,
			       const struct process_name *parsed, struct memory *memory)
{
	_cleanup_memory_ struct memory found = {.key = {.kind = parsed->kind, .first = parsed->first},
						.fd = -1};
	int result;

	found.fd = open_descriptor(view, task, parsed->first);
	if (found.fd < 0)
		return found.fd;
	result =
		identify(task, parsed, stat_opened(NULL, task, PROCESS_MEMFD, found.fd, &found.stat), &found);
	if (result < 0)
		return result;
	*memory = found;
	found.fd = -1;
	return 0;
}

static int identify_mapping(struct media *media, const struct task *task, const struct mapping *mapping,
			    struct memory *memory)
{
	const uint64_t second = mapping->kind == PROCESS_ANONYMOUS ? mapping->end : 0;
	const struct process_name parsed = {.kind = mapping->kind, .first = mapping->start, .second = second};
	_cleanup_memory_ struct memory found = {
		.key = {.kind = mapping->kind, .first = mapping->start, .second = mapping->end}, .fd = -1};
	int medium;
	int result;

	found.fd = open_mapped_file(media, task, mapping, &found.stat, &medium);
	if (found.fd < 0)
		return found.fd;
	result = identify(task, &parsed, medium, &found);
	if (result < 0)
		return result;
	*memory = found;
	found.fd = -1;
	return 0;
}

/* Memory that the viewer may not see does not exist for him. */
static int absent(int result)
{
	return result == -EACCES ? -ENOENT : result;
}

static int find_mapped(const struct view *view, const struct task *task, const struct process_name *wanted,
		       struct memory *memory)
{
	_cleanup_media_ struct media media = MEDIA_NONE;
	struct mapping mapping;
	int result = absent(maps_find(view, task, wanted->first, &mapping, NULL));

	if (result == 0 && (mapping.kind != wanted->kind ||
			    (wanted->kind == PROCESS_ANONYMOUS && mapping.end != wanted->second)))
		result = -ENOENT;
	return result < 0 ? result : identify_mapping(&media, task, &mapping, memory);
}

int memory_find(const struct view *view, const struct task *task, const char *name, struct memory *memory)
{
	_cleanup_memory_ struct memory found = MEMORY_NONE;
	struct process_name wanted;
	int result;

	if (!process_parse_name(name, &wanted))
		return -ENOENT;
	if (wanted.kind == PROCESS_MEMFD)
		result = identify_descriptor(view, task, &wanted, &found);
	else
		result = find_mapped(view, task, &wanted, &found);
	if (result < 0)
		return result;
	if (strcmp(found.name, name) != 0)
		return -ENOENT;
	*memory = found;
	found.fd = -1;
	return 0;
}

/* --- listing --- */

struct listing {
	const struct view *view;
	const struct task *task;
	void (*found)(void *context, const struct memory *memory);
	void *context;
	unsigned int n; /* files reported */
};

/* Reports a file; skips it if it is gone or not of the expected kind. */
static int report(struct listing *listing, int result, struct memory *memory)
{
	if (result == 0) {
		listing->found(listing->context, memory);
		listing->n++;
	}
	memory_close(memory);
	return result == -ENOENT ? 0 : result;
}

/*
 * Filters the memfds among some descriptors, in a delegate: reading the links needs the viewer's credentials.
 */
struct memfd_filter {
	const struct task *task;
	uint32_t number[256];
	size_t n;
};

static int filter_memfds(void *context)
{
	struct memfd_filter *memfd_filter = context;
	size_t n_kept = 0;

	for (size_t i = 0; i < memfd_filter->n; i++) {
		char path[TASK_PATH_MAX];
		char target[PATH_MAX];
		const char *title;
		size_t title_length;
		ssize_t length;

		snprintf(path, sizeof(path), "%d/fd/%u", (int)memfd_filter->task->pid,
			 memfd_filter->number[i]);
		length = readlinkat(memfd_filter->task->proc_fd, path, target, sizeof(target));
		if (length < 0 && !procfs_means_absent(errno))
			return -errno;
		if (length > 0 && process_parse_memfd(target, (size_t)length, &title, &title_length))
			memfd_filter->number[n_kept++] = memfd_filter->number[i];
	}
	memfd_filter->n = n_kept;
	return 0;
}

static int list_filtered(struct listing *listing, struct memfd_filter *memfd_filter)
{
	int result = view_run(listing->view, false, filter_memfds, memfd_filter);

	for (size_t i = 0; result == 0 && i < memfd_filter->n && listing->n < MEMORY_LIST_MAX; i++) {
		const struct process_name parsed = {.kind = PROCESS_MEMFD, .first = memfd_filter->number[i]};
		struct memory memory = MEMORY_NONE;

		result = report(listing, identify_descriptor(listing->view, listing->task, &parsed, &memory),
				&memory);
	}
	memfd_filter->n = 0;
	return result;
}

static int list_memfds(struct listing *listing)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct memfd_filter memfd_filter = {.task = listing->task};
	const struct dirent *entry;
	char path[TASK_PATH_MAX];
	int result = 0;
	int fd;

	task_path(listing->task, path, "fd");
	fd = openat(listing->task->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return procfs_map_errno(errno);
	dir = fdopendir(fd);
	/* fdopendir(3) accesses the directory again; the process may have ended */
	if (!dir) {
		result = procfs_map_errno(errno);
		close(fd);
		return result;
	}
	for (errno = 0; result == 0 && (entry = readdir(dir)); errno = 0) {
		if (entry->d_name[0] == '.')
			continue;
		memfd_filter.number[memfd_filter.n++] = (uint32_t)strtoul(entry->d_name, NULL, 10);
		if (memfd_filter.n == sizeof(memfd_filter.number) / sizeof(memfd_filter.number[0]))
			result = list_filtered(listing, &memfd_filter);
	}
	if (result == 0 && errno)
		result = procfs_map_errno(errno);
	return result < 0 ? result : list_filtered(listing, &memfd_filter);
}

static int list_mapped(struct listing *listing)
{
	_cleanup_media_ struct media media = MEDIA_NONE;
	struct mapping *mappings;
	ssize_t n = maps_list(listing->view, listing->task, &mappings);
	int result = 0;

	if (n < 0)
		return absent((int)n);
	for (ssize_t i = 0; result == 0 && i < n && listing->n < MEMORY_LIST_MAX; i++) {
		struct memory memory = MEMORY_NONE;

		result = report(listing, identify_mapping(&media, listing->task, &mappings[i], &memory),
				&memory);
	}
	maps_free(mappings);
	return result;
}

int memory_list(const struct view *view, const struct task *task,
		void (*found)(void *context, const struct memory *memory), void *context)
{
	struct listing listing = {.view = view, .task = task, .found = found, .context = context};
	int result = list_memfds(&listing);

	/* a process without visible memfds may still have visible mappings */
	if (result == 0 || result == -ENOENT)
		result = list_mapped(&listing);
	return result == -ENOENT ? check_task(task) : result;
}

/* --- reopening --- */

int memory_open(const struct view *view, const struct task *task, const struct memory_key *key,
		struct memory_use *use)
{
	_cleanup_media_ struct media media = MEDIA_NONE;
	_cleanup_close_ int fd = -1;
	struct memory_use found = {.accessible = true};
	struct mapping mapping = {0};
	int medium;
	int result;

	if (key->kind == PROCESS_MEMFD) {
		fd = open_descriptor(view, task, key->first);
		if (fd < 0)
			return fd;
		medium = stat_opened(NULL, task, PROCESS_MEMFD, fd, &found.stat);
		if (medium < 0)
			return medium;
		result = descriptor_writes(view, task, key->first, fd);
		if (result < 0)
			return result;
		found.writable = result;
	} else {
		result = absent(maps_find(view, task, key->first, &mapping, &found.accessible));
		if (result == 0 && (mapping.kind != key->kind || mapping.end != key->second))
			result = -ENOENT;
		if (result < 0)
			return result;
		fd = open_mapped_file(&media, task, &mapping, &found.stat, &medium);
		if (fd < 0)
			return fd;
		found.is_mapping = true;
		found.readable = mapping.readable;
		found.writable = mapping.writable;
	}
	if (found.stat.st_dev != key->device || found.stat.st_ino != key->inode)
		return -ENOENT;
	result = check_task(task);
	if (result < 0)
		return result;
	*use = found;
	return take_fd(&fd);
}

void memory_close(struct memory *memory)
{
	cleanup_close(&memory->fd);
	memory->fd = -1;
}
