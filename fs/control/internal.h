/* SPDX-License-Identifier: MIT */
/* The content of the files under .segfs, and the text that it is written to. */
#ifndef SEGFS_CONTROL_INTERNAL_H
#define SEGFS_CONTROL_INTERNAL_H

#include "fs/control/control.h"

/* A text that grows. */
struct control_text {
	char *bytes;
	size_t length;
	size_t size;
	int result; /* 0; the negative errno of what was lacking first: then the text is not to be used */
};

/* Notes that the text is not all that it should be. result: a negative errno; others are fine. */
void control_fail(struct control_text *text, int result);

void control_print(struct control_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a JSON string, quotes included. */
void control_print_json_string(struct control_text *text, const char *string);

/* What locks and attached say. */
void control_print_locks(struct control_text *text, struct state *state);
void control_print_attached(struct control_text *text, struct state *state, const struct control_facts *facts);

/* What status says. */
void control_print_status(struct control_text *text, struct state *state, const struct control_facts *facts);

#endif
