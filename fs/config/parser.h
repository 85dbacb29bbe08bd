/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the configuration's parser share: its state, its error lines, and the section headers.
 *
 * One parser belongs to one call of config_parse().
 */
#ifndef SEGFS_CONFIG_PARSER_H
#define SEGFS_CONFIG_PARSER_H

#include <stdbool.h>
#include <stddef.h>

#include "fs/config/config.h"
#include "fs/config/keys.h"

#define CONFIG_SHOWN_MAX      72 /* bytes of a piece of the text in a message, with "..." and the final 0 */
#define CONFIG_SECTIONS_KNOWN "[mount], [directory NAME] and [segment NAME]"

struct parser {
	const char *file;          /* name for messages */
	char *error;               /* CONFIG_ERROR_MAX bytes of the caller */
	const char *text;          /* what was not read yet */
	size_t left;               /* its bytes */
	unsigned int line;         /* number of the line read last, from 1 */
	int result;                /* 0, or the negative errno of the first error: nothing is read after it */
	void *declared;            /* tsearch(3): the names of all sections so far */
	struct config *config;     /* what was understood so far */
	const struct config_section *section;    /* the one that lines belong to; NULL before the first */
	const char *name;                        /* its name, owned by the config; NULL for [mount] */
	void *record;                            /* the struct that its keys fill in */
	unsigned int mount_line;                 /* line of [mount], 0 before it */
	unsigned int key_lines[CONFIG_KEYS_MAX]; /* of this section, by place in its table; 0 = not given */
};

/* A part of the text, short enough for a message. */
struct shown {
	char text[CONFIG_SHOWN_MAX];
};

/* Returns `length` bytes, or as many whole characters of them as fit and "...". */
struct shown parser_show(const char *text, size_t length);

/* The same for all of a string. */
struct shown parser_show_string(const char *text);

/* Returns the header of a section, "[segment video/ring]"; name: NULL for a kind without names. */
struct shown parser_show_section(const struct config_section *section, const char *name);

/* Ends parsing with the error line "FILE:LINE: ...". Returns -EINVAL. */
int parser_fail(struct parser *parser, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Ends parsing for lack of memory. Returns -ENOMEM. */
int parser_fail_memory(struct parser *parser);

/* Takes spaces and tabs off both ends. */
void parser_trim(const char **text, size_t *length);

/*
 * Reads a section header, a trimmed line that begins with '[', after ending the section before it: adds the
 * record to the configuration and makes it the one that keys fill in. Returns 0 or the parser's new result.
 */
int parser_begin_section(struct parser *parser, const char *line, size_t length);

/* Checks what can be known only when all keys of a section were seen. Returns 0 or the parser's new result.
 */
int parser_end_section(struct parser *parser);

#endif
