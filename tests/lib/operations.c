// SPDX-License-Identifier: MIT
#include "tests/lib/operations.h"

#include <stdlib.h>
#include <string.h>

const struct operation *const operations_all[] = {operations_on_bytes, operations_on_files, operations_on_names, NULL};

/* What comes when the daemon is to start or end, or never: a kernel does not send it here. */
static const struct {
	const char *name;
	const char *why;
} never_sent[] = {
	{"init", "the first of a connection, before any operation"},
	{"destroy", "sent for block devices only"},
	{"syncfs", "sent for block devices and virtiofs only"},
	{"access", "default_permissions: the kernel checks by itself"},
	{"interrupt", "sent where a caller is interrupted; answered by no file's operation"},
	{"poll", "no file here has it; asked for once, and refused"},
};

void operation_prepare(const struct operation *operation)
{
	scene_lay();
	if (operation->prepare)
		operation->prepare();
}

void operations_walk(const struct operation *const tables[], void (*function)(const struct operation *operation))
{
	const char *filter = getenv("TEST_FILTER");

	for (; *tables; tables++)
		for (const struct operation *operation = *tables; operation->name; operation++)
			if (!filter || strstr(operation->name, filter))
				function(operation);
}

void operations_count(const struct mount *mount, struct operation_counts *counts)
{
	assert_true(read_text(path_of("%s/.segfs/status", mount->path), counts->status, sizeof(counts->status)) > 0);
	assert_non_null(strstr(counts->status, "\"operations\": {"));
}

/* The number behind a name, -1 where there is none. */
static long count_of(const struct operation_counts *counts, const char *name)
{
	const char *at = strstr(strstr(counts->status, "\"operations\""), path_of("\"%s\": ", name));

	return at ? strtol(at + strlen(name) + 4, NULL, 10) : -1;
}

static bool is_never_sent(const char *name)
{
	for (size_t i = 0; i < sizeof(never_sent) / sizeof(never_sent[0]); i++)
		if (strcmp(never_sent[i].name, name) == 0)
			return true;
	return false;
}

void operations_check_complete(const struct mount *mount, const struct operation_counts *before)
{
	struct operation_counts after;
	unsigned int missing = 0;
	char name[32];
	const char *at;
	int length;

	if (getenv("TEST_FILTER"))
		return;
	operations_count(mount, &after);
	at = strstr(after.status, "\"operations\": {") + strlen("\"operations\": {");
	while (sscanf(at, " \"%31[^\"]\": %*u%n", name, &length) == 1) {
		if (!is_never_sent(name) && count_of(&after, name) == count_of(before, name)) {
			fprintf(stderr, "no operation makes a request of the kind %s\n", name);
			missing++;
		}
		at += length;
		at += *at == ',';
	}
	assert_int_equal(*at, '}');
	assert_int_equal(missing, 0);
}
