/* SPDX-License-Identifier: MIT */
/* Messages to the user, on standard error: "segctl: COMMAND: NAME: what is wrong; what to do". Thread-safe.
 */
#ifndef SEGFS_TOOL_REPORT_H
#define SEGFS_TOOL_REPORT_H

struct tool;

/*
 * Prints a message. name: of the object, quoted where needed; NULL = none. Returns `status`.
 */
int report(const struct tool *tool, int status, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Prints what a negative errno means, and the remedy. Returns the STATUS_* of it. */
int report_error(const struct tool *tool, const char *name, int error);

/* The STATUS_* of a negative errno. */
int report_status(int error);

#endif
