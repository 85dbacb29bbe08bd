// SPDX-License-Identifier: MIT
/*
 * Policy changes while a segment is open: when they are refused, and the I/O mode of opens before and after.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"
#include "tests/mount/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- switching --- */

static void expect_mode(int fd, const char *expected)
{
	char value[64] = "";

	check(fgetxattr(fd, OWN "io-mode", value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

/* The errno of setting a field in another process, 0 on success. */
static int set_elsewhere(const char *path, const char *field, const char *value)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0)
		_exit(set(path, field, value) < 0 ? errno : 0);
	check(waitpid(child, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

/* Restore tools set attributes of a file while they have it open. */
static void own_opens_are_not(void **unused)
{
	static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR};

	(void)unused;
	for (size_t how = 0; how < sizeof(flags) / sizeof(flags[0]); how++) {
		for (int new = 0; new < 2; new ++) {
			int fd = new ? (int)check(open(at_mount("file"),
						       flags[how] | O_CREAT | O_EXCL | O_CLOEXEC, 0600))
				     : -1;

			if (!new) {
				make_closed("file", PAGE);
				fd = (int)check(open(at_mount("file"), flags[how] | O_CLOEXEC));
			}
			assert_int_equal(set_elsewhere(at_mount("file"), "lock", "mandatory"), EBUSY);
			for (size_t i = 0; i < N_FIELDS; i++) {
				check(fset(fd, fields[i].field, fields[i].other));
				expect_field(at_mount("file"), fields[i].field, fields[i].as_written);
			}
			close(fd);
			close_all_but(0);
			fd = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
			expect_mode(fd, "mediated");
			close(fd);
			check(unlink(at_mount("file")));
		}
	}
}

/* The first open for writing determines the size of a segment, by any operation. */
static void filled_while_fixed(void **unused)
{
	static const char bytes[] = "0123456789";
	int fd;

	(void)unused;
	for (int by_mknod = 0; by_mknod < 2; by_mknod++) {
		fd = -1;
		if (by_mknod)
			check(mknod(at_mount("file"), S_IFREG | 0600, 0));
		else
			fd = (int)check(open(at_mount("file"),
					     O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600));
		check(set(at_mount("file"), "size-policy", "fixed"));
		if (by_mknod)
			fd = (int)check(open(at_mount("file"), O_WRONLY | O_CLOEXEC));
		expect_mode(fd, "mediated");
		assert_int_equal(check(write(fd, bytes, 5)), 5);
		worker_replace(&mount);
		assert_int_equal(check(write(fd, bytes, 5)), 5);
		/* a size set by ftruncate(2) stays */
		check(ftruncate(fd, 8));
		check(lseek(fd, 0, SEEK_END));
		check_error(EFBIG, write(fd, bytes, 1));
		check_error(EPERM, ftruncate(fd, 9));
		close(fd);
		check(unlink(at_mount("file")));
	}
	check(mkdir(at_mount("dir"), 0700));
	check(set(at_mount("dir"), "size-policy", "fixed"));
	fd = (int)check(open(at_mount("dir/file"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	assert_int_equal(check(write(fd, bytes, 10)), 10);
	close(fd);
	close_all_but(0);
	/* and so does the size after a write */
	fd = (int)check(open(at_mount("dir/file"), O_WRONLY | O_APPEND | O_CLOEXEC));
	check_error(EFBIG, write(fd, bytes, 1));
	check_error(EPERM, ftruncate(fd, 11));
	close(fd);
	check(unlink(at_mount("dir/file")));
	check(rmdir(at_mount("dir")));
}

static void direct_opens_in_the_way(void **unused)
{
	static const char *const of_writers[][2] = {{"commit", "yes"}, {"size-policy", "fixed"}};
	struct snapshot before;
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	before = snapshot_of(at_mount("file"));
	for (int reads_only = 0; reads_only < 2; reads_only++) {
		for (size_t i = 0; i < 2; i++) {
			fd = (int)check(open(at_mount("file"), (reads_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
			expect_mode(fd, "direct");
			if (!reads_only) {
				assert_int_equal(
					set_elsewhere(at_mount("file"), of_writers[i][0], of_writers[i][1]),
					EBUSY);
				expect_unchanged(at_mount("file"), &before);
				worker_replace(&mount);
				assert_int_equal(
					set_elsewhere(at_mount("file"), of_writers[i][0], of_writers[i][1]),
					EBUSY);
				/* opens are unaffected, too */
				expect_mode(fd, "direct");
				check(ftruncate(fd, 2 * PAGE));
				check(ftruncate(fd, PAGE));
			} else {
				check(set(at_mount("file"), of_writers[i][0], of_writers[i][1]));
				check(removexattr(at_mount("file"), own(of_writers[i][0])));
			}
			close(fd);
			close_all_but(0);
		}
		fd = (int)check(open(at_mount("file"), (reads_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
		assert_int_equal(set_elsewhere(at_mount("file"), "lock", "mandatory"), EBUSY);
		expect_unchanged(at_mount("file"), &before);
		expect_mode(fd, "direct");
		close(fd);
		close_all_but(0);
	}
	check(set(at_mount("file"), "lock", "mandatory"));
	/* loosening is never refused */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_mode(fd, "mediated");
	check(set(at_mount("file"), "lock", "advisory"));
	check(set(at_mount("file"), "lock", "mandatory"));
	check(set(at_mount("file"), "lock", "advisory"));
	close(fd);
	close_all_but(0);
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_mode(fd, "direct");
	close(fd);
	check(unlink(at_mount("file")));
}

static void mediated_opens_are_not(void **unused)
{
	char byte = 'x';
	int fd;
	int reader;

	(void)unused;
	make_closed("file", PAGE);
	/* in direct mode this applies to appends */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_APPEND | O_CLOEXEC));
	expect_mode(fd, "mediated");
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < N_FIELDS; i++) {
			check(set(at_mount("file"), fields[i].field, fields[i].other));
			expect_field(at_mount("file"), fields[i].field, fields[i].as_written);
		}
		/* existing opens obey as well */
		check_error(EFBIG, write(fd, &byte, 1));
		check_error(EPERM, ftruncate(fd, 0));
		reader = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
		expect_mode(reader, "mediated");
		close(reader);
		for (size_t i = 0; i < N_FIELDS; i++)
			check(removexattr(at_mount("file"), own(fields[i].field)));
		assert_int_equal(check(write(fd, &byte, 1)), 1);
		worker_replace(&mount);
	}
	close(fd);
	check(unlink(at_mount("file")));
}

static void relayed_opens_in_the_way(void **unused)
{
	_cleanup_close_ int fd = make("file", PAGE);

	(void)unused;
	expect_mode(fd, "relayed");
	assert_int_equal(set_elsewhere(at_mount("file"), "lock", "mandatory"), EBUSY);
	expect_field(at_mount("file"), "lock", "advisory");
	/* the daemon sees all writes */
	check(fset(fd, "commit", "yes"));
	check(fset(fd, "size-policy", "fixed"));
	check_error(EFBIG, pwrite(fd, "x", 1, PAGE));
	check_error(EPERM, ftruncate(fd, 0));
	close(fd);
	fd = -1;
	close_all_but(0);
	check(set(at_mount("file"), "lock", "mandatory"));
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_mode(fd, "mediated");
	check(unlink(at_mount("file")));
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest direct[] = {CASE(direct_opens_in_the_way), CASE(own_opens_are_not),
						   CASE(filled_while_fixed), CASE(mediated_opens_are_not)};
	static const struct CMUnitTest mediated[] = {CASE(mediated_opens_are_not)};
	static const struct CMUnitTest relayed[] = {CASE(relayed_opens_in_the_way)};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	if (!kernel_has("passthrough"))
		skip_program("passthrough");
	failed += run_in_mode("direct-mand", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	failed += run_in_mode("mediated-mand", mediated, sizeof(mediated) / sizeof(mediated[0]), start, stop);
	failed += run_in_mode("relayed-mand", relayed, sizeof(relayed) / sizeof(relayed[0]), start, stop);
	return failed;
}
