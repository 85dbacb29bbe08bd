/* SPDX-License-Identifier: MIT */
/* Locks on segments, and who waits for whom: .segfs/locks. A list belongs to one thread. */
#ifndef SEGFS_TOOL_LOCKS_H
#define SEGFS_TOOL_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct tool;

#define LOCKS_NONE ((size_t)-1)

/* A lock that is held or waited for. */
struct lock_line {
	const char *kind; /* "POSIX", "OFDLCK" (open file description), "FLOCK"; "ACCESS": a read or write
			     that waits */
	bool mandatory, exclusive, waits;
	pid_t process;       /* -1 = unknown: that of an open file description */
	const char *file;    /* device and inode number, which identify the segment */
	uint64_t start, end; /* bytes, the last one included; UINT64_MAX = no end */
	time_t since;        /* 0 = unknown */
	const char *name;    /* relative to the mount; NULL = it has none, or the user may not know it */
};

struct lock_list {
	char *text;              /* of all strings */
	struct lock_line *locks; /* in the order of the file: by segment, held ones first */
	size_t n;
};

/* list: released by locks_free(). Returns a STATUS_*, after a message. */
int locks_read(struct tool *tool, struct lock_list *list);
void locks_free(struct lock_list *list);

/*
 * The lock for which a waiting one waits: the first that is held and excludes it, else the first one that
 * waits longer. Returns its index, or LOCKS_NONE.
 */
size_t locks_blocker(const struct lock_list *list, size_t waiting);

#endif
