// SPDX-License-Identifier: MIT
/*
 * Names of segments with lifetime last-close: all of them are removed, and nothing else is, whatever happens
 * to them meanwhile. In memory and on disk, across worker deaths.
 */
#include "tests/lib/job.h"
#include "tests/lib/modes.h"
#include "tests/mount/lifetime.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void all_names_go(void **unused)
{
	static const char *const names[] = {"file", "other", "dir/third", "dir/deep/fourth"};

	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");

		check(mkdir(at_mount("dir"), 0755));
		check(mkdir(at_mount("dir/deep"), 0755));
		for (size_t i = 1; i < 4; i++)
			check(link(at_mount("file"), at_mount(names[i])));
		check(set("dir/third", "last-close"));
		perhaps_replace_worker(killed);
		close(fd);
		for (size_t i = 0; i < 4; i++)
			assert_gone(names[i]);
		check(rmdir(at_mount("dir/deep")));
		check(rmdir(at_mount("dir")));
	}
}

/* The first name is removed before the last close, and used again by another file. */
static void renamed_before_the_close(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");

		check(set("file", "last-close"));
		check(mkdir(at_mount("dir"), 0755));
		check(rename(at_mount("file"), at_mount("dir/renamed")));
		close_to(make("file"), 1);
		perhaps_replace_worker(killed);
		check(rename(at_mount("dir"), at_mount("moved")));
		close(fd);
		assert_gone("moved/renamed");
		assert_stays("file");
		check(unlink(at_mount("file")));
		check(rmdir(at_mount("moved")));
	}
}

static void names_of_all_kinds(void **unused)
{
	char longest[NAME_MAX + 1];
	const char *const names[] = {
		"line\nbreak", "\n", " ",        "-",          "file (deleted)",
		"\\012",       "%s", "\xff\xfe", "\"quoted\"", longest,
	};

	(void)unused;
	memset(longest, 'n', NAME_MAX);
	longest[NAME_MAX] = 0;
	for (int deep = 0; deep < 2; deep++) {
		char dir[PATH_MAX] = "";

		if (deep)
			snprintf(dir, sizeof(dir), "%s/", longest);
		if (deep)
			check(mkdir(at_mount(longest), 0755));
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char name[2 * NAME_MAX + 2];
			int fd;

			snprintf(name, sizeof(name), "%s%s", dir, names[i]);
			fd = make(name);
			check(set(name, "last-close"));
			close(fd);
			assert_gone(name);
		}
		if (deep)
			check(rmdir(at_mount(longest)));
	}
	/* a file whose name looks as if another one had been removed */
	{
		int fd = make("file");

		close_to(make("file (deleted)"), 1);
		check(set("file", "last-close"));
		close(fd);
		assert_gone("file");
		assert_stays("file (deleted)");
		check(unlink(at_mount("file (deleted)")));
	}
}

static void another_file_has_the_name(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		for (int way = 0; way < 3; way++) {
			int fd = make("file");
			char byte;

			check(set("file", "last-close"));
			if (way == 0) {
				close_to(make("other"), 1);
				check(rename(at_mount("other"), at_mount("file")));
			} else if (way == 1) {
				check(unlink(at_mount("file")));
				close_to(make("file"), 1);
			} else {
				close_to(make("other"), 1);
				check(renameat2(AT_FDCWD, at_mount("other"), AT_FDCWD, at_mount("file"),
						RENAME_EXCHANGE));
			}
			perhaps_replace_worker(killed);
			assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
			close(fd);
			assert_true(wait_for(mount_handles(&mounted) == 0));
			if (way == 2)
				assert_gone("other");
			assert_stays("file");
			expect_lifetime("file", "persistent");
			check(unlink(at_mount("file")));
		}
	}
}

static void look_for(struct job *job, void *context)
{
	const char *path = context;
	struct stat stat_;

	job_must(job, lstat(path, &stat_) == 0);
	atomic_fetch_add(&job->steps, 1);
	while (!atomic_load(&job->stop))
		if (lstat(path, &stat_) < 0) {
			job_must(job, errno == ENOENT);
			atomic_fetch_add(&job->steps, 1);
			return;
		}
}

