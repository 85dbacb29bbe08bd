/* SPDX-License-Identifier: MIT */
/* The content of the files under .segfs, and the text that it is written to. */
#ifndef SEGFS_CONTROL_INTERNAL_H
#define SEGFS_CONTROL_INTERNAL_H

#include "fs/control/control.h"

/* A growing text. */
struct control_text {
	char *bytes;
	size_t length;
	size_t size;
	int result; /* 0, or the negative errno of the first failure, upon which the text must not be used */
};

/* Records a failure, unless `result` is >= 0. */
void control_fail(struct control_text *text, int result);

void control_print(struct control_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends a JSON string, including quotes. */
void control_print_json_string(struct control_text *text, const char *string);

/* Content of .segfs/locks, .segfs/policies and .segfs/attached. */
void control_print_locks(struct control_text *text, struct state *state);
void control_print_policies(struct control_text *text, struct state *state);
void control_print_attached(struct control_text *text, struct state *state,
			    const struct control_facts *facts);

/* Content of .segfs/status. */
void control_print_status(struct control_text *text, struct state *state, const struct control_facts *facts);

#endif
