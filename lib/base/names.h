/* SPDX-License-Identifier: MIT */
/*
 * Names of segments and directories relative to the mount, absolute paths of the host, and instance names.
 *
 * Handles text only, never a file system. Pure functions; thread-safe.
 */
#ifndef SEGFS_BASE_NAMES_H
#define SEGFS_BASE_NAMES_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* What can be wrong with a name. */
enum name_problem {
	NAME_OK,
	NAME_EMPTY,          /* no bytes */
	NAME_SLASH,          /* an empty component: a '/' at the start or the end, or two in a row */
	NAME_DOT,            /* a component is "." or ".." */
	NAME_CONTROL,        /* a byte below 0x20, or 0x7f */
	NAME_LONG_COMPONENT, /* a component of more than NAME_MAX (255) bytes */
	NAME_LONG,           /* PATH_MAX (4096) bytes or more with the final 0 */
};

/*
 * Checks the name of a segment or directory relative to the mount, such as "video/ring". name: `length`
 * bytes; a 0 among them is NAME_CONTROL. Returns NAME_OK or the first problem from the left; NAME_LONG takes
 * precedence.
 */
enum name_problem name_check(const char *name, size_t length);

/* Returns a static text for a problem: "what is wrong; what to write instead". Not for NAME_OK. */
const char *name_problem_text(enum name_problem problem);

/*
 * Normalizes an absolute path in place: single slashes, no trailing slash except in "/", no "." components.
 * ".." is rejected, since its meaning depends on symbolic links. Returns 0;
 * -EINVAL for a path that does not begin with '/', or has a ".." component or a byte below 0x20 or 0x7f;
 * -ENAMETOOLONG for a component over NAME_MAX bytes or a path of PATH_MAX bytes or more. The path is
 * unchanged on failure.
 */
int path_normalize(char *path);

/*
 * Derives the instance name from a mount point: the path without its leading '/', with '/' as '-' and bytes
 * outside [A-Za-z0-9_.] as %XX: "/mnt/seg" gives "mnt-seg". Repeated and trailing slashes are ignored.
 * Different paths give different names. Returns 0; -EINVAL if the path is not absolute, is "/" or has a
 * component "." or ".."; -ENAMETOOLONG if the name exceeds NAME_MAX bytes. `out` is unchanged on failure.
 */
int instance_name_from_path(const char *absolute, char out[NAME_MAX + 1]);

/*
 * Whether a text is a valid instance name: 1 to NAME_MAX bytes of [A-Za-z0-9_.%-], not "." or "..", no
 * leading '-'.
 */
bool instance_name_valid(const char *name);

#endif
