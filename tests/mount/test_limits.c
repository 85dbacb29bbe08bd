// SPDX-License-Identifier: MIT
/*
 * Behaviour at limits: a full store, a daemon without free descriptors, operations across stores, many
 * entries. Errors are exact, nothing is lost, the daemon lives, and everything works again after resources
 * are freed.
 */
#include "lib/base/cleanup.h"
#include "tests/mount/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PAGE            4096
#define LIMIT           (4 * 1024 * 1024)
#define FEW_INODES      60
#define ENTRIES         ((int)rounds_of(100000))
#define FEW_DESCRIPTORS 64

static struct mount mounted;

static const char *in_small(const char *name)
{
	return path_of("%s/small/%s", mounted.path, name);
}

static int make(const char *path)
{
	return (int)check(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
}

static void assert_one_worker(void)
{
	assert_int_equal(mount_status(&mounted, "workers_started"), 1);
}

/* Writes pages until the first error, left in errno. Returns the bytes written. */
static off_t write_until_full(int fd)
{
	char page[PAGE];
	off_t written = 0;
	ssize_t length;

	memset(page, 'w', sizeof(page));
	while ((length = pwrite(fd, page, sizeof(page), written)) > 0)
		written += length;
	return written;
}

/* --- a store of 4 MiB --- */

static void writing_fills_it(void **state)
{
	struct statvfs usage;
	int fd = make(in_small("file"));
	int other;
	off_t written = write_until_full(fd);
	struct statvfs facts;
	char byte;

	(void)state;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(written, LIMIT);
	check(statvfs(in_small("file"), &facts));
	assert_int_equal(facts.f_bfree, 0);
	/* written data remain, and operations that need no space go on */
	check(pread(fd, &byte, 1, LIMIT - 1));
	assert_int_equal(byte, 'w');
	check(pwrite(fd, "x", 1, 0));
	other = make(in_small("empty"));
	check_error(ENOSPC, pwrite(other, "x", 1, 0));
	check(ftruncate(other, LIMIT));
	check(ftruncate(fd, LIMIT / 2));
	check(pwrite(other, "x", 1, 0));
	close(other);
	check(unlink(in_small("empty")));
	/* its page is freed once the kernel has sent FORGET */
	assert_true(
		wait_for(statvfs(in_small("."), &usage) == 0 && usage.f_bfree * usage.f_frsize >= LIMIT / 2));
	assert_int_equal(write_until_full(fd), LIMIT);
	assert_int_equal(errno, ENOSPC);
	check(unlink(in_small("file")));
	/* an open file without a name keeps its space */
	other = make(in_small("next"));
	check_error(ENOSPC, pwrite(other, "x", 1, 0));
	close(fd);
	assert_true(wait_for(pwrite(other, "x", 1, 0) == 1));
	assert_int_equal(write_until_full(other), LIMIT);
	close(other);
	check(unlink(in_small("next")));
	assert_one_worker();
}

static bool allocates(int fd, off_t length)
{
	return fallocate(fd, 0, 0, length) == 0;
}

static void allocating_fills_it(void **state)
{
	int fd = make(in_small("file"));
	struct stat stat;

	(void)state;
	/* files closed before free their space in a moment */
	assert_true(wait_for(allocates(fd, LIMIT)));
	check_error(ENOSPC, fallocate(fd, 0, LIMIT, PAGE));
	check_error(ENOSPC, fallocate(fd, FALLOC_FL_KEEP_SIZE, LIMIT, PAGE));
	check(fstat(fd, &stat));
	assert_int_equal(stat.st_size, LIMIT);
	check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, LIMIT));
	check(ftruncate(fd, 0));
	check_error(ENOSPC, fallocate(fd, 0, 0, LIMIT + 1));
	check(fstat(fd, &stat));
	assert_int_equal(stat.st_size, 0);
	check(fallocate(fd, 0, 0, LIMIT));
	close(fd);
	check(unlink(in_small("file")));
	assert_one_worker();
}

/* A hole that can't be filled raises SIGBUS in the view, as on a tmpfs; hence commit = yes. */
static void a_view_of_a_full_store(void **state)
{
	int fd = make(in_small("holes"));
	int full = make(in_small("full"));
	char *view;
	int status;
	pid_t child;

	(void)state;
	if (!mount_has_feature(&mounted, "passthrough"))
		skip_missing("passthrough");
	check(ftruncate(fd, PAGE));
	view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	assert_true(wait_for(allocates(full, LIMIT)));
	fflush(NULL);
	child = fork();
	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		view[0] = 'x';
		_exit(0);
	}
	check(waitpid(child, &status, 0));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	check(ftruncate(full, 0));
	view[0] = 'y';
	munmap(view, PAGE);
	close(fd);
	close(full);
	check(unlink(in_small("holes")));
	check(unlink(in_small("full")));
}

