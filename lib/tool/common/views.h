/* SPDX-License-Identifier: MIT */
/*
 * Which processes map which parts of a segment, from /proc of those that the caller may inspect. Belongs to
 * one thread.
 */
#ifndef SEGFS_TOOL_VIEWS_H
#define SEGFS_TOOL_VIEWS_H

#include "lib/base/procfs.h"
#include "lib/tool/common/survey.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A mapping. */
struct view {
	pid_t process;
	char command[PROCFS_COMMAND_MAX]; /* "?" if it has ended */
	char access[5];                   /* "r", "rw", "rx", "rwx"; with "c" for a private copy */
	uint64_t address;                 /* in the process */
	uint64_t offset, length;          /* of the segment, bytes */
	int64_t resident;                 /* bytes that its page table has; -1 = unknown */
	int64_t dirty, huge, swap;        /* bytes, of smaps; -1 = unknown */
};

struct view_list {
	struct view *views; /* by process, then by offset */
	size_t n, max;
	size_t hidden;    /* processes that the caller may not inspect */
	bool has_unknown; /* a process did not answer */
};

/*
 * Finds the mappings of a segment. fd: of it; source: of it; name: below the mount. list: released by
 * views_free(), also after a failure. Returns 0; a negative errno.
 */
int views_find(int fd, enum subject_source source, const char *name, struct view_list *list);
void views_free(struct view_list *list);

/*
 * Which parts of the segment a view has in its page table. marks: one for each of n parts of `unit` bytes of
 * the segment; set to true. Returns 0; a negative errno.
 */
int views_mark(const struct view *view, uint64_t unit, bool *marks, size_t n);

#endif