/* The kernel has cached the name, for a process that looks it up again and again. */
static void others_hear_of_the_end(void **unused)
{
	char path[PATH_MAX];
	struct job *job;
	bool heard;
	int fd;

	(void)unused;
	make_closed("file");
	snprintf(path, sizeof(path), "%s", at_mount("file"));
	check(set("file", "last-close"));
	job = job_start(look_for, path);
	assert_non_null(job);
	heard = wait_for(atomic_load(&job->steps) == 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	heard = heard && wait_for(atomic_load(&job->steps) == 2);
	assert_int_equal(job_end(&job), 0);
	assert_true(heard);
	assert_gone("file");
}

/* A process that creates and removes names in the directory blocks nobody. */
static void work_in_directory(struct job *job, void *context)
{
	const char *dir = context;

	while (!atomic_load(&job->stop)) {
		const char *path = path_of("%s/work", dir);
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		job_must(job, fd >= 0);
		job_must(job, rename(path, path_of("%s/work-2", dir)) == 0);
		job_must(job, unlink(path_of("%s/work-2", dir)) == 0);
		job_must(job, close(fd) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void many_ends_in_a_busy_directory(void **unused)
{
	char path[PATH_MAX];
	struct job *job;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "last-close"));
	snprintf(path, sizeof(path), "%s", at_mount("dir"));
	job = job_start(work_in_directory, path);
	assert_non_null(job);
	for (int i = 0; i < 100; i++)
		close(make(path_of("dir/file-%d", i)));
	for (int i = 0; i < 100; i++)
		assert_gone(path_of("dir/file-%d", i));
	assert_true(job_goes_on(job, 10));
	assert_int_equal(job_end(&job), 0);
	check(rmdir(at_mount("dir")));
}

static void rename_forever(struct job *job, void *context)
{
	const char *dir = context;
	char names[2][PATH_MAX];

	for (int i = 0; i < 2; i++)
		snprintf(names[i], sizeof(names[i]), "%s/%d/file", dir, i);
	for (int i = 0; !atomic_load(&job->stop); i++)
		if (rename(names[i % 2], names[(i + 1) % 2]) == 0)
			atomic_fetch_add(&job->steps, 1);
		else
			job_must(job, errno == ENOENT);
}

/* Renaming a segment all the time does not save it. */
static void renamed_while_it_ends(void **unused)
{
	char path[PATH_MAX];
	struct job *job;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(mkdir(at_mount("dir/0"), 0755));
	check(mkdir(at_mount("dir/1"), 0755));
	snprintf(path, sizeof(path), "%s", at_mount("dir"));
	job = job_start(rename_forever, path);
	assert_non_null(job);
	for (int i = 0; i < 50; i++) {
		int fd = make("dir/0/file");

		check(fsetxattr(fd, LIFETIME, "last-close", 10, 0));
		assert_true(job_goes_on(job, 1));
		close(fd);
		assert_true(
			wait_for(is_gone("dir/0/file") && is_gone("dir/1/file") && is_gone("dir/0/file")));
	}
	assert_int_equal(job_end(&job), 0);
	check(rmdir(at_mount("dir/0")));
	check(rmdir(at_mount("dir/1")));
	check(rmdir(at_mount("dir")));
}

static void replace_at_once(struct job *job, void *context)
{
	const char *dir = context;
	char from[PATH_MAX];
	char to[PATH_MAX];

	snprintf(from, sizeof(from), "%s/other", dir);
	snprintf(to, sizeof(to), "%s/file", dir);
	while (!atomic_load(&job->stop))
		if (rename(from, to) == 0)
			atomic_fetch_add(&job->steps, 1);
		else
			job_must(job, errno == ENOENT);
}

/* Another file that gets the name at the moment of the end is not removed. */
static void replaced_while_it_ends(void **unused)
{
	char path[PATH_MAX];
	struct job *job;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	snprintf(path, sizeof(path), "%s", at_mount("dir"));
	job = job_start(replace_at_once, path);
	assert_non_null(job);
	for (int i = 0; i < 500; i++) {
		unsigned long before = atomic_load(&job->steps);
		int fd = make("dir/file");

		check(fsetxattr(fd, LIFETIME, "last-close", 10, 0));
		check(mknod(at_mount("dir/prepared"), S_IFREG | 0600, 0));
		if (i % 2)
			check(rename(at_mount("dir/prepared"), at_mount("dir/other")));
		close(fd);
		if (i % 2 == 0)
			check(rename(at_mount("dir/prepared"), at_mount("dir/other")));
		assert_true(wait_for(atomic_load(&job->steps) > before && mount_handles(&mounted) == 0));
		assert_true(stays_for("dir/file", 1));
		check(unlink(at_mount("dir/file")));
	}
	assert_int_equal(job_end(&job), 0);
	check(rmdir(at_mount("dir")));
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest direct[] = {
		CASE(all_names_go),           CASE(renamed_before_the_close),
		CASE(names_of_all_kinds),     CASE(another_file_has_the_name),
		CASE(others_hear_of_the_end), CASE(many_ends_in_a_busy_directory),
		CASE(renamed_while_it_ends),  CASE(replaced_while_it_ends)};
	static const struct CMUnitTest disk[] = {CASE(all_names_go), CASE(renamed_before_the_close),
						 CASE(names_of_all_kinds), CASE(renamed_while_it_ends)};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	failed += run_in_mode("usual", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	if (disk_directory())
		failed += run_in_mode("disk-usual", disk, sizeof(disk) / sizeof(disk[0]), start, stop);
	return failed;
}
