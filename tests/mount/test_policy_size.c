// SPDX-License-Identifier: MIT
/*
 * The policies `commit` and `size-policy`: memory reserved from the beginning, fixed sizes. In direct,
 * mediated and relayed mode.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"
#include "tests/mount/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- commit --- */

static void commit_allocates(void **unused)
{
	char byte = 'x';
	off_t from = 0;
	off_t to = 6 * (off_t)MEGA;
	int source;
	int fd;

	(void)unused;
	make_closed("file", MEGA);
	assert_true(allocated("file") < MEGA);
	check(set(at_mount("file"), "commit", "yes"));
	assert_int_equal(size_of("file"), MEGA);
	assert_true(allocated("file") >= MEGA);
	/* by path and by descriptor */
	check(truncate(at_mount("file"), 2 * (off_t)MEGA));
	assert_true(allocated("file") >= 2 * MEGA);
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	check(ftruncate(fd, 3 * (off_t)MEGA));
	assert_true(allocated("file") >= 3 * MEGA);
	/* over a gap */
	assert_int_equal(check(pwrite(fd, &byte, 1, 4 * (off_t)MEGA)), 1);
	assert_int_equal(size_of("file"), 4 * MEGA + 1);
	assert_true(allocated("file") >= 4 * MEGA + 1);
	check(fallocate(fd, 0, 5 * (off_t)MEGA - 1, 1));
	assert_int_equal(size_of("file"), 5 * MEGA);
	assert_true(allocated("file") >= 5 * MEGA);
	source = make("source", PAGE);
	assert_int_equal(check(copy_file_range(source, &from, fd, &to, PAGE, 0)), PAGE);
	assert_int_equal(size_of("file"), 6 * MEGA + PAGE);
	assert_true(allocated("file") >= 6 * MEGA + PAGE);
	/* shrinking frees memory, growing reserves it */
	check(ftruncate(fd, PAGE));
	assert_true(allocated("file") < MEGA);
	check(ftruncate(fd, MEGA));
	assert_true(allocated("file") >= MEGA);
	check(close((int)check(open(at_mount("file"), O_WRONLY | O_TRUNC | O_CLOEXEC))));
	assert_int_equal(size_of("file"), 0);
	assert_int_equal(check(pwrite(fd, &byte, 1, MEGA)), 1);
	assert_true(allocated("file") >= MEGA + 1);
	check_error(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	assert_true(allocated("file") >= MEGA + 1);
	close(fd);
	close(source);
	check(unlink(at_mount("file")));
	check(unlink(at_mount("source")));
}

/* Operations on memory only do not change the size. */
static void a_copy_of_nothing(void **unused)
{
	off_t from = PAGE;
	off_t to = MEGA;
	_cleanup_close_ int source = make("source", PAGE);
	_cleanup_close_ int fd = -1;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "commit", "yes"));
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	assert_int_equal(check(copy_file_range(source, &from, fd, &to, PAGE, 0)), 0);
	assert_int_equal(size_of("file"), PAGE);
	check(unlink(at_mount("file")));
	check(unlink(at_mount("source")));
}

static long long free_in_small(void)
{
	struct statvfs found;

	check(statvfs(at_store("small"), &found));
	return (long long)found.f_bfree * (long long)found.f_frsize;
}

static void expect_content(const char *name, off_t size)
{
	char found[8] = "";
	_cleanup_close_ int fd = (int)check(open(at_mount(name), O_RDONLY | O_CLOEXEC));
	struct stat stat_;

	check(fstat(fd, &stat_));
	assert_int_equal(stat_.st_size, size);
	assert_int_equal(size_of(name), size);
	assert_int_equal(check(pread(fd, found, 7, 0)), 7);
	assert_string_equal(found, "content");
}

