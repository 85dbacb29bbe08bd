/* SPDX-License-Identifier: MIT */
/* Who uses segments through the mount: .segfs/attached. A list belongs to one thread. */
#ifndef SEGFS_TOOL_ATTACHED_H
#define SEGFS_TOOL_ATTACHED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct tool;

/* An open, or a process that has a view and no open. */
struct attached {
	pid_t process;
	const char *command; /* "-" = unknown */
	const char *access;  /* "r", "w", "rw"; "-" = unknown */
	const char *mode;    /* of the open: "direct", ...; "view"; "unknown": the process did not answer */
	time_t since;        /* 0 = unknown */
	const char *name;    /* relative to the mount; NULL = it has none, or the user may not know it */
};

struct attached_list {
	char *text; /* of all strings */
	struct attached *users;
	size_t n;
	bool has_unknown; /* a process did not answer */
};

/* Reads the list, sorted by name. list: released by attached_free(). Returns a STATUS_*, after a message. */
int attached_read(struct tool *tool, struct attached_list *list);
void attached_free(struct attached_list *list);

/* The users of a segment: `n` elements of the list from the one that is returned; NULL if there are none. */
const struct attached *attached_find(const struct attached_list *list, const char *name, size_t *n);

#endif
