/* SPDX-License-Identifier: MIT */
/* Policies that differ from the default: .segfs/policies. A list belongs to one thread at a time. */
#ifndef SEGFS_TOOL_STORED_H
#define SEGFS_TOOL_STORED_H

#include <stddef.h>

struct tool;

struct stored {
	const char *policy; /* "commit=yes,writers=1" */
	const char *name;   /* relative to the mount */
};

struct stored_list {
	char *text;              /* of all strings */
	struct stored *policies; /* sorted by name */
	size_t n;
};

/*
 * Reads the list. It has all segments of the user's own, and for root those of all. list: released by
 * stored_free(). Returns a STATUS_*, after a message.
 */
int stored_read(struct tool *tool, struct stored_list *list);
void stored_free(struct stored_list *list);

/* The policy of a segment; "" = the default. */
const char *stored_find(const struct stored_list *list, const char *name);

#endif
