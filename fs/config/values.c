// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "fs/config/config.h"
#include "fs/config/internal.h"
#include "fs/source/source.h"
#include "lib/base/names.h"
#include "lib/base/policy.h"
#include "lib/base/sizes.h"

static void *field(void *record, size_t offset)
{
	return (char *)record + offset;
}

static const void *const_field(const void *record, size_t offset)
{
	return (const char *)record + offset;
}

/* Whether the key was given, for keys with a bool for that. */
static bool is_given(const struct config_key *key, const void *record)
{
	return *(const bool *)const_field(record, key->given);
}

static int wrong(char why[CONFIG_WHY_MAX], const char *text)
{
	snprintf(why, CONFIG_WHY_MAX, "%s", text);
	return -EINVAL;
}

/* Sets a char * field to a copy of the value. */
static int set_string(const struct config_key *key, void *record, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	*(char **)field(record, key->value) = copy;
	return 0;
}

static bool format_string(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	const char *text = *(char *const *)const_field(record, key->value);

	if (!text)
		return false;
	snprintf(value, CONFIG_VALUE_MAX, "%s", text);
	return true;
}

/* --- size: bytes, at least 1, at most the maximum of loff_t --- */

static int parse_size(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX])
{
	uint64_t size;
	int error = size_parse(value, &size);

	if (error == -EINVAL)
		return wrong(
			why,
			"not a size; write bytes, or a whole number with K, M, G, T, P or E, such as 64M");
	if (error || size > INT64_MAX)
		return wrong(why, "too large; the largest is 9223372036854775807");
	if (!size)
		return wrong(why, "the size is zero; write at least 1");
	*(uint64_t *)field(record, key->value) = size;
	if (key->given != CONFIG_NO_FIELD)
		*(bool *)field(record, key->given) = true;
	return 0;
}

static bool format_size(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	uint64_t size = *(const uint64_t *)const_field(record, key->value);

	if (key->given != CONFIG_NO_FIELD ? !is_given(key, record) : !size)
		return false;
	size_format(size, value);
	return true;
}

const struct config_type config_type_size = {parse_size, format_size};

/* --- mode: octal permission bits, with set-id and sticky --- */

static int parse_mode(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX])
{
	mode_t mode = 0;

	if (strspn(value, "01234567") != strlen(value))
		return wrong(why, "not an octal number; write permissions such as 0660");
	for (const char *p = value; *p; p++) {
		mode = mode * 8 + (mode_t)(*p - '0');
		if (mode > 07777)
			return wrong(why, "too large; the largest mode is 7777");
	}
	*(mode_t *)field(record, key->value) = mode;
	*(bool *)field(record, key->given) = true;
	return 0;
}

static bool format_mode(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	if (!is_given(key, record))
		return false;
	snprintf(value, CONFIG_VALUE_MAX, "%04o", *(const mode_t *)const_field(record, key->value));
	return true;
}

const struct config_type config_type_mode = {parse_mode, format_mode};

/* --- owner: user or user:group; formatted as ids, which do not depend on the user database --- */

static int parse_owner(const struct config_key *key, void *record, const char *value,
		       char why[CONFIG_WHY_MAX])
{
	int error = config_parse_owner(value, field(record, key->value), field(record, key->second), why);

	if (!error)
		*(bool *)field(record, key->given) = true;
	return error;
}

static bool format_owner(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	if (!is_given(key, record))
		return false;
	snprintf(value, CONFIG_VALUE_MAX, "%u:%u", *(const uid_t *)const_field(record, key->value),
		 *(const gid_t *)const_field(record, key->second));
	return true;
}

const struct config_type config_type_owner = {parse_owner, format_owner};

/* --- huge: the tmpfs mount option; "deny" and "force" exist system-wide only --- */

static int parse_huge(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX])
{
	static const char *const known[] = {"never", "always", "within_size", "advise"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(value, known[i]) == 0)
			return set_string(key, record, value);
	return wrong(why, "not a huge page policy; write never, always, within_size or advise");
}

const struct config_type config_type_huge = {parse_huge, format_string};

/* --- numa: tmpfs's mpol=, a policy and its nodes, which the kernel checks when the tmpfs is made --- */

static int parse_numa(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX])
{
	static const char *const known[] = {
		"default", "local", "prefer", "prefer (many)", "bind", "interleave", "weighted interleave"};
	size_t length = strcspn(value, "=:");

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strlen(known[i]) == length && memcmp(value, known[i], length) == 0)
			return set_string(key, record, value);
	return wrong(why, "not a tmpfs policy; write default, local, prefer:N, bind:LIST, interleave:LIST, "
			  "\"prefer (many):LIST\" or \"weighted interleave:LIST\"");
}

const struct config_type config_type_numa = {parse_numa, format_string};

/* --- path: absolute, normalized --- */

