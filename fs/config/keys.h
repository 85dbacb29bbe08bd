/* SPDX-License-Identifier: MIT */
/*
 * The tables of the configuration: which sections there are, which keys each has, and how a value of each
 * type is read and written. Used by the parser and the formatter only.
 *
 * A new key is a field in fs/config/config.h and one line in fs/config/keys.c; a new type of value is a pair of
 * functions in fs/config/values.c. Constant data and pure functions (but for the look-ups of users and
 * groups).
 */
#ifndef SEGFS_CONFIG_KEYS_H
#define SEGFS_CONFIG_KEYS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_KEYS_MAX  24             /* keys that a section may have */
#define CONFIG_WHY_MAX   256            /* bytes of "what is wrong; what would be right", with the final 0 */
#define CONFIG_VALUE_MAX (PATH_MAX + 8) /* bytes of a formatted value, with the final 0 */
#define CONFIG_NO_FIELD  SIZE_MAX       /* an offset of struct config_key that the type doesn't use */

struct config_key;

/* How values of one type are read into a record and written from it. */
struct config_type {
	/*
	 * Reads `value`, which is not empty, into the fields of `record` that the key names.
	 * Returns 0; -EINVAL with `why` filled; -ENOMEM.
	 */
	int (*parse)(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX]);
	/* Writes the value as parse() would read it. Returns false, writing nothing, where the key was not
	 * given. */
	bool (*format)(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX]);
};

/* One key of one kind of section. The offsets are those of fields in the section's record. */
struct config_key {
	const char *name;
	const struct config_type *type;
	size_t value;  /* the field that holds the value */
	size_t second; /* owner: the field of the group; medium: that of the path */
	size_t given; /* a bool that says that the key was given; CONFIG_NO_FIELD where the value itself tells
		       */
	bool memory_only; /* makes sense only where medium is memory */
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
	const struct config_key *keys; /* ends with a name of NULL; at most CONFIG_KEYS_MAX */
};

extern const struct config_section config_sections[CONFIG_KINDS];

/* The types; what each accepts is said at its parse function. */
extern const struct config_type config_type_size, config_type_mode, config_type_owner, config_type_huge,
	config_type_numa, config_type_path, config_type_medium, config_type_policy, config_type_sources,
	config_type_source, config_type_namespace, config_type_time, config_type_count, config_type_percent;

/* Writes "key, key, key", cut at `size` bytes: the keys that a section knows. */
void config_list_keys(const struct config_section *section, char *list, size_t size);

/* Returns the key of that name, or NULL. */
const struct config_key *config_find_key(const struct config_section *section, const char *name);

/* Returns the known key or kind nearest to a word that is unknown, or NULL where none is near. */
const char *config_nearest_key(const struct config_section *section, const char *word);
const char *config_nearest_kind(const char *word);

/*
 * Reads "user" or "user:group"; digits are ids, anything else is looked up. A user alone brings its own
 * group. Both results are set on success only. Returns 0; -EINVAL with `why` filled; -ENOMEM.
 */
int config_parse_owner(const char *value, unsigned int *user, unsigned int *group, char why[CONFIG_WHY_MAX]);

/*
 * What is wrong with a value of tmpfs's mpol=, and what would be right: a static sentence, or NULL where nothing is. Which nodes the
 * machine has is not looked at.
 */
const char *config_numa_problem(const char *value);

#endif
