/* SPDX-License-Identifier: MIT */
/* What one call of segctl works on: the mount, and how to write. Belongs to the main thread. */
#ifndef SEGFS_TOOL_TOOL_H
#define SEGFS_TOOL_TOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tool {
	const char *command;  /* for messages; NULL = none yet */
	bool colour;          /* standard output takes colours */
	bool is_terminal;     /* ... and is a terminal */
	int mount_fd;         /* O_PATH; -1 = not found yet */
	bool is_segfs;        /* of mount_fd; SEGFS_MOUNT may name another directory */
	char mount[PATH_MAX]; /* its path */
	uid_t user;           /* who calls: the effective user */
	bool is_root;         /* he is root, outside of user namespaces */
};

void tool_init(struct tool *tool);
void tool_close(struct tool *tool);

/* Whether the lists of .segfs tell the caller all about segments of this owner. */
static inline bool tool_sees_all_of(const struct tool *tool, uid_t owner)
{
	return tool->is_root || tool->user == owner;
}

/*
 * Finds the mount: that of SEGFS_MOUNT, else the only one. With `any` it may be any directory, otherwise it
 * is one of segfs. Returns a STATUS_*, after a message that says what to do.
 */
int tool_find_mount(struct tool *tool, bool any);

/*
 * Finds the mount of a name, which may be an absolute path on any mount of segfs, and what it is called below
 * that mount.
 * relative: receives a part of `name`, or "" for the mount itself. Returns a STATUS_*, after a message.
 */
int tool_find_name(struct tool *tool, const char *name, bool any, const char **relative);

/*
 * Opens a name relative to the mount as O_PATH, without following symbolic links, so that nobody can lead it
 * elsewhere meanwhile. Returns a descriptor that the caller closes; or a negative errno.
 */
int tool_open(const struct tool *tool, const char *name);

/*
 * Reads a file of .segfs, such as "status".
 * text: malloc'd, with a final 0; the caller frees it. Returns a STATUS_*, after a message.
 */
int tool_read(struct tool *tool, const char *file, char **text, size_t *length);

#endif