static int parse_path(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX])
{
	char *path;
	int error;

	if (value[0] != '/')
		return wrong(why, "not an absolute path; begin it with '/'");
	error = set_string(key, record, value);
	if (error)
		return error;
	path = *(char **)field(record, key->value);
	error = path_normalize(path);
	if (!error && path[1])
		return 0;
	free(path);
	*(char **)field(record, key->value) = NULL;
	if (!error)
		return wrong(why, "the root directory is not allowed; write a path below it");
	if (error == -ENAMETOOLONG)
		return wrong(why, "too long; at most 255 bytes between two '/' and 4095 in all");
	return wrong(why, "the path contains \"..\" or a control character; remove it");
}

/* The parser trims lines, so a path that ends in a blank is formatted with a trailing '/'. */
static bool format_path(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	size_t length;

	if (!format_string(key, record, value))
		return false;
	length = strlen(value);
	if (length && value[length - 1] == ' ' && length + 1 < CONFIG_VALUE_MAX)
		memcpy(value + length, "/", 2);
	return true;
}

const struct config_type config_type_path = {parse_path, format_path};

/* --- medium: memory, or a path --- */

static const struct config_key *path_of(const struct config_key *key, struct config_key *path)
{
	*path = *key;
	path->value = key->second;
	return path;
}

static int parse_medium(const struct config_key *key, void *record, const char *value,
			char why[CONFIG_WHY_MAX])
{
	struct config_key path;
	int error;

	if (strcmp(value, "memory") == 0) {
		*(enum config_medium *)field(record, key->value) = MEDIUM_MEMORY;
		return 0;
	}
	if (value[0] != '/')
		return wrong(why, "not a medium; write memory, or the absolute path of a directory");
	error = parse_path(path_of(key, &path), record, value, why);
	if (!error)
		*(enum config_medium *)field(record, key->value) = MEDIUM_PATH;
	return error;
}

static bool format_medium(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	struct config_key path;

	switch (*(const enum config_medium *)const_field(record, key->value)) {
	case MEDIUM_PARENT:
		return false;
	case MEDIUM_MEMORY:
		snprintf(value, CONFIG_VALUE_MAX, "memory");
		return true;
	case MEDIUM_PATH:
		return format_path(path_of(key, &path), record, value);
	}
	return false;
}

const struct config_type config_type_medium = {parse_medium, format_medium};

/* --- a field of a policy, named like the key --- */

static int parse_policy(const struct config_key *key, void *record, const char *value,
			char why[CONFIG_WHY_MAX])
{
	char reason[POLICY_WHY_MAX];

	if (policy_set(field(record, key->value), policy_field_find(key->name), value, strlen(value),
		       reason) < 0)
		return wrong(why, reason);
	*(bool *)field(record, key->given) = true;
	return 0;
}

static bool format_policy(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	if (!is_given(key, record))
		return false;
	policy_format(const_field(record, key->value), policy_field_find(key->name), value);
	return true;
}

const struct config_type config_type_policy = {parse_policy, format_policy};

/* --- sources: comma-separated names, or none --- */

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

static int parse_sources(const struct config_key *key, void *record, const char *value,
			 char why[CONFIG_WHY_MAX])
{
	unsigned int sources = 0;
	const char *at = value;

	if (strcmp(value, "none") == 0)
		at = NULL;
	while (at) {
		size_t length = strcspn(at, ", \t");
		enum source_kind kind = source_kind_find(at, length);

		if (kind == SOURCE_KINDS || kind == SOURCE_STORE)
			return wrong(why, "not a list of sources; write any of posix, sysv, process, "
					  "separated by commas, or none");
		sources |= 1u << kind;
		at = skip_blanks(at + length);
		if (*at && *at != ',')
			return wrong(why,
				     "a comma is missing between two sources; write for example posix, sysv");
		at = *at ? skip_blanks(at + 1) : NULL;
	}
	*(unsigned int *)field(record, key->value) = sources;
	*(bool *)field(record, key->given) = true;
	return 0;
}

static bool format_sources(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	unsigned int sources = *(const unsigned int *)const_field(record, key->value);
	size_t used = 0;

	if (!is_given(key, record))
		return false;
	snprintf(value, CONFIG_VALUE_MAX, "none");
	for (int kind = SOURCE_STORE + 1; kind < SOURCE_KINDS; kind++)
		if (sources & 1u << kind)
			used += (size_t)snprintf(value + used, CONFIG_VALUE_MAX - used, "%s%s",
						 used ? ", " : "", source_kind_name((enum source_kind)kind));
	return true;
}

const struct config_type config_type_sources = {parse_sources, format_sources};

/* --- source of a directory --- */

static int parse_source(const struct config_key *key, void *record, const char *value,
			char why[CONFIG_WHY_MAX])
{
	enum source_kind kind = source_kind_find(value, strlen(value));

	if (kind != SOURCE_POSIX && kind != SOURCE_SYSV)
		return wrong(why, "not a source for a directory; write posix or sysv");
	*(unsigned int *)field(record, key->value) = kind;
	return 0;
}

