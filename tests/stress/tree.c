// SPDX-License-Identifier: MIT
/* Comparing trees by the attributes that twin.h records of files. */
#include "lib/base/cleanup.h"
#include "tests/lib/twin.h"
#include "tests/stress/stress.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRIES 512 /* per directory */

static int compare_names(const void *left, const void *right)
{
	return strcmp(left, right);
}

static void note_tree(const char *path)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char(*names)[64] = calloc(ENTRIES, sizeof(*names));
	const struct dirent *entry;
	struct stat stat;
	size_t n = 0;

	note_stat(path);
	note_xattrs(path);
	if (!names || lstat(path, &stat) < 0)
		return;
	if (S_ISREG(stat.st_mode))
		note_bytes(path);
	if (!S_ISDIR(stat.st_mode))
		return;
	note_list(path);
	dir = opendir(path);
	while (dir && n < ENTRIES && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			snprintf(names[n++], sizeof(names[0]), "%.60s", entry->d_name);
	qsort(names, n, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < n; i++) {
		char below[512];

		snprintf(below, sizeof(below), "%s/%s", path, names[i]);
		note_tree(below);
	}
}

/* Returns the description of a tree, which the caller frees, or NULL. */
static char *text_of(const char *root)
{
	_cleanup_close_ int here = open(".", O_PATH | O_CLOEXEC);
	_cleanup_close_ int log = memfd_create("tree", MFD_CLOEXEC);
	struct stat stat;
	char *text;

	if (here < 0 || log < 0 || chdir(root) < 0)
		return NULL;
	twin.log = log;
	note_tree(".");
	if (fchdir(here) < 0 || fstat(log, &stat) < 0)
		return NULL;
	text = calloc(1, (size_t)stat.st_size + 1);
	if (text && pread(log, text, (size_t)stat.st_size, 0) != stat.st_size)
		*text = '\0';
	return text;
}

bool trees_are_equal(const char *one, const char *other)
{
	_cleanup_free_ char *of_one = text_of(one);
	_cleanup_free_ char *of_other = text_of(other);
	size_t line = 0;
	size_t at = 0;

	if (!of_one || !of_other) {
		fprintf(stderr, "%s, %s: can't be listed: %s\n", one, other, strerror(errno));
		return false;
	}
	if (strcmp(of_one, of_other) == 0)
		return true;
	for (; of_one[at] && of_one[at] == of_other[at]; at++)
		if (of_one[at] == '\n')
			line = at + 1;
	fprintf(stderr, "trees differ\n%s: %.*s\n%s: %.*s\n", one, (int)strcspn(of_one + line, "\n"),
		of_one + line, other, (int)strcspn(of_other + line, "\n"), of_other + line);
	return false;
}
