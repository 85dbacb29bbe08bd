// SPDX-License-Identifier: MIT
/* Directories of three sizes, and ways to list them. */
#include "tests/bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *directory_of(unsigned int entries)
{
	return entries == SMALL ? "small" : entries == LARGE ? "large" : "largest";
}

void fill_directory(int directory, unsigned int entries)
{
	const char *sub = directory_of(entries);
	int made;

	must(mkdirat(directory, sub, 0755));
	made = (int)must(openat(directory, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (unsigned int i = 0; i < entries; i++) {
		char name[16];

		snprintf(name, sizeof(name), "entry%06u", i);
		close((int)must(openat(made, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
	}
	close(made);
}

void empty_directory(int directory, unsigned int entries)
{
	const char *sub = directory_of(entries);
	int made = (int)must(openat(directory, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	for (unsigned int i = 0; i < entries; i++) {
		char name[16];

		snprintf(name, sizeof(name), "entry%06u", i);
		must(unlinkat(made, name, 0));
	}
	close(made);
	must(unlinkat(directory, sub, AT_REMOVEDIR));
}

/* One pass over a directory; returns its number of entries. */
static unsigned int list(const char *name, bool with_stat)
{
	static _Alignas(8) char buffer[32768]; /* as readdir(3) of glibc */
	int directory = (int)must(open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	unsigned int entries = 0;
	long length;

	while ((length = must(getdents64(directory, buffer, sizeof(buffer)))) > 0) {
		for (long at = 0; at < length; entries++) {
			const struct dirent64 *entry = (const void *)(buffer + at);
			struct stat found;

			if (with_stat)
				must(fstatat(directory, entry->d_name, &found, AT_SYMLINK_NOFOLLOW));
			at += entry->d_reclen;
		}
	}
	close(directory);
	return entries;
}

static void list_passes(const struct workload *workload, unsigned int count, bool with_stat)
{
	const char *name = directory_of((unsigned int)workload->argument);

	for (unsigned int done = 0; done < count; done += (unsigned int)workload->argument)
		if (list(name, with_stat) != (unsigned int)workload->argument + 2)
			die("%s: not every entry was listed once", name);
}

void readdir_only(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	list_passes(workload, count, false);
}

void readdir_and_stat(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	list_passes(workload, count, true);
}

void run_ls(struct place *place, const struct workload *workload, unsigned int count)
{
	char command[64];

	(void)place;
	snprintf(command, sizeof(command), "ls -l %s >/dev/null",
		 directory_of((unsigned int)workload->argument));
	for (unsigned int done = 0; done < count; done += (unsigned int)workload->argument)
		if (system(command) != 0)
			die("'%s' fails", command);
}