static void copying_fills_it(void **state)
{
	const char *outside = path_of("%s/large", mounted.path);
	int from = make(outside);
	int to = make(in_small("copy"));
	loff_t in = 0;
	loff_t out = 0;
	ssize_t copied;

	(void)state;
	check(fallocate(from, 0, 0, 2 * LIMIT));
	while ((copied = copy_file_range(from, &in, to, &out, LIMIT, 0)) > 0)
		;
	/* between two stores the kernel may not copy by itself */
	assert_true(copied < 0 && (errno == ENOSPC || errno == EXDEV));
	close(from);
	close(to);
	check(unlink(outside));
	check(unlink(in_small("copy")));
}

static void files_fill_it(void **state)
{
	char store[PATH_MAX];
	char name[32];
	int made = 0;
	int fd;

	(void)state;
	snprintf(store, sizeof(store), "%s", path_of("%s/small", mounted.store));
	if (mount(NULL, store, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV,
		  path_of("size=4M,nr_inodes=%d", FEW_INODES)) < 0)
		skip_missing("tmpfs with nr_inodes");
	for (;;) {
		snprintf(name, sizeof(name), "file-%d", made);
		fd = open(in_small(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0)
			break;
		close(fd);
		made++;
		assert_true(made < FEW_INODES);
	}
	assert_int_equal(errno, ENOSPC);
	assert_true(made > FEW_INODES / 2);
	check_error(ENOSPC, mkdir(in_small("dir"), 0755));
	check_error(ENOSPC, symlink("x", in_small("link")));
	check_error(ENOSPC, mkfifo(in_small("fifo"), 0644));
	check_error(ENOSPC, mknod(in_small("node"), S_IFREG | 0644, 0));
	check_error(ENOSPC, open(path_of("%s/small", mounted.path), O_RDWR | O_TMPFILE, 0600));
	check_error(ENOENT, access(in_small("dir"), F_OK));
	check(rename(in_small("file-0"), in_small("renamed")));
	check(unlink(in_small("renamed")));
	assert_true(wait_for(mkdir(in_small("dir"), 0755) == 0));
	check(rmdir(in_small("dir")));
	for (int i = 1; i < made; i++) {
		snprintf(name, sizeof(name), "file-%d", i);
		check(unlink(in_small(name)));
	}
	check(mount(NULL, store, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, "size=4M,nr_inodes=10000"));
	assert_one_worker();
}

/* --- borders between stores --- */

static void borders(void **state)
{
	const char *outside = path_of("%s/outside", mounted.path);
	char target[PATH_MAX];
	struct stat small;
	struct stat root;

	(void)state;
	snprintf(target, sizeof(target), "%s", in_small("inside"));
	close(make(outside));
	close(make(target));
	check_error(EXDEV, rename(outside, in_small("moved")));
	check_error(EXDEV, rename(target, path_of("%s/moved", mounted.path)));
	check_error(EXDEV, renameat2(AT_FDCWD, outside, AT_FDCWD, target, RENAME_EXCHANGE));
	check_error(EXDEV, link(outside, in_small("linked")));
	check_error(EBUSY, rmdir(path_of("%s/small", mounted.path)));
	check_error(EBUSY, rename(path_of("%s/small", mounted.path), path_of("%s/away", mounted.path)));
	/* programs see one file system, so inode numbers differ */
	check(stat(path_of("%s/small", mounted.path), &small));
	check(stat(mounted.path, &root));
	assert_int_equal(small.st_dev, root.st_dev);
	assert_int_not_equal(small.st_ino, root.st_ino);
	check(unlink(outside));
	check(unlink(target));
}

/* --- many --- */

static void many_entries(void **state)
{
	const char *store = path_of("%s/many", mounted.store);
	const char *path = path_of("%s/many", mounted.path);
	unsigned char *seen = calloc((size_t)ENTRIES, 1);
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char name[32];
	int number;
	int fd;
	int n = 0;

	(void)state;
	assert_non_null(seen);
	check(mkdir(path, 0755));
	/* created in the store, which is faster */
	fd = (int)check(open(store, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "entry-%d", i);
		check(mknodat(fd, name, S_IFREG | 0644, 0));
	}
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		if (sscanf(entry->d_name, "entry-%d", &number) != 1)
			continue;
		assert_true(number >= 0 && number < ENTRIES);
		assert_int_equal(seen[number]++, 0);
		n++;
	}
	assert_int_equal(n, ENTRIES);
	free(seen);
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(name, sizeof(name), "entry-%d", i);
		/* some through the mount, which then must know them */
		check(unlinkat(i % 50 ? fd : dirfd(dir), name, 0));
	}
	close(fd);
	assert_one_worker();
}

