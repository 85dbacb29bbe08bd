// SPDX-License-Identifier: MIT
/*
 * Requests that fail in the store, in a daemon in which each call that succeeds changes errno: the errno is
 * that of the call that failed, not that of a call after it.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/lib/preload.h"
#include "tests/mount/harness.h"
#include "tests/preload/errnos.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PAGE 4096
#define ROOM (64 * PAGE) /* of the full directory */

static struct mount mount;

static const char *at(const char *name)
{
	return path_of("%s/small/%s", mount.path, name);
}

static int make(const char *name)
{
	return (int)check(open(at(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static void bytes_without_room(void **unused)
{
	_cleanup_close_ int full = make("full");
	_cleanup_close_ int other = make("other");
	off_t from = 0;
	off_t to = 0;

	(void)unused;
	for (off_t end = 0; fallocate(full, 0, end, PAGE) == 0; end += PAGE)
		assert_true(end < ROOM);
	assert_int_equal(errno, ENOSPC);
	check_error(ENOSPC, pwrite(other, "x", 1, 0));
	check_error(ENOSPC, fallocate(other, 0, 0, PAGE));
	check_error(ENOSPC, copy_file_range(full, &from, other, &to, PAGE, 0));
	check_error(EOPNOTSUPP, fallocate(other, FALLOC_FL_INSERT_RANGE, 0, PAGE));
	check_error(ENXIO, lseek(full, ROOM * 2, SEEK_DATA));
	check(unlink(at("full")));
	check(unlink(at("other")));
}

/* In direct mode the kernel reads by itself. */
static void unreadable_bytes(void **unused)
{
	_cleanup_close_ int fd = make("file");
	char byte;

	(void)unused;
	check(ftruncate(fd, 2 * ERRNOS_UNREADABLE));
	check_error(EIO, pread(fd, &byte, 1, ERRNOS_UNREADABLE));
	assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
	check(unlink(at("file")));
}

static void names(void **unused)
{
	(void)unused;
	check(mkdir(at("dir"), 0700));
	check(mkdir(at("empty"), 0700));
	check(close(make("dir/file")));
	check_error(ENOTEMPTY, rmdir(at("dir")));
	check_error(ENOTEMPTY, rename(at("empty"), at("dir")));
	check(unlink(at("dir/file")));
	check(rmdir(at("dir")));
	check(rmdir(at("empty")));
}

static void attributes(void **unused)
{
	char value[8];

	(void)unused;
	check(close(make("file")));
	check_error(ENODATA, getxattr(at("file"), "user.none", value, sizeof(value)));
	check_error(ENODATA, removexattr(at("file"), "user.none"));
	check_error(ENODATA, setxattr(at("file"), "user.none", "v", 1, XATTR_REPLACE));
	check(setxattr(at("file"), "user.one", "value", 5, XATTR_CREATE));
	check_error(EEXIST, setxattr(at("file"), "user.one", "v", 1, XATTR_CREATE));
	check_error(ERANGE, getxattr(at("file"), "user.one", value, 1));
	check(unlink(at("file")));
}

static int start(const char *mode)
{
	const struct mount_spec spec = {
		.config = path_of("[directory small]\nmedium = memory\nsize = %d\nmode = 1777\n", ROOM),
		.options = path_of("io_mode=%s", mode),
		.preload = preload_path("errnos"),
	};

	return mount_start(&mount, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest reads[] = {
		cmocka_unit_test(unreadable_bytes),
	};
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(bytes_without_room),
		cmocka_unit_test(names),
		cmocka_unit_test(attributes),
	};

	if (SANITIZED)
		skip_program("the C library's own calls");
	if (geteuid() != 0)
		skip_program("root");
	return run_in_each_mode(all, sizeof(all) / sizeof(all[0]), start, stop) +
	       run_in_mode("mediated", reads, 1, start, stop) + run_in_mode("relayed", reads, 1, start, stop);
}
