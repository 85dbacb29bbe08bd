// SPDX-License-Identifier: MIT
#include "fs/source/process_maps.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX 20480u /* longest line in bytes: a path in which every byte is escaped as four */

/* Memory of the delegate. */
struct reading {
	pid_t process;
	bool all; /* false: only the mapping that begins at `start` */
	uint64_t start;
	bool wants_access;
	bool accessible;
	struct mapping *found;
	size_t n;
	size_t max;
	size_t length; /* bytes used in `text` */
	bool is_cut;   /* the rest of an overlong line is to be skipped */
	char text[TEXT_MAX];
};

/* Returns 1 to stop. */
static int take_line(struct reading *reading, const char *line, size_t length)
{
	struct process_mapping mapping;
	enum process_kind kind;

	if (!process_parse_mapping(line, length, &mapping) ||
	    (!reading->all && mapping.start < reading->start))
		return 0;
	if (!reading->all && mapping.start > reading->start)
		return 1;
	kind = process_mapping_kind(&mapping);
	if (kind != PROCESS_NONE)
		reading->found[reading->n++] = (struct mapping){
			.start = mapping.start,
			.end = mapping.end,
			.device = mapping.device,
			.inode = mapping.inode,
			.kind = kind,
			.readable = mapping.readable,
			.writable = mapping.writable,
		};
	return !reading->all || reading->n == reading->max;
}

/* Takes all complete lines in `text`; an incomplete one stays. */
static int take_lines(struct reading *reading)
{
	char *line = reading->text;
	char *end = reading->text + reading->length;
	char *newline;
	int result = 0;

	while (result == 0 && (newline = memchr(line, '\n', (size_t)(end - line)))) {
		if (!reading->is_cut)
			result = take_line(reading, line, (size_t)(newline - line));
		reading->is_cut = false;
		line = newline + 1;
	}
	reading->length = (size_t)(end - line);
	memmove(reading->text, line, reading->length);
	if (reading->length == TEXT_MAX) {
		reading->is_cut = true;
		reading->length = 0;
	}
	return result;
}

/* The kernel refuses the open to anyone who may not attach to the process, see ptrace(2). */
static bool may_access_memory(pid_t process)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)process);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * Runs in a delegate. Access is checked at open; the descriptor stays with that address space, even after an
 * execve(2).
 */
static int read_maps(void *context)
{
	struct reading *reading = context;
	char path[32];
	ssize_t n;
	int result = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)reading->process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (result == 0) {
		n = read(fd, reading->text + reading->length, TEXT_MAX - reading->length);
		if (n < 0)
			result = -errno;
		if (n <= 0)
			break;
		reading->length += (size_t)n;
		result = take_lines(reading);
	}
	close(fd);
	if (result >= 0 && reading->wants_access)
		reading->accessible = may_access_memory(reading->process);
	return result < 0 ? result : 0;
}

/* Returns 0; -ENOENT if the process is gone. */
static int run(const struct view *view, const struct task *task, struct reading *reading)
{
	int result;

	if (view->kind == VIEW_NOTHING)
		return -EACCES;
	result = view_run(view, true, read_maps, reading);
	if (result == 0)
		result = task_check(task);
	if (result == -EACCES || result == -EPERM)
		return -EACCES;
	return result < 0 && procfs_means_absent(-result) ? -ENOENT : result;
}

int maps_find(const struct view *view, const struct task *task, uint64_t start, struct mapping *mapping,
	      bool *accessible)
{
	struct mapping found = {0};
	struct reading reading = {
		.process = task->pid,
		.start = start,
		.wants_access = accessible && view->kind == VIEW_USER,
		.accessible = view->kind == VIEW_ALL,
		.found = &found,
		.max = 1,
	};
	int result = run(view, task, &reading);

	if (result == 0 && reading.n == 0)
		result = -ENOENT;
	if (result < 0)
		return result;
	*mapping = found;
	if (accessible)
		*accessible = reading.accessible;
	return 0;
}

#define LIST_BYTES (MAPS_MAX * sizeof(struct mapping)) /* only the pages written to become resident */

ssize_t maps_list(const struct view *view, const struct task *task, struct mapping **mappings)
{
	struct mapping *found = mmap(NULL, LIST_BYTES, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct reading reading = {.process = task->pid, .all = true, .found = found, .max = MAPS_MAX};
	int result;

	if (found == MAP_FAILED)
		return -errno;
	result = run(view, task, &reading);
	if (result < 0) {
		maps_free(found);
		return result;
	}
	*mappings = found;
	return (ssize_t)reading.n;
}

void maps_free(struct mapping *mappings)
{
	munmap(mappings, LIST_BYTES);
}