static void many_opens(void **state)
{
	int fds[2000];
	char name[32];
	char byte;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "open-%d", i / 2);
		fds[i] = (int)check(
			open(path_of("%s/%s", mounted.path, name), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
		check(pwrite(fds[i], "o", 1, i));
	}
	for (int i = 0; i < 2000; i++) {
		check(pread(fds[i], &byte, 1, i));
		assert_int_equal(byte, 'o');
		if (i % 2)
			check(unlink(path_of("%s/open-%d", mounted.path, i / 2)));
	}
	for (int i = 0; i < 2000; i++)
		close(fds[i]);
	assert_one_worker();
}

/* Names of .segfs only, each at most once. */
static void expect_control_names(const char *records, long length)
{
	static const char *const names[] = {".",      "..",    "version",  "status",
					    "config", "locks", "attached", "policies"};
	const unsigned int n_names = sizeof(names) / sizeof(names[0]);
	unsigned int seen = 0;

	for (long at = 0; at < length;
	     at += ((const struct dirent64 *)(const void *)(records + at))->d_reclen) {
		const struct dirent64 *entry = (const void *)(records + at);
		unsigned int i = 0;

		while (i < n_names && strcmp(entry->d_name, names[i]) != 0)
			i++;
		assert_true(i < n_names && !(seen & 1u << i));
		seen |= 1u << i;
	}
}

/* A position not returned by any listing: some entries or an error; the daemon survives. */
static void positions_that_are_none(void **state)
{
	const char *const paths[] = {path_of("%s", mounted.path), path_of("%s/.segfs", mounted.path),
				     path_of("%s/small", mounted.path)};
	_Alignas(8) char records[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int fd = (int)check(open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC));

		for (off_t at = 0; at < 400; at++) {
			const off_t positions[] = {at, INT64_MAX - at, INT64_MAX / 2 + at,
						   (off_t)1 << (at % 63)};

			for (size_t n = 0; n < sizeof(positions) / sizeof(positions[0]); n++) {
				long length = 0;

				/* the result depends on the file system */
				if (lseek(fd, positions[n], SEEK_SET) >= 0)
					length = syscall(SYS_getdents64, fd, records, sizeof(records));
				if (i == 1)
					expect_control_names(records, length);
			}
		}
		close(fd);
	}
	assert_one_worker();
}

/* --- a daemon without descriptors --- */