static void no_space_at_once(void **unused)
{
	static char bytes[MEGA];
	long long room;
	off_t from = 0;
	off_t to;
	int source;
	int fd;

	(void)unused;
	make_closed("small/file", PAGE);
	check(set(at_mount("small/file"), "commit", "yes"));
	fd = (int)check(open(at_mount("small/file"), O_RDWR | O_CLOEXEC));
	assert_int_equal(check(pwrite(fd, "content", 7, 0)), 7);
	source = make("source", MEGA);
	check_error(ENOSPC, ftruncate(fd, 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	check_error(ENOSPC, truncate(at_mount("small/file"), 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	check_error(ENOSPC, pwrite(fd, bytes, 1, 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	check_error(ENOSPC, fallocate(fd, 0, 0, 2 * (off_t)SMALL_STORE));
	expect_content("small/file", PAGE);
	to = 2 * (off_t)SMALL_STORE;
	check_error(ENOSPC, copy_file_range(source, &from, fd, &to, PAGE, 0));
	expect_content("small/file", PAGE);
	room = free_in_small();
	assert_true(room > 3 * MEGA);
	/* enough space for the gap, but not for the data behind it */
	check_error(ENOSPC, pwrite(fd, bytes, sizeof(bytes), PAGE + room));
	expect_content("small/file", PAGE);
	from = 0;
	to = PAGE + room;
	check_error(ENOSPC, copy_file_range(source, &from, fd, &to, PAGE, 0));
	expect_content("small/file", PAGE);
	check(ftruncate(fd, PAGE));
	assert_int_equal(free_in_small(), room);
	/* all of it */
	check(ftruncate(fd, PAGE + room));
	expect_content("small/file", PAGE + room);
	assert_int_equal(free_in_small(), 0);
	check_error(ENOSPC, ftruncate(fd, PAGE + room + 1 + PAGE));
	expect_content("small/file", PAGE + room);
	close(fd);
	close(source);
	check(unlink(at_mount("small/file")));
	check(unlink(at_mount("source")));
	assert_true(wait_for(free_in_small() >= SMALL_STORE - 2 * PAGE));
}

static void no_space_for_what_is_there(void **unused)
{
	struct snapshot before;

	(void)unused;
	make_closed("small/file", 2 * (off_t)SMALL_STORE);
	before = snapshot_of(at_mount("small/file"));
	check_error(ENOSPC, set(at_mount("small/file"), "commit", "yes"));
	expect_unchanged(at_mount("small/file"), &before);
	assert_int_equal(size_of("small/file"), 2 * SMALL_STORE);
	assert_true(free_in_small() > 3 * MEGA);
	/* the I/O mode of opens is unchanged */
	check(close((int)check(open(at_mount("small/file"), O_RDWR | O_CLOEXEC))));
	expect_field(at_mount("small/file"), "io-mode", mode);
	check(unlink(at_mount("small/file")));
}

/* 0 = every page could be written. */
static int fill_view(const char *path, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char *view = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || view == MAP_FAILED)
		return 1;
	for (size_t at = 0; at < size; at += PAGE)
		view[at] = 'v';
	return msync(view, size, MS_SYNC) < 0 ? 2 : 0;
}

static void views_of_what_is_committed(void **unused)
{
	static char bytes[PAGE];
	int status;
	pid_t child;
	int other;

	(void)unused;
	make_closed("small/file", 0);
	check(set(at_mount("small/file"), "commit", "yes"));
	check(truncate(at_mount("small/file"), 2 * (off_t)MEGA));
	/* another file takes all remaining space */
	other = make("small/other", 0);
	while (write(other, bytes, sizeof(bytes)) == sizeof(bytes))
		;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(free_in_small(), 0);
	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0)
		_exit(fill_view(at_mount("small/file"), 2 * (size_t)MEGA));
	check(waitpid(child, &status, 0));
	assert_int_equal(status, 0);
	close(other);
	check(unlink(at_mount("small/file")));
	check(unlink(at_mount("small/other")));
}

/* --- a size that is fixed --- */

static volatile sig_atomic_t size_signals;

static void count_signal(int number)
{
	(void)number;
	size_signals++;
}

static void expect_fixed(const char *name, off_t size)
{
	static char bytes[4 * PAGE];
	char path[PATH_MAX];
	_cleanup_close_ int fd = (int)check(open(at_mount(name), O_RDWR | O_CLOEXEC));
	_cleanup_close_ int append = (int)check(open(at_mount(name), O_WRONLY | O_APPEND | O_CLOEXEC));
	_cleanup_close_ int source = make("source", 4 * (off_t)PAGE);
	off_t from = 0;
	off_t to;

	snprintf(path, sizeof(path), "%s", at_mount(name));
	check_error(EPERM, ftruncate(fd, size - 1));
	check_error(EPERM, ftruncate(fd, size + 1));
	check_error(EPERM, ftruncate(fd, 0));
	check_error(EPERM, truncate(path, 0));
	check_error(EPERM, truncate(path, size * 2));
	check(ftruncate(fd, size));
	check(truncate(path, size));
	check_error(EPERM, open(path, O_WRONLY | O_TRUNC | O_CLOEXEC));
	check_error(EPERM, open(path, O_RDWR | O_TRUNC | O_CLOEXEC));
	check_error(EPERM, open(path, O_RDONLY | O_TRUNC | O_CLOEXEC));
	check_error(EPERM, open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	assert_int_equal(size_of(name), size);
	/* writes */
	check_error(EFBIG, pwrite(fd, bytes, 1, size));
	check_error(EFBIG, pwrite(fd, bytes, sizeof(bytes), size));
	check_error(EFBIG, pwrite(fd, bytes, 1, size + 10 * (off_t)MEGA));
	check_error(EFBIG, write(append, "x", 1));
	assert_int_equal(check(pwrite(fd, bytes, sizeof(bytes), size - 100)), 100);
	assert_int_equal(check(pwrite(fd, bytes, 1, size - 1)), 1);
	assert_int_equal(
		check(pwrite(fd, bytes, (size_t)size < sizeof(bytes) ? (size_t)size : sizeof(bytes), 0)),
		(size_t)size < sizeof(bytes) ? (size_t)size : sizeof(bytes));
	assert_int_equal(check(pwrite(fd, bytes, 0, size + 1)), 0);
	/* write(2), which continues after a short write */
	check(lseek(fd, size - 10, SEEK_SET));
	assert_int_equal(check(write(fd, bytes, 100)), 10);
	assert_int_equal(check(lseek(fd, 0, SEEK_CUR)), size);
	check_error(EFBIG, write(fd, bytes, 90));
	assert_int_equal(check(lseek(fd, 0, SEEK_CUR)), size);
	assert_int_equal(size_of(name), size);
	/* O_APPEND set and cleared */
	check(lseek(fd, 0, SEEK_SET));
	check(fcntl(fd, F_SETFL, O_APPEND));
	check_error(EFBIG, write(fd, "x", 1));
	check(fcntl(fd, F_SETFL, 0));
	assert_int_equal(check(pwrite(append, "y", 0, 0)), 0);
	/* fallocate */
	check_error(EPERM, fallocate(fd, 0, 0, size + 1));
	check_error(EPERM, fallocate(fd, 0, size, 1));
	check(fallocate(fd, 0, 0, size));
	check(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size + PAGE));
	check(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, PAGE));
	/* the kernel refuses these itself */
	assert_true(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE) < 0 &&
		    (errno == EPERM || errno == EOPNOTSUPP));
	assert_true(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, PAGE) < 0 &&
		    (errno == EPERM || errno == EOPNOTSUPP));
	assert_int_equal(size_of(name), size);
	/* copies */
	to = size - 100;
	assert_int_equal(check(copy_file_range(source, &from, fd, &to, PAGE, 0)), 100);
	assert_int_equal(to, size);
	check_error(EFBIG, copy_file_range(source, &from, fd, &to, PAGE, 0));
	to = size + PAGE;
	check_error(EFBIG, copy_file_range(source, &from, fd, &to, PAGE, 0));
	assert_int_equal(size_of(name), size);
	check(unlink(at_mount("source")));
}

static void a_fixed_size(void **unused)
{
	const struct sigaction counted = {.sa_handler = count_signal};
	struct sigaction before;
	int fd;

	(void)unused;
	check(sigaction(SIGXFSZ, &counted, &before));
	size_signals = 0;
	/* a file with a size */
	make_closed("file", 3 * PAGE + 500);
	check(set(at_mount("file"), "size-policy", "fixed"));
	expect_fixed("file", 3 * PAGE + 500);
	worker_replace(&mount);
	expect_fixed("file", 3 * PAGE + 500);
	check(unlink(at_mount("file")));
	/* a file that gets one: by ftruncate, by truncate, by fallocate */
	for (int way = 0; way < 3; way++) {
		make_closed("file", 0);
		check(set(at_mount("file"), "size-policy", "fixed"));
		fd = (int)check(open(at_mount("file"), O_RDWR | O_TRUNC | O_CLOEXEC));
		check_error(EFBIG, pwrite(fd, "x", 1, 0));
		check_error(EFBIG, pwrite(fd, "x", 1, PAGE));
		check(ftruncate(fd, 0));
		check(close((int)check(open(at_mount("file"), O_RDWR | O_TRUNC | O_CLOEXEC))));
		check(way == 0   ? ftruncate(fd, 2 * PAGE)
		      : way == 1 ? truncate(at_mount("file"), 2 * PAGE)
				 : fallocate(fd, 0, PAGE, PAGE));
		close(fd);
		expect_fixed("file", 2 * PAGE);
		check(unlink(at_mount("file")));
	}
	/* inherited */
	check(mkdir(at_mount("dir"), 0755));
	check(set(at_mount("dir"), "size-policy", "fixed"));
	make_closed("dir/file", 5 * PAGE);
	expect_fixed("dir/file", 5 * PAGE);
	/* and variable again */
	check(set(at_mount("dir/file"), "size-policy", "variable"));
	check(truncate(at_mount("dir/file"), 1));
	assert_int_equal(size_of("dir/file"), 1);
	check(unlink(at_mount("dir/file")));
	check(rmdir(at_mount("dir")));
	assert_int_equal(size_signals, 0);
	check(sigaction(SIGXFSZ, &before, NULL));
}

/* A refused open has no effect on the lifetime, whatever it would have truncated. */
static void a_refused_open_is_none(void **unused)
{
	char value[64] = "";

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "size-policy", "fixed"));
	check(set(at_mount("file"), "writers", "1"));
	check(set(at_mount("file"), "lifetime", "last-close"));
	check_error(EPERM, open(at_mount("file"), O_WRONLY | O_TRUNC | O_CLOEXEC));
	/* the creator's RELEASE arrives a moment later */
	assert_true(wait_for(getxattr(at_mount("file"), OWN "attached", value, sizeof(value)) == 1 &&
			     *value == '0'));
	/* no record of the open is left, neither now nor at the end of another segment */
	make_closed("ends", 0);
	check(set(at_mount("ends"), "lifetime", "last-close"));
	check(close((int)check(open(at_mount("ends"), O_RDONLY | O_CLOEXEC))));
	assert_true(wait_for(access(at_mount("ends"), F_OK) < 0));
	check(access(at_store("file"), F_OK));
	check_error(ENODATA, getxattr(at_store("file"), "trusted.segfs.use", NULL, 0));
	check(unlink(at_mount("file")));
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(commit_allocates),           CASE(a_copy_of_nothing),          CASE(no_space_at_once),
		CASE(no_space_for_what_is_there), CASE(views_of_what_is_committed), CASE(a_fixed_size),
		CASE(a_refused_open_is_none)};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_each_mode(cases, sizeof(cases) / sizeof(cases[0]), start, stop);
}
