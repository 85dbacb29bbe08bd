/* SPDX-License-Identifier: MIT */
/* The segments that the configuration of the mount declares, from .segfs/config. */
#ifndef SEGFS_TOOL_DECLARED_H
#define SEGFS_TOOL_DECLARED_H

#include <stdbool.h>
#include <stddef.h>

struct tool;

struct declared_list {
	char *text; /* of all names */
	const char **names;
	size_t n;
};

/* list: released by declared_free(). Returns a STATUS_*, after a message. */
int declared_read(struct tool *tool, struct declared_list *list);
void declared_free(struct declared_list *list);

bool declared_has(const struct declared_list *list, const char *name);

#endif
