/* SPDX-License-Identifier: MIT */
/* Names of segments as arguments of commands that copy them. Pure functions. */
#ifndef SEGFS_TOOL_SELECTION_H
#define SEGFS_TOOL_SELECTION_H

#include <stdbool.h>

/*
 * Whether an argument means a name, which is relative to the mount: it is the name, a directory above it, or
 * a pattern of glob(7) that matches one of these. No wildcard matches process/: the memory of all processes
 * is never meant by "everything".
 */
bool selection_matches(const char *argument, const char *name);

/* Whether an argument has wildcards. */
bool selection_is_pattern(const char *argument);

#endif
