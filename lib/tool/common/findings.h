/* SPDX-License-Identifier: MIT */
/* What segctl doctor finds out: a list of findings, and the checks that make them. A list belongs to one
 * thread. */
#ifndef SEGFS_TOOL_FINDINGS_H
#define SEGFS_TOOL_FINDINGS_H

#include <stddef.h>

struct tool;

enum finding_state {
	FINDING_OK,
	FINDING_LIMITED, /* it works, but something is missing */
	FINDING_MISSING, /* it does not work */
};

struct finding {
	enum finding_state state;
	const char *subject; /* a constant text, or one of the list's */
	char *text;          /* what is so */
	char *remedy;        /* what to do; NULL = nothing need or can be done */
};

struct finding_list {
	struct finding *findings;
	size_t n;
	int result; /* -ENOMEM once memory was missing */
};

/* Adds a finding; the strings are copied. remedy: may be NULL. */
void findings_add(struct finding_list *list, enum finding_state state, const char *subject,
		  const char *remedy, const char *format, ...) __attribute__((format(printf, 5, 6)));
void findings_free(struct finding_list *list);

/* The program and what it finds out about the kernel. */
void findings_program(struct finding_list *list);

/* The mounts of segfs that there are. */
void findings_mounts(struct finding_list *list);

#endif
