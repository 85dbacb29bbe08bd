// SPDX-License-Identifier: MIT
#include "tests/lib/operations.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const struct operation *const operations_all[] = {
	operations_on_bytes,    operations_on_files,   operations_on_names,   operations_on_objects,
	operations_on_segments, operations_on_process, operations_on_control, NULL,
};

/* Sent when the daemon starts or ends, or never by this kernel. */
static const struct {
	unsigned int in;
	const char *name;
	const char *why;
} never_sent[] = {
	{~0u, "init", "the first of a connection, before any operation"},
	{~0u, "destroy", "sent for block devices only"},
	{~0u, "syncfs", "sent for block devices and virtiofs only"},
	{~0u, "access", "default_permissions: the kernel checks by itself"},
	{~0u, "interrupt", "sent where a caller is interrupted; answered by no file's operation"},
	{~0u, "poll", "no file here has it; asked for once, and refused"},
	{IN_SEGMENTS | IN_CONTROL, "readlink", "there are no links"},
	{IN_SEGMENTS | IN_CONTROL, "rmdir", "there are no directories, which the kernel sees"},
	{IN_PROCESS, "forget", "the files of a process go with it, several at once"},
	{IN_CONTROL, "write", "nothing there can be opened to write, which the kernel sees"},
	{IN_CONTROL, "fallocate", "likewise"},
	{IN_CONTROL, "copy_file_range", "likewise"},
};

void operation_prepare(const struct operation *operation)
{
	scene_lay();
	if (operation->prepare)
		operation->prepare();
}

void operations_walk(const struct operation *const tables[],
		     void (*function)(const struct operation *operation))
{
	const char *filter = getenv("TEST_FILTER");

	for (; *tables; tables++)
		for (const struct operation *operation = *tables; operation->name; operation++)
			if ((operation->in ? operation->in : IN_STORE) & scene_now()->bit &&
			    (!operation->needs || kernel_has(operation->needs)) &&
			    (!filter || strstr(operation->name, filter)))
				function(operation);
}

void operations_count(const struct mount *mount, struct operation_counts *counts)
{
	assert_true(read_text(path_of("%s/.segfs/status", mount->path), counts->status,
			      sizeof(counts->status)) > 0);
	assert_non_null(strstr(counts->status, "\"operations\": {"));
}

/* The number after a name, -1 if absent. */
static long count_of(const struct operation_counts *counts, const char *name)
{
	const char *at = strstr(strstr(counts->status, "\"operations\""), path_of("\"%s\": ", name));

	return at ? strtol(at + strlen(name) + 4, NULL, 10) : -1;
}

/* By a kernel that asks for the time of birth, unless it has no such request. */
static bool is_statx_sent(void)
{
	struct statx found;

	return statx(AT_FDCWD, in_mount("file"), AT_STATX_FORCE_SYNC, STATX_BTIME, &found) < 0 ||
	       found.stx_mask & STATX_BTIME;
}

static bool is_never_sent(const char *name)
{
	if (strcmp(name, "statx") == 0 && !is_statx_sent())
		return true;
	for (size_t i = 0; i < sizeof(never_sent) / sizeof(never_sent[0]); i++)
		if (never_sent[i].in & scene_now()->bit && strcmp(never_sent[i].name, name) == 0)
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
			fprintf(stderr, "no operation in %s/ makes a request of the kind %s\n",
				scene_now()->below, name);
			missing++;
		}
		at += length;
		at += *at == ',';
	}
	assert_int_equal(*at, '}');
	assert_int_equal(missing, 0);
}
