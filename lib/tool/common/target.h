/* SPDX-License-Identifier: MIT */
/* Names on the command line. Functions print a message when they fail, and return a STATUS_*. */
#ifndef SEGFS_TOOL_TARGET_H
#define SEGFS_TOOL_TARGET_H

#include <limits.h>
#include <sys/stat.h>

struct tool;

/*
 * Finds the path of a name as segfs.h describes them. What has that name, if anything, is not looked at.
 * path: receives it.
 */
int target_find(struct tool *tool, const char *name, char path[PATH_MAX]);

/*
 * Takes the segment, object or directory of a name: nothing of it changes, also not its lifetime. A symbolic
 * link is refused, since others may have made it.
 * fd: an O_PATH descriptor, closed by the caller. attr: of it.
 */
int target_open(struct tool *tool, const char *name, int *fd, struct stat *attr);

#endif