/* Opens directories, each of which takes a descriptor of the daemon, until it fails. Returns the number. */
static int exhaust(int fds[], int max)
{
	int n = 0;

	while (n < max && (fds[n] = open(mounted.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
		n++;
	return n;
}

/* A call that succeeds, or fails for lack of descriptors. */
#define lacks(call)                                                                                          \
	assert_true((errno = 0, (call) >= 0) || errno == ENFILE || errno == EBADF || errno == ENOENT)

static void no_descriptors(void **state)
{
	char file[PATH_MAX];
	int fds[2 * FEW_DESCRIPTORS];
	int opened;
	const bool stores_attributes = kernel_has("tmpfs-user-xattr");
	int written;
	int n;

	(void)state;
	snprintf(file, sizeof(file), "%s", path_of("%s/file", mounted.path));
	opened = make(file);
	check(write(opened, "before", 6));
	/* the daemon has no descriptor of this file yet */
	check(close(make(path_of("%s/other", mounted.path))));
	n = exhaust(fds, 2 * FEW_DESCRIPTORS);
	assert_int_equal(errno, ENFILE);
	assert_true(n > 5 && n < FEW_DESCRIPTORS);
	/* operations that the kernel does itself go on */
	check(pwrite(opened, "during", 6, 0));
	/* others may fail; the errno tells whose table is full */
	check_error(ENFILE, open(mounted.path, O_RDONLY | O_DIRECTORY));
	lacks(close(open(path_of("%s/new", mounted.path), O_RDWR | O_CREAT, 0644)));
	lacks(close(open(path_of("%s/.segfs/status", mounted.path), O_RDONLY)));
	lacks(truncate(file, 6));
	lacks(chmod(file, 0600));
	if (stores_attributes)
		lacks(setxattr(file, "user.x", "x", 1, 0));
	lacks(fallocate(opened, 0, 0, 6));
	lacks(mkdir(path_of("%s/dir", mounted.path), 0755));
	lacks(link(file, path_of("%s/second", mounted.path)));
	lacks(rename(file, path_of("%s/moved", mounted.path)));
	lacks(rename(path_of("%s/moved", mounted.path), file));
	for (int i = 0; i < n; i++)
		close(fds[i]);
	assert_true(wait_for((written = open(path_of("%s/new", mounted.path), O_RDWR | O_CREAT, 0644)) >= 0));
	close(written);
	rename(path_of("%s/moved", mounted.path), file);
	/* nothing was lost */
	assert_true(wait_for(mount_status(&mounted, "workers_started") == 1));
	assert_int_equal(pread(opened, fds, 6, 0), 6);
	assert_memory_equal(fds, "during", 6);
	check(chmod(file, 0600));
	close(opened);
	check(unlink(file));
	check(unlink(path_of("%s/other", mounted.path)));
	check(unlink(path_of("%s/new", mounted.path)));
	n = exhaust(fds, 2 * FEW_DESCRIPTORS);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	/* as many as before: none has leaked */
	assert_true(n > 5);
}

/* A direct open holds no descriptor in the daemon. */
static void more_opens_than_descriptors(void **state)
{
	int fds[8 * FEW_DESCRIPTORS];

	(void)state;
	if (!kernel_has("passthrough"))
		skip_missing("passthrough");
	for (int i = 0; i < 8 * FEW_DESCRIPTORS; i++)
		fds[i] = make(path_of("%s/direct-%d", mounted.path, i));
	for (int i = 0; i < 8 * FEW_DESCRIPTORS; i++) {
		close(fds[i]);
		check(unlink(path_of("%s/direct-%d", mounted.path, i)));
	}
}

static int set_up(void **state)
{
	const struct mount_spec spec = {
		.config = "[directory small]\nmedium = memory\nsize = 4M\nmode = 1777\n",
		.options = *state,
	};

	return mount_start(&mounted, &spec);
}

static int set_up_poor(void **state)
{
	const struct mount_spec spec = {.descriptors = FEW_DESCRIPTORS};

	(void)state;
	return mount_start(&mounted, &spec);
}

static int tear_down(void **state)
{
	(void)state;
	return mount_stop(&mounted);
}

static int set_up_relayed(void **state)
{
	*state = (void *)(uintptr_t) "io_mode=relayed";
	return set_up(state);
}

static int set_up_mediated(void **state)
{
	*state = (void *)(uintptr_t) "io_mode=mediated";
	return set_up(state);
}

int main(void)
{
	const struct CMUnitTest direct[] = {
		cmocka_unit_test(writing_fills_it),
		cmocka_unit_test(allocating_fills_it),
		cmocka_unit_test(a_view_of_a_full_store),
		cmocka_unit_test(copying_fills_it),
		cmocka_unit_test(files_fill_it),
		cmocka_unit_test(borders),
		cmocka_unit_test(many_entries),
		cmocka_unit_test(many_opens),
		cmocka_unit_test(positions_that_are_none),
	};
	const struct CMUnitTest mediated[] = {
		cmocka_unit_test(writing_fills_it),
		cmocka_unit_test(allocating_fills_it),
		cmocka_unit_test(a_view_of_a_full_store),
		cmocka_unit_test(files_fill_it),
		cmocka_unit_test(many_opens),
	};
	const struct CMUnitTest relayed[] = {
		cmocka_unit_test(writing_fills_it),
		cmocka_unit_test(allocating_fills_it),
		cmocka_unit_test(files_fill_it),
		cmocka_unit_test(many_opens),
	};
	const struct CMUnitTest poor[] = {
		cmocka_unit_test(no_descriptors),
		cmocka_unit_test(more_opens_than_descriptors),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = cmocka_run_group_tests(direct, set_up, tear_down);
	/* relayed otherwise */
	if (kernel_has("passthrough"))
		failed += cmocka_run_group_tests(mediated, set_up_mediated, tear_down);
	failed += cmocka_run_group_tests(relayed, set_up_relayed, tear_down);
	failed += cmocka_run_group_tests(poor, set_up_poor, tear_down);
	return failed;
}
