// SPDX-License-Identifier: MIT
/* segctl get: policies and facts of a name. */
#include "lib/base/cleanup.h"
#include "lib/base/policy.h"
#include "lib/client/internal.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/table.h"
#include "lib/tool/common/target.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_MAX 65536

struct settings {
	struct table_style style;
};

enum { KEY, VALUE };

static const struct table_column columns[] = {
	[KEY] = {"KEY", TABLE_LABEL, .help = "policy or fact"},
	[VALUE] = {"VALUE", TABLE_LABEL, .help = "its value"},
	{0},
};

struct key {
	const char *name;
	bool is_number;   /* in JSON */
	bool is_unlisted; /* only told when it is asked for by name */
};

static const struct key keys[] = {
	/* policies */
	{.name = "lock"},
	{.name = "writers", .is_number = true},
	{.name = "commit"},
	{.name = "size-policy"},
	{.name = "lifetime"},
	/* of every file */
	{.name = "size", .is_number = true},
	{.name = "resident", .is_number = true},
	{.name = "owner"},
	{.name = "group"},
	{.name = "mode"},
	/* of segfs */
	{.name = "source"},
	{.name = "object"},
	{.name = "attached", .is_number = true},
	{.name = "orphan"},
	{.name = "idle-since"},
	{.name = "io-mode"},
	/* to read it can change the ctime */
	{.name = "generation", .is_number = true, .is_unlisted = true},
	/* of sources */
	{.name = "kind"},
	{.name = "mapped", .is_number = true},
	{.name = "mapped-pids"},
	{.name = "shmid", .is_number = true},
	{.name = "key"},
	{.name = "nattch", .is_number = true},
	{.name = "creator-pid", .is_number = true},
	{.name = "last-pid", .is_number = true},
	{.name = "creator-uid", .is_number = true},
	{.name = "locked"},
	{.name = "removed"},
	{.name = "seals"},
	{.name = "inode", .is_number = true},
	{.name = "users"},
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* What is asked. */
struct file {
	int fd; /* O_PATH */
	struct stat attr;
	bool is_segfs; /* elsewhere anybody may store an attribute of any name */
	char source[32];
};

struct value {
	const char *key;
	char *text; /* malloc'd */
};

struct values {
	struct value *items;
	size_t n;
	int error; /* the first of what is not to be had; 0 = none */
};

/* --- finding --- */

static char *number(uint64_t value)
{
	char *text;

	return asprintf(&text, "%" PRIu64, value) < 0 ? NULL : text;
}

static char *octal(mode_t mode)
{
	char *text;

	return asprintf(&text, "%04o", mode & 07777u) < 0 ? NULL : text;
}

/* System V segments tell by an attribute what of them is in memory; their blocks are those of the size. */
static bool is_resident_told(const struct file *file)
{
	return strcmp(file->source, "sysv") == 0;
}

/* Facts that need no attribute. Returns false if the key is none of these; *text NULL: without memory. */
static bool find_stat(const char *key, const struct file *file, char **text)
{
	const struct stat *attr = &file->attr;

	if (strcmp(key, "size") == 0)
		*text = number((uint64_t)attr->st_size);
	else if (strcmp(key, "resident") == 0 && !is_resident_told(file))
		*text = number((uint64_t)attr->st_blocks * 512);
	else if (strcmp(key, "owner") == 0)
		*text = text_user(attr->st_uid);
	else if (strcmp(key, "group") == 0)
		*text = text_group(attr->st_gid);
	else if (strcmp(key, "mode") == 0)
		*text = octal(attr->st_mode);
	else
		return false;
	return true;
}

/* Returns 0 and a malloc'd text, or a negative errno. */
static int find_value(const struct file *file, const char *key, char **text)
{
	_cleanup_free_ char *buffer = NULL;
	ssize_t length;

	if (find_stat(key, file, text))
		return *text ? 0 : -ENOMEM;
	if (!file->is_segfs || strlen(key) > 200)
		return -ENODATA;
	buffer = malloc(VALUE_MAX);
	if (!buffer)
		return -ENOMEM;
	length = attribute_get(file->fd, key, buffer, VALUE_MAX);
	if (length < 0)
		return (int)length;
	*text = strdup(buffer);
	return *text ? 0 : -ENOMEM;
}

/* Adds what there is; an error is remembered. */
static void add(struct values *values, const struct file *file, const char *key)
{
	char *text = NULL;
	const int result = find_value(file, key, &text);

	if (result == 0)
		values->items[values->n++] = (struct value){.key = key, .text = text};
	else if (values->error == 0)
		values->error = result;
}

static void free_values(struct values *values)
{
	for (size_t i = 0; i < values->n; i++)
		free(values->items[i].text);
	free(values->items);
}

/* Directories have neither. */
static bool is_told(const struct file *file, const char *key)
{
	return S_ISREG(file->attr.st_mode) || (strcmp(key, "size") != 0 && strcmp(key, "resident") != 0);
}

/* All that there is. An attribute that this file has not is no error. */
static void find_all(struct values *values, const struct file *file)
{
	int error = 0;

	for (size_t i = 0; i < N_KEYS; i++) {
		if (keys[i].is_unlisted || !is_told(file, keys[i].name))
			continue;
		values->error = 0;
		add(values, file, keys[i].name);
		if (error == 0 && values->error != -ENODATA && values->error != -EOPNOTSUPP)
			error = values->error;
	}
	values->error = error;
}

/* --- printing --- */

static int print_table(const struct tool *tool, const struct values *values, const struct settings *settings)
{
	static const size_t chosen[] = {KEY, VALUE};
	struct table *table = table_new(tool, columns, chosen, 2, &settings->style, "attributes");
	int result = -ENOMEM;

	if (!table)
		return result;
	for (size_t i = 0; i < values->n; i++) {
		const size_t line = table_add(table, TABLE_NO_PARENT);

		table_text(table, line, KEY, values->items[i].key);
		table_text(table, line, VALUE, values->items[i].text);
	}
	result = table_print(table);
	table_free(table);
	return result;
}

static bool is_number(const char *key, const char *text)
{
	const size_t digits = strspn(text, "0123456789");
	size_t i = 0;

	while (i < N_KEYS && strcmp(keys[i].name, key) != 0)
		i++;
	return i < N_KEYS && keys[i].is_number && digits > 0 && digits < 19 && !text[digits];
}

static json_t *json_of(const struct value *value)
{
	if (is_number(value->key, value->text))
		return json_integer(strtoll(value->text, NULL, 10));
	return text_to_json(value->text);
}

static int print_json(const char *name, const struct values *values)
{
	json_t *object = json_object(), *policies = json_object(), *facts = json_object();
	int result = 0;

	if (json_object_set_new(object, "name", text_to_json(name)) < 0 ||
	    json_object_set_new(object, "name_hex", text_hex_to_json(name)) < 0 ||
	    json_object_set(object, "policies", policies) < 0 || json_object_set(object, "facts", facts) < 0)
		result = -ENOMEM;
	for (size_t i = 0; i < values->n && result == 0; i++) {
		const struct value *value = &values->items[i];
		const bool is_policy = policy_field_find(value->key) != POLICY_FIELDS;

		if (json_object_set_new(is_policy ? policies : facts, value->key, json_of(value)) < 0)
			result = -ENOMEM;
	}
	if (result == 0) {
		json_dumpf(object, stdout, JSON_INDENT(3));
		printf("\n");
	}
	json_decref(policies);
	json_decref(facts);
	json_decref(object);
	return result;
}

/* --- the command --- */

/* n_keys: 0 = all. */
static int print(const struct tool *tool, const char *name, const struct values *values, size_t n_keys,
		 const struct settings *settings)
{
	int result = 0;

	if (settings->style.json)
		result = print_json(name, values);
	else if (n_keys > 0)
		for (size_t i = 0; i < values->n; i++)
			text_print_line(values->items[i].text, tool->is_terminal);
	else
		result = print_table(tool, values, settings);
	return result < 0 ? report_error(tool, name, result) : STATUS_DONE;
}

static int explain(const struct tool *tool, const char *name, const char *key, int error)
{
	_cleanup_free_ char *quoted = key ? text_quote(key) : NULL;

	if (error == -ENODATA || error == -EOPNOTSUPP)
		return report(tool, STATUS_NOT_AS_ASKED, name,
			      "it has no attribute %s; 'segctl get NAME' lists what it has",
			      quoted ? quoted : "of this name");
	if (error == -EACCES || error == -EPERM)
		return report(tool, STATUS_NO_RIGHT, name, "you may not read its attributes; ask its owner");
	return report_error(tool, name, error);
}

/* Takes the file of a name. Returns a STATUS_*. */
static int take(struct tool *tool, const char *name, struct file *file)
{
	ssize_t length;
	int status = target_open(tool, name, &file->fd, &file->attr);

	if (status != STATUS_DONE)
		return status;
	length = attribute_get(file->fd, "source", file->source, sizeof(file->source));
	file->is_segfs = length != -ENODATA && length != -EOPNOTSUPP;
	if (length < 0)
		*file->source = '\0';
	return STATUS_DONE;
}

/* Finds the values of keys, or all, and prints them. */
static int get(const struct tool *tool, const char *name, const struct file *file, char **names,
	       size_t n_keys, const struct settings *settings)
{
	struct values values = {.items = calloc(n_keys + N_KEYS, sizeof(struct value))};
	const char *missing = NULL;
	int status = STATUS_DONE;

	if (!values.items)
		return report_error(tool, name, -ENOMEM);
	for (size_t i = 0; i < n_keys && values.error == 0; i++) {
		missing = names[i];
		add(&values, file, missing);
	}
	if (n_keys == 0)
		find_all(&values, file);
	/* of several keys, a script gets all lines or none */
	if (n_keys == 0 || values.error == 0)
		status = print(tool, name, &values, n_keys, settings);
	if (status == STATUS_DONE && values.error < 0)
		status = explain(tool, name, missing, values.error);
	free_values(&values);
	return status;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	struct file file = {.fd = -1};
	int status = take(tool, argv[0], &file);

	if (status == STATUS_DONE)
		status = get(tool, argv[0], &file, argv + 1, (size_t)argc - 1, given);
	if (file.fd >= 0)
		close(file.fd);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, style.json, "json", 'J', NULL, "as JSON"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.no_headings, "noheadings", 'n', NULL, "without headings"),
	{0},
};

const struct command get_command = {
	.name = "get",
	.arguments = "NAME [KEY]...",
	.summary = "Prints policies and facts of a segment, an object or a directory",
	.options = options,
	.more = "With KEYs, one line for each: the value alone.\n"
		"\nExamples:\n"
		"  segctl get video/ring\n"
		"  segctl get video/ring size                  67108864\n"
		"  read -r size mode < <(segctl get video/ring size mode | xargs)\n"
		"  segctl get --json video/ring | jq .policies.writers\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAME,
	.run = run,
};