static bool format_source(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	unsigned int kind = *(const unsigned int *)const_field(record, key->value);

	if (kind == SOURCE_STORE)
		return false;
	snprintf(value, CONFIG_VALUE_MAX, "%s", source_kind_name((enum source_kind)kind));
	return true;
}

const struct config_type config_type_source = {parse_source, format_source};

/* --- namespace: pid of a process in it, or a path --- */

static int parse_namespace(const struct config_key *key, void *record, const char *value,
			   char why[CONFIG_WHY_MAX])
{
	if (value[0] == '/')
		return parse_path(key, record, value, why);
	if (strspn(value, "123456789") == 0 || value[strspn(value, "0123456789")] || strlen(value) > 9)
		return wrong(why, "neither a pid nor the absolute path of a namespace; write one of them");
	return set_string(key, record, value);
}

const struct config_type config_type_namespace = {parse_namespace, format_string};

/* --- count: the maximum number of something --- */

static int parse_count(const struct config_key *key, void *record, const char *value,
		       char why[CONFIG_WHY_MAX])
{
	uint64_t count;

	if (size_parse(value, &count) < 0 || count < CONFIG_COUNT_LEAST || count > CONFIG_COUNT_MOST)
		return wrong(why, "not a count; write a whole number from 64 to 64M");
	*(uint64_t *)field(record, key->value) = count;
	return 0;
}

static bool format_count(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	uint64_t count = *(const uint64_t *)const_field(record, key->value);

	if (count)
		size_format(count, value);
	return count != 0;
}

const struct config_type config_type_count = {parse_count, format_count};

/* --- count, or 0 for none --- */

static int parse_any_count(const struct config_key *key, void *record, const char *value,
			   char why[CONFIG_WHY_MAX])
{
	uint64_t count;

	if (size_parse(value, &count) < 0 || count > CONFIG_COUNT_MOST)
		return wrong(why, "not a count; write a whole number from 0 to 64M");
	*(uint64_t *)field(record, key->value) = count;
	*(bool *)field(record, key->given) = true;
	return 0;
}

static bool format_any_count(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	if (!is_given(key, record))
		return false;
	size_format(*(const uint64_t *)const_field(record, key->value), value);
	return true;
}

const struct config_type config_type_any_count = {parse_any_count, format_any_count};

/* --- percent --- */

static int parse_percent(const struct config_key *key, void *record, const char *value,
			 char why[CONFIG_WHY_MAX])
{
	size_t digits = strspn(value, "0123456789");
	long number = digits > 0 && digits < 4 ? strtol(value, NULL, 10) : 0;

	if (number < 1 || number > 100 || (strcmp(value + digits, "%") != 0 && value[digits]))
		return wrong(why, "not a percentage; write 1% to 100%");
	*(uint64_t *)field(record, key->value) = (uint64_t)number;
	return 0;
}

static bool format_percent(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	uint64_t number = *(const uint64_t *)const_field(record, key->value);

	if (number)
		snprintf(value, CONFIG_VALUE_MAX, "%llu%%", (unsigned long long)number);
	return number != 0;
}

const struct config_type config_type_percent = {parse_percent, format_percent};

/* --- time: 0 for never, or a number with a unit --- */

static int parse_time(const struct config_key *key, void *record, const char *value, char why[CONFIG_WHY_MAX])
{
	uint64_t milliseconds = 0;

	if (strcmp(value, "0") != 0 && policy_parse_time(value, &milliseconds) < 0)
		return wrong(why, "not a time; write a whole number with ms, s, m, h or d, such as 10s, or 0 "
				  "for never");
	*(uint64_t *)field(record, key->value) = milliseconds;
	*(bool *)field(record, key->given) = true;
	return 0;
}

static bool format_time(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	uint64_t milliseconds = *(const uint64_t *)const_field(record, key->value);

	if (!is_given(key, record))
		return false;
	if (milliseconds == 0)
		snprintf(value, CONFIG_VALUE_MAX, "0");
	else
		policy_format_time(milliseconds, value);
	return true;
}

const struct config_type config_type_time = {parse_time, format_time};

/* --- fsync --- */

static int parse_fsync(const struct config_key *key, void *record, const char *value,
		       char why[CONFIG_WHY_MAX])
{
	bool *always = field(record, key->value);

	if (strcmp(value, "always") != 0 && strcmp(value, "auto") != 0)
		return wrong(why, "neither auto nor always; write one of them");
	*always = strcmp(value, "always") == 0;
	return 0;
}

static bool format_fsync(const struct config_key *key, const void *record, char value[CONFIG_VALUE_MAX])
{
	const bool *always = const_field(record, key->value);

	snprintf(value, CONFIG_VALUE_MAX, "always");
	return *always;
}

const struct config_type config_type_fsync = {parse_fsync, format_fsync};
