/* SPDX-License-Identifier: MIT */
/*
 * Names: of segments and directories relative to the mount, absolute paths of the host, and names of
 * instances.
 *
 * Looks at text only, never at a file system. Pure functions; safe in every thread.
 */
#ifndef SEGFS_BASE_NAMES_H
#define SEGFS_BASE_NAMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* What can be wrong with a name. */
enum name_problem {
	NAME_OK,
	NAME_EMPTY,          /* nothing at all */
	NAME_SLASH,          /* an empty component: a '/' at the start or the end, or two in a row */
	NAME_DOT,            /* a component is "." or ".." */
	NAME_CONTROL,        /* a byte below 0x20, or 0x7f */
	NAME_LONG_COMPONENT, /* a component of more than NAME_MAX (255) bytes */
	NAME_LONG,           /* PATH_MAX (4096) bytes or more with the final 0 */
};

/*
 * Checks `length` bytes (they may hold a 0, which is NAME_CONTROL) as the name of a segment or directory
 * relative to the mount, such as "video/ring". Returns NAME_OK or the first problem from the left, NAME_LONG
 * before all others.
 */
enum name_problem name_check(const char *name, size_t length);

/* Returns a static sentence part for a problem: "what is wrong; what would be right". Not for NAME_OK. */
const char *name_problem_text(enum name_problem problem);

/*
 * Brings an absolute path into its one form, in place: one '/' between components, none at the end but in "/"
 * itself, no "." component. ".." is not resolved, since what it means depends on symbolic links. Returns 0;
 * -EINVAL for a path that does not begin with '/', has a ".." component, or a byte below 0x20 or 0x7f;
 * -ENAMETOOLONG for a component of more than NAME_MAX bytes or a path of PATH_MAX bytes or more. The path is
 * unchanged on failure.
 */
int path_normalize(char *path);

/*
 * Makes the instance name of a mount point: the path without its leading '/', '/' written as '-', bytes other
 * than [A-Za-z0-9_.] as %XX: "/mnt/seg" gives "mnt-seg". Repeated and trailing slashes count as none.
 * Different paths give different names. Returns 0; -EINVAL for a path that is not absolute, is "/" or has a
 * component "." or ".."; -ENAMETOOLONG where the name would pass NAME_MAX bytes. `out` is untouched on
 * failure.
 */
int instance_name_from_path(const char *absolute, char out[NAME_MAX + 1]);

/* Whether a text can name an instance: 1 to NAME_MAX bytes of [A-Za-z0-9_.%-], not "." or "..", no leading
 * '-'. */
bool instance_name_valid(const char *name);

#endif
