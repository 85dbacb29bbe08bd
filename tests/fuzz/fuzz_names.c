// SPDX-License-Identifier: MIT
/*
 * Arbitrary bytes as names of segments, paths, instances, and entries of process/ and sysv/; as lines of
 * /proc; and as sizes. A parsed value is formatted as it was, and a formatted one is a valid name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/source/process_names.h"
#include "fs/source/sysv_names.h"
#include "lib/base/names.h"
#include "lib/base/procfs_locks.h"
#include "lib/base/sizes.h"
#include "lib/base/textfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int ok)
{
	if (!ok)
		abort();
}

/* A name that the kernel accepts in a directory. */
static void check_is_name(const char *name)
{
	check(name_check(name, strlen(name)) == NAME_OK && !strchr(name, '/'));
}

static void check_segment_name(const char *text, size_t length)
{
	enum name_problem problem = name_check(text, length);

	if (problem != NAME_OK) {
		check(strlen(name_problem_text(problem)) > 0);
		return;
	}
	check(length > 0 && length < PATH_MAX && !memchr(text, 0, length) && text[0] != '/' &&
	      text[length - 1] != '/');
}

static void check_path(const char *text)
{
	char *path = strdup(text);
	char *again;
	char instance[NAME_MAX + 1] = "";
	char instance_again[NAME_MAX + 1] = "";
	int result;

	check(path != NULL);
	result = path_normalize(path);
	check(result == 0 || ((result == -EINVAL || result == -ENAMETOOLONG) && strcmp(path, text) == 0));
	if (result == 0) {
		again = strdup(path);
		check(again && path_normalize(again) == 0 && strcmp(path, again) == 0);
		free(again);
		check(path[0] == '/' && !strstr(path, "//") &&
		      (path[1] == 0 || name_check(path + 1, strlen(path + 1)) == NAME_OK));
	}
	if (instance_name_from_path(text, instance) == 0) {
		check(instance_name_valid(instance) || instance[0] == '.');
		if (result == 0)
			check(instance_name_from_path(path, instance_again) == 0 &&
			      strcmp(instance, instance_again) == 0);
	}
	free(path);
}

static void check_process_name(const char *text)
{
	struct process_name parsed;
	struct process_name again;
	char name[NAME_MAX + 1];
	pid_t pid;

	if (process_parse_number(text, &pid))
		check(pid > 0);
	if (!process_parse_name(text, &parsed))
		return;
	for (int title = 0; title < 2; title++) {
		process_write_name(&parsed, text, title ? strlen(text) : 0, name);
		check_is_name(name);
		check(process_parse_name(name, &again) && again.kind == parsed.kind &&
		      again.first == parsed.first && again.second == parsed.second);
	}
}

/* Every title yields a name, from which its kind is recognized. */
static void check_title(const char *title, size_t length)
{
	static const struct process_name kinds[] = {
		{PROCESS_MEMFD, 3, 0},
		{PROCESS_ANONYMOUS, 0x7f0000000000, 0x7f0000001000},
		{PROCESS_DELETED, 0x1000, 0},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct process_name parsed;
		char name[NAME_MAX + 1];

		process_write_name(&kinds[i], title, length, name);
		/* a title from /proc contains no NUL; a name ends there */
		check_is_name(name);
		check(process_parse_name(name, &parsed) && parsed.kind == kinds[i].kind &&
		      parsed.first == kinds[i].first);
	}
}

static void check_mapping(const char *line, size_t length)
{
	struct process_mapping mapping;
	const char *title = NULL;
	size_t title_length = 0;

	process_is_anonymous(line, length);
	process_is_anonymous_huge(line, length);
	if (process_parse_memfd(line, length, &title, &title_length) ||
	    process_parse_deleted(line, length, &title, &title_length))
		check(title >= line && title + title_length <= line + length);
	if (!process_parse_mapping(line, length, &mapping))
		return;
	check(mapping.start < mapping.end);
	check(!mapping.path || (mapping.path >= line && mapping.path + mapping.length <= line + length));
	process_mapping_kind(&mapping);
}

static void check_sysv_name(const char *text)
{
	char name[SYSV_NAME_BYTES];
	uint32_t key = 0;
	uint32_t key_again;
	int id;

	if (sysv_parse_key(text, &key)) {
		check(key != 0 && !sysv_parse_id(text, &id));
		sysv_write_name(key, 1, name);
		check_is_name(name);
		check(sysv_parse_key(name, &key_again) && key_again == key);
	}
	if (sysv_parse_id(text, &id)) {
		check(id >= 0);
		sysv_write_name(0, id, name);
		check(strcmp(name, text) == 0);
	}
}

static void check_size(const char *text)
{
	char formatted[SIZE_TEXT_MAX];
	uint64_t bytes;
	uint64_t again;

	if (size_parse(text, &bytes) < 0)
		return;
	size_format(bytes, formatted);
	check(size_parse(formatted, &again) == 0 && again == bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct procfs_lock lock;

	if (!text)
		abort();
	if (size > 0)
		memcpy(text, data, size);
	text[size] = 0;
	check(utf8_valid_length(text, size) <= size);
	check_segment_name(text, size);
	check_path(text);
	check_process_name(text);
	check_title(text, size);
	check_mapping(text, size);
	check_sysv_name(text);
	check_size(text);
	procfs_parse_lock(text, &lock);
	free(text);
	return 0;
}
