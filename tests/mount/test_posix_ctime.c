// SPDX-License-Identifier: MIT
/*
 * Which timestamps each change updates, as seen right after it by a process that has looked right before;
 * compared with a tmpfs.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/acl.h"
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

static int file = -1; /* "dir/file", opened */

static const struct user_acl acl = USER_ACL(6, 77, 4, 4, 6, 0);

static int set_flags(const char *path, unsigned int flags)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static long flags_of_file(void)
{
	return set_flags("dir/file", FS_NODUMP_FL);
}

static long flags_of_directory(void)
{
	return set_flags("dir", FS_NODUMP_FL);
}

static long extended_flags(void)
{
	struct fsxattr flags = {.fsx_xflags = 0};

	return ioctl(file, FS_IOC_FSGETXATTR, &flags) < 0
		       ? -1
		       : (flags.fsx_xflags ^= FS_XFLAG_NOATIME, ioctl(file, FS_IOC_FSSETXATTR, &flags));
}

static long mode(void)
{
	return chmod("dir/file", 0640);
}

static long owner(void)
{
	return chown("dir/file", 5, 6);
}

static long size(void)
{
	return truncate("dir/file", 100);
}

static long size_of_open(void)
{
	return ftruncate(file, 200);
}

static long same_size(void)
{
	return ftruncate(file, 200);
}

static long bytes(void)
{
	return pwrite(file, "x", 1, 0);
}

static long no_bytes(void)
{
	return pwrite(file, "", 0, 0);
}

static long appended(void)
{
	const struct iovec part = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};

	return pwritev2(file, &part, 1, -1, RWF_APPEND);
}

static long emptied(void)
{
	_cleanup_close_ int fd = open("dir/file", O_WRONLY | O_TRUNC | O_CLOEXEC);

	return fd < 0 ? -1 : 0;
}

static long allocated(void)
{
	return fallocate(file, 0, 0, 10000);
}

static long punched(void)
{
	return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
}

static long copied(void)
{
	_cleanup_close_ int from = open("other", O_RDONLY | O_CLOEXEC);

	return from < 0 ? -1 : copy_file_range(from, NULL, file, NULL, 3, 0);
}

static long attribute(void)
{
	return setxattr("dir/file", "user.a", "1", 1, 0);
}

static long no_attribute(void)
{
	return removexattr("dir/file", "user.a");
}

static long access_list(void)
{
	return setxattr("dir/file", "system.posix_acl_access", &acl, sizeof(acl), 0);
}

static long no_access_list(void)
{
	return removexattr("dir/file", "system.posix_acl_access");
}

static long default_list(void)
{
	return setxattr("dir", "system.posix_acl_default", &acl, sizeof(acl), 0);
}

static long times(void)
{
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};

	return futimens(file, now);
}

static long linked(void)
{
	return link("dir/file", "dir/link");
}

static long linked_elsewhere(void)
{
	return link("dir/file", "link");
}

static long unlinked(void)
{
	return unlink("dir/link");
}

static long renamed(void)
{
	return rename("link", "link2");
}

static long replaced(void)
{
	return rename("other", "link2");
}

static long moved(void)
{
	return rename("dir", "dir2") < 0 ? -1 : rename("dir2", "dir");
}

static long made(void)
{
	return mkdir("dir/sub", 0755);
}

static const struct change {
	const char *name;
	long (*change)(void);
} changes[] = {
	{"flags", flags_of_file},
	{"flags of the directory", flags_of_directory},
	{"extended flags", extended_flags},
	{"mode", mode},
	{"owner", owner},
	{"size", size},
	{"size of an open", size_of_open},
	{"the same size", same_size},
	{"bytes", bytes},
	{"no bytes", no_bytes},
	{"appended", appended},
	{"emptied", emptied},
	{"allocated", allocated},
	{"punched", punched},
	{"copied", copied},
	{"attribute", attribute},
	{"no attribute", no_attribute},
	{"access list", access_list},
	{"no access list", no_access_list},
	{"default list", default_list},
	{"times", times},
	{"linked", linked},
	{"linked elsewhere", linked_elsewhere},
	{"unlinked", unlinked},
	{"renamed", renamed},
	{"replaced", replaced},
	{"moved", moved},
	{"made", made},
};

static bool is_later(struct timespec left, struct timespec right)
{
	return left.tv_sec > right.tv_sec || (left.tv_sec == right.tv_sec && left.tv_nsec > right.tv_nsec);
}

/* Waits until the file system's clock advances. */
static void let_time_pass(void)
{
	struct timespec before;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &before);
	do
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	while (!is_later(now, before));
}

static void note_moves(const char *change, const char *what, const struct stat *before,
		       const struct stat *after)
{
	note("%s, %s:%s%s", change, what, is_later(after->st_ctim, before->st_ctim) ? " ctime" : "",
	     is_later(after->st_mtim, before->st_mtim) ? " mtime" : "");
}

static void change_and_note(const struct change *change)
{
	struct stat directory[2];
	struct stat named[2];
	struct stat opened[2];

	works(lstat("dir/file", &named[0]));
	works(fstat(file, &opened[0]));
	works(lstat("dir", &directory[0]));
	let_time_pass();
	same(change->change());
	works(lstat("dir", &directory[1]));
	works(fstat(file, &opened[1]));
	works(lstat("dir/file", &named[1]));
	note_moves(change->name, "name", &named[0], &named[1]);
	note_moves(change->name, "open", &opened[0], &opened[1]);
	note_moves(change->name, "directory", &directory[0], &directory[1]);
}

static void times_that_move(void)
{
	works(mkdir("dir", 0755));
	make_file("dir/file", "0123");
	make_file("other", "4567");
	file = (int)works(open("dir/file", O_RDWR));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		change_and_note(&changes[i]);
	works(close(file));
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE_MEMORY(times_that_move),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
