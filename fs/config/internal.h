/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of fs/config: the tables of sections, keys and types of values; the parser's state,
 * error lines and section headers.
 *
 * A new key is a field in config.h and a line in keys.c; a new type of value is a pair of functions in
 * values.c. Tables are constant, and functions of values pure, except for lookups of users and groups. One
 * parser per call of config_parse().
 */
#ifndef SEGFS_CONFIG_INTERNAL_H
#define SEGFS_CONFIG_INTERNAL_H

#include "fs/config/config.h"

#include <limits.h>

/* --- keys.c, values.c, owner.c --- */

#define CONFIG_KEYS_MAX  24  /* keys per section, at most */
#define CONFIG_WHY_MAX   256 /* bytes of "what is wrong; what to write instead", including the final 0 */
#define CONFIG_VALUE_MAX (PATH_MAX + 8) /* bytes of a formatted value, including the final 0 */
#define CONFIG_NO_FIELD  SIZE_MAX       /* an offset of struct config_key that the type does not use */

struct config_key;

/* Parses and formats values of one type. */
struct config_type {
	/*
	 * Parses a non-empty `value` into the fields of `record` given by the key.
	 * Returns 0; -EINVAL with `why` filled; -ENOMEM.
	 */
	int (*parse)(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX]);
	/*
	 * Formats the value in the syntax of parse(). Returns false, writing nothing, if the key was not
	 * given.
	 */
	bool (*format)(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX]);
};

/* A key of a kind of section. Offsets are of fields in the section's record. */
struct config_key {
	const char *name;
	const struct config_type *type;
	size_t value;     /* the field that holds the value */
	size_t second;    /* owner: the field of the group; medium: that of the path */
	size_t given;     /* a bool, set if the key was given; CONFIG_NO_FIELD if the value itself tells */
	bool memory_only; /* requires medium = memory */
};

enum config_kind {
	CONFIG_MOUNT,     /* record: struct config */
	CONFIG_DIRECTORY, /* record: struct config_directory */
	CONFIG_SEGMENT,   /* record: struct config_segment */
	CONFIG_KINDS,
};

/* One kind of section. */
struct config_section {
	const char *kind;              /* the word after '[' */
	bool named;                    /* a name follows: [kind NAME] */
	const struct config_key *keys; /* terminated by a NULL name; at most CONFIG_KEYS_MAX */
};

extern const struct config_section config_sections[CONFIG_KINDS];

/* The types; their syntax is documented in values.c. */
extern const struct config_type config_type_size, config_type_mode, config_type_owner, config_type_huge,
	config_type_numa, config_type_path, config_type_medium, config_type_policy, config_type_sources,
	config_type_source, config_type_namespace, config_type_time, config_type_count, config_type_any_count,
	config_type_percent, config_type_fsync;

/* Formats "key, key, key", the keys of a section, cut at `size` bytes. */
void config_list_keys(const struct config_section *section, char *list, size_t size);

/* Returns the key of that name, or NULL. */
const struct config_key *config_find_key(const struct config_section *section, const char *name);

/* Returns the known key or kind most similar to an unknown word, or NULL if none is similar. */
const char *config_nearest_key(const struct config_section *section, const char *word);
const char *config_nearest_kind(const char *word);

/*
 * Parses "user" or "user:group"; digits are ids, anything else is looked up. Without a group, the user's own
 * group is used. user, group: set on success only. Returns 0; -EINVAL with `why` filled; -ENOMEM.
 */
int config_parse_owner(const char *value, unsigned int *user, unsigned int *group, char why[CONFIG_WHY_MAX]);

/* --- sections.c, report.c --- */

#define CONFIG_SHOWN_MAX      72 /* bytes of a quotation in a message, including "..." and the final 0 */
#define CONFIG_SECTIONS_KNOWN "[mount], [directory NAME] and [segment NAME]"

struct parser {
	const char *file;      /* name for messages */
	char *error;           /* CONFIG_ERROR_MAX bytes, the caller's */
	const char *text;      /* rest of the text */
	size_t left;           /* bytes in `text` */
	unsigned int line;     /* number of the current line, from 1 */
	int result;            /* 0, or the negative errno of the first error, which ends parsing */
	void *declared;        /* tsearch(3) tree of the names of all sections */
	struct config *config; /* result so far */
	const struct config_section *section;    /* current section; NULL before the first */
	const char *name;                        /* its name, owned by the config; NULL for [mount] */
	void *record;                            /* struct that its keys fill in */
	unsigned int mount_line;                 /* line of [mount], 0 before it */
	unsigned int key_lines[CONFIG_KEYS_MAX]; /* of this section, by position of the key; 0 = not given */
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
