/* SPDX-License-Identifier: MIT */
/*
 * For tests of libsegfs: a group of cases runs with SEGFS_MOUNT naming a mount of segfs, with and without
 * passthrough, and a directory of another file system.
 */
#ifndef SEGFS_TESTS_MOUNT_LIBRARY_H
#define SEGFS_TESTS_MOUNT_LIBRARY_H

#include "tests/mount/harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mount mounted; /* zeroed in the other directory */
static char place[PATH_MAX]; /* SEGFS_MOUNT */

static inline bool is_on_segfs(void)
{
	return mounted.supervisor > 0;
}

static inline const char *at(const char *name)
{
	return path_of("%s/%s", place, name);
}

static inline int library_run_in(const char *group, const char *directory, const struct CMUnitTest *cases,
				 size_t n)
{
	snprintf(place, sizeof(place), "%s", directory);
	if (setenv("SEGFS_MOUNT", place, 1) < 0)
		return 1;
	return _cmocka_run_group_tests(group, cases, n, NULL, NULL);
}

static inline int library_run_on_segfs(const char *mode, const struct CMUnitTest *cases, size_t n)
{
	const struct mount_spec spec = {.tag = mode, .options = path_of("io_mode=%s", mode)};
	int failed;

	if (mount_start(&mounted, &spec) < 0)
		return 1;
	failed = library_run_in(mode, mounted.path, cases, n);
	return failed + (mount_stop(&mounted) < 0);
}

/* Returns main's result. */
static inline int library_run(const struct CMUnitTest *cases, size_t n)
{
	char directory[PATH_MAX];
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = library_run_on_segfs("direct", cases, n);
	failed += library_run_on_segfs("relayed", cases, n);
	memset(&mounted, 0, sizeof(mounted));
	snprintf(directory, sizeof(directory), "%s/elsewhere", test_directory());
	if (mkdir(directory, 0777) < 0 || chmod(directory, 0777) < 0)
		return failed + 1;
	return failed + library_run_in("elsewhere", directory, cases, n);
}

#endif
