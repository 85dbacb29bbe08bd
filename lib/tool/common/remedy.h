/* SPDX-License-Identifier: MIT */
/* Messages of errors that mean something else for each command. Thread-safe. */
#ifndef SEGFS_TOOL_REMEDY_H
#define SEGFS_TOOL_REMEDY_H

struct tool;

/* What an errno means for a command: "what is wrong; what to do". An array of them ends with {0}. */
struct remedy {
	int error;        /* positive */
	const char *text; /* a constant */
};

/* The text for a negative errno; NULL if there is none. */
const char *remedy_find(const struct remedy *remedies, int error);

/*
 * Prints what a negative errno means: the text of `remedies`, else that of report_error(). Returns the
 * STATUS_* of the errno.
 */
int remedy_report(const struct tool *tool, const char *name, int error, const struct remedy *remedies);

#endif
