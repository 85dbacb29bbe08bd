/* SPDX-License-Identifier: MIT */
/*
 * Shared by the parts of the configuration's parser: its state, error lines, and section headers.
 *
 * One parser per call of config_parse().
 */
#ifndef SEGFS_CONFIG_PARSER_H
#define SEGFS_CONFIG_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#include "fs/config/config.h"
#include "fs/config/keys.h"

#define CONFIG_SHOWN_MAX      72 /* bytes of a quotation in a message, including "..." and the final 0 */
#define CONFIG_SECTIONS_KNOWN "[mount], [directory NAME] and [segment NAME]"

struct parser {
	const char *file;          /* name for messages */
	char *error;               /* CONFIG_ERROR_MAX bytes, the caller's */
	const char *text;          /* rest of the text */
	size_t left;               /* bytes in `text` */
	unsigned int line;         /* number of the current line, from 1 */
	int result;                /* 0, or the negative errno of the first error, which ends parsing */
	void *declared;            /* tsearch(3) tree of the names of all sections */
	struct config *config;     /* result so far */
	const struct config_section *section;    /* current section; NULL before the first */
	const char *name;                        /* its name, owned by the config; NULL for [mount] */
	void *record;                            /* struct that its keys fill in */
	unsigned int mount_line;                 /* line of [mount], 0 before it */
	unsigned int key_lines[CONFIG_KEYS_MAX]; /* of this section, by position in its table; 0 = not given */
};

/* A part of the text, shortened for a message. */
struct shown {
	char text[CONFIG_SHOWN_MAX];
};

/* Returns `length` bytes, or as many whole characters as fit, and "...". */
struct shown parser_show(const char *text, size_t length);

/* Like parser_show(), for a whole string. */
struct shown parser_show_string(const char *text);

/* Returns a section header, "[segment video/ring]"; name: NULL for a kind without names. */
struct shown parser_show_section(const struct config_section *section, const char *name);

/* Ends parsing with the error line "FILE:LINE: ...". Returns -EINVAL. */
int parser_fail(struct parser *parser, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Ends parsing for lack of memory. Returns -ENOMEM. */
int parser_fail_memory(struct parser *parser);

/* Trims blanks and tabs from both ends. */
void parser_trim(const char **text, size_t *length);

/*
 * Ends the current section and begins another one. line: a trimmed section header, beginning with '['. Adds a
 * record to the configuration for its keys to fill in. Returns 0 or parser->result.
 */
int parser_begin_section(struct parser *parser, const char *line, size_t length);

/* Checks what depends on all keys of a section. Returns 0 or parser->result. */
int parser_end_section(struct parser *parser);

#endif
