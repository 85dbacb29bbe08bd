// SPDX-License-Identifier: MIT
/* Opening and creating: every flag of open(2), compared with a tmpfs. */
#include "tests/lib/twin.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static void create_and_open(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT, 0640));

	note_stat("file");
	works(write(fd, "hello", 5));
	note_fstat(fd);
	works(close(fd));
	note_stat("file");
	note_bytes("file");

	fails(EEXIST, open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
	fd = works(open("file", O_RDONLY | O_CREAT, 0777));
	note_fstat(fd);
	fails(EBADF, write(fd, "x", 1));
	works(close(fd));
	fails(ENOENT, open("missing", O_RDONLY));
	fails(ENOENT, open("missing/file", O_RDWR | O_CREAT, 0644));
	fails(ENOTDIR, open("file/below", O_RDWR | O_CREAT, 0644));
	fails(ENOTDIR, open("file/", O_RDONLY));
	fails(EISDIR, open("new/", O_RDWR | O_CREAT, 0644));
	fails(ENOENT, open("", O_RDONLY));
	note_list(".");
}

static void create_write_only(void)
{
	int fd = works(open("file", O_WRONLY | O_CREAT, 0));
	char byte;

	note_fstat(fd);
	works(write(fd, "secret", 6));
	fails(EBADF, read(fd, &byte, 1));
	works(close(fd));
	note_stat("file");
	note_bytes("file");
}

static void truncate_at_open(void)
{
	char text[8];
	int reader;
	int fd;

	make_file("file", "0123456789");
	reader = works(open("file", O_RDONLY));
	fd = works(open("file", O_WRONLY | O_TRUNC));
	note_fstat(fd);
	holds(read(reader, text, sizeof(text)) == 0);
	works(write(fd, "ab", 2));
	holds(read(reader, text, sizeof(text)) == 2 && memcmp(text, "ab", 2) == 0);
	works(close(fd));

	fd = works(open("file", O_RDWR | O_TRUNC | O_CREAT, 0600));
	note_fstat(fd);
	works(close(fd));
	/* undefined by POSIX, but Linux truncates */
	works(truncate("file", 7));
	fd = works(open("file", O_RDONLY | O_TRUNC));
	note_fstat(fd);
	works(close(fd));
	works(close(reader));
	note_bytes("file");
}

static void append(void)
{
	int fd = works(open("file", O_RDWR | O_CREAT | O_APPEND, 0644));
	int other = works(open("file", O_WRONLY));
	int flags;

	works(write(fd, "aa", 2));
	works(write(other, "b", 1));
	works(write(fd, "cc", 2));
	works(lseek(fd, 0, SEEK_CUR));
	note_bytes("file");
	works(lseek(fd, 0, SEEK_SET));
	works(write(fd, "dd", 2));
	works(lseek(fd, 0, SEEK_CUR));
	works(pwrite(fd, "ee", 2, 0)); /* Linux appends */
	note_bytes("file");

	flags = fcntl(fd, F_GETFL);
	holds(flags >= 0 && flags & O_APPEND);
	works(fcntl(fd, F_SETFL, flags & ~O_APPEND));
	works(pwrite(fd, "FF", 2, 0));
	works(lseek(fd, 1, SEEK_SET));
	works(write(fd, "G", 1));
	note_bytes("file");
	works(fcntl(fd, F_SETFL, flags | O_APPEND));
	works(write(fd, "HH", 2));
	note_bytes("file");

	works(fcntl(other, F_SETFL, O_APPEND));
	works(write(other, "II", 2));
	note_bytes("file");
	works(close(fd));
	works(close(other));
}

/* Appends of several writers never overwrite each other. */
static void append_from_many(void)
{
	int fds[4];

	works(close(works(open("file", O_CREAT | O_RDWR, 0644))));
	for (int i = 0; i < 4; i++)
		fds[i] = works(open("file", O_WRONLY | O_APPEND));
	for (int round = 0; round < 50; round++)
		for (int i = 0; i < 4; i++)
			must(write(fds[i], &"abcd"[i], 1) == 1);
	note_stat("file");
	note_bytes("file");
}

static void per_write_append(void)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t) "xy", .iov_len = 2};
	int fd;

	make_file("file", "0123");
	fd = works(open("file", O_RDWR));
	works(pwritev2(fd, &part, 1, 0, RWF_APPEND));
	note_bytes("file");
	works(pwritev2(fd, &part, 1, 1, RWF_DSYNC));
	note_bytes("file");
	fails(EOPNOTSUPP, pwritev2(fd, &part, 1, 1, 0x40000000));
}

static void no_follow(void)
{
	make_file("file", "x");
	works(symlink("file", "link"));
	works(symlink("nowhere", "dangling"));
	works(symlink("loop", "loop"));
	works(mkdir("dir", 0755));
	works(symlink("dir", "dirlink"));
	works(close(works(open("link", O_RDONLY))));
	fails(ELOOP, open("link", O_RDONLY | O_NOFOLLOW));
	fails(ELOOP, open("loop", O_RDONLY));
	fails(ENOENT, open("dangling", O_RDONLY));
	fails(EEXIST, open("dangling", O_RDWR | O_CREAT | O_EXCL, 0644));
	fails(EEXIST, open("link", O_RDWR | O_CREAT | O_EXCL, 0644));
	fails(ENOTDIR, open("dirlink", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
	works(close(works(open("dangling", O_RDWR | O_CREAT, 0644))));
	note_list(".");
	note_stat("nowhere");
}

static void directories(void)
{
	char byte;
	int fd;

	works(mkdir("dir", 0755));
	make_file("file", "x");
	fails(EISDIR, open("dir", O_RDWR));
	fails(EISDIR, open("dir", O_WRONLY));
	fails(EISDIR, open("dir", O_RDONLY | O_CREAT, 0644));
	fails(EEXIST, open("dir", O_RDONLY | O_CREAT | O_EXCL, 0644));
	fails(EISDIR, open("dir", O_RDONLY | O_TRUNC));
	fails(ENOTDIR, open("file", O_RDONLY | O_DIRECTORY));
	fd = works(open("dir", O_RDONLY | O_DIRECTORY));
	fails(EISDIR, read(fd, &byte, 1));
	fails(EBADF, write(fd, &byte, 1));
	fails(EINVAL, ftruncate(fd, 0));
	works(fsync(fd));
	works(fdatasync(fd));
	works(close(fd));
}

static void nameless(void)
{
	char path[64];
	int fd = works(open(".", O_RDWR | O_TMPFILE, 0640));

	note_fstat(fd);
	note_list(".");
	works(write(fd, "nameless", 8));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	works(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	note_fstat(fd);
	note_stat("named");
	note_bytes("named");
	works(write(fd, "!", 1));
	note_bytes("named");
	fails(EEXIST, linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	works(linkat(fd, "", AT_FDCWD, "twice", AT_EMPTY_PATH));
	note_fstat(fd);
	works(close(fd));
	note_list(".");
	note_bytes("twice");

	fd = works(open(".", O_WRONLY | O_TMPFILE | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fails(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "exclusive", AT_SYMLINK_FOLLOW));
	works(write(fd, "gone", 4));
	works(close(fd));
	fails(EINVAL, open(".", O_RDONLY | O_TMPFILE, 0600));
	fails(ENOENT, open("missing", O_RDWR | O_TMPFILE, 0600));
	make_file("file", "");
	fails(ENOTDIR, open("file", O_RDWR | O_TMPFILE, 0600));
	note_list(".");
}

static void nameless_is_usable(void)
{
	char *view;
	int fd = works(open(".", O_RDWR | O_TMPFILE, 0600));

	works(ftruncate(fd, 8192));
	view = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	holds(view != MAP_FAILED);
	memcpy(view + 4096, "through the view", sizeof("through the view"));
	works(fchmod(fd, 0444));
	works(fchown(fd, 5, 6));
	note_fstat(fd);
	works(close(fd));
	holds(strcmp(view + 4096, "through the view") == 0);
	works(munmap(view, 8192));
}

static void path_descriptors(void)
{
	struct stat stat;
	char text[16];
	char path[64];
	int fd;
	int real;

	make_file("file", "0123");
	fd = works(open("file", O_PATH));
	note_fstat(fd);
	fails(EBADF, read(fd, text, 1));
	fails(EBADF, ftruncate(fd, 0));
	fails(EBADF, fchmod(fd, 0600));
	works(unlink("file"));
	note_fstat(fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	holds(access("file", F_OK) < 0);
	/* a descriptor of the file keeps it, so it can be opened again */
	real = works(open(path, O_RDWR));
	holds(read(real, text, sizeof(text)) == 4 && memcmp(text, "0123", 4) == 0);
	works(write(real, "45", 2));
	note_fstat(fd);
	works(chmod(path, 0600));
	note_fstat(fd);
	works(close(real));
	works(close(fd));

	works(mkdir("dir", 0700));
	make_file("dir/inside", "i");
	fd = works(open("dir", O_PATH | O_DIRECTORY));
	real = works(openat(fd, "inside", O_RDONLY));
	works(close(real));
	works(rename("dir", "moved"));
	works(fstatat(fd, "inside", &stat, 0));
	works(unlinkat(fd, "inside", 0));
	works(rmdir("moved"));
	note_fstat(fd);
	fails(ENOENT, openat(fd, "new", O_RDWR | O_CREAT, 0644));
	works(close(fd));

	works(symlink("target", "link"));
	fd = works(open("link", O_PATH | O_NOFOLLOW));
	note_fstat(fd);
	holds(readlinkat(fd, "", text, sizeof(text)) == 6 && memcmp(text, "target", 6) == 0);
	works(unlink("link"));
	holds(readlinkat(fd, "", text, sizeof(text)) == 6 && memcmp(text, "target", 6) == 0);
	note_fstat(fd);
	works(close(fd));
}

static void other_flags(void)
{
	static const int flags[] = {O_SYNC,   O_DSYNC,   O_NOATIME,   O_NONBLOCK,
				    O_NOCTTY, O_CLOEXEC, O_LARGEFILE, O_ASYNC};
	char text[4];

	make_file("file", "");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		int fd = works(open("file", O_RDWR | flags[i]));

		works(pwrite(fd, "abcd", 4, 0));
		holds(pread(fd, text, 4, 0) == 4 && memcmp(text, "abcd", 4) == 0);
		works(close(fd));
	}
	become(TEST_UID, TEST_GID);
	fails(EPERM, open("file", O_RDONLY | O_NOATIME));
	become(0, 0);
	fails(EINVAL, open("file", O_TMPFILE & ~O_DIRECTORY));
}

static void direct_io(void)
{
	static char buffer[8192] __attribute__((aligned(4096)));
	int fd = open("file", O_RDWR | O_CREAT | O_DIRECT, 0644);

	needs(fd >= 0 || errno != EINVAL, "O_DIRECT on a tmpfs (Linux 6.6)");
	works(fd);
	memset(buffer, 'd', 8192);
	works(write(fd, buffer, 8192));
	memset(buffer, 0, 8192);
	works(pread(fd, buffer, 4096, 4096));
	holds(buffer[0] == 'd' && buffer[4095] == 'd');
	note_fstat(fd);
	works(close(fd));
	note_bytes("file");
}

static void permission_at_open(void)
{
	int fd;

	make_file("private", "p");
	works(chmod("private", 0600));
	make_file("readable", "r");
	works(mkdir("closed", 0700));
	make_file("closed/file", "c");
	works(mkdir("open", 0777));
	works(chmod("open", 0777));
	become(TEST_UID, TEST_GID);
	fails(EACCES, open("private", O_RDONLY));
	works(close(works(open("readable", O_RDONLY))));
	fails(EACCES, open("readable", O_RDWR));
	fails(EACCES, open("readable", O_RDONLY | O_TRUNC));
	fails(EACCES, open("closed/file", O_RDONLY));
	fails(EACCES, open("new", O_RDWR | O_CREAT, 0644));
	fails(EACCES, open(".", O_RDWR | O_TMPFILE, 0644));
	/* the creator may write, whatever the mode */
	fd = works(open("open/mine", O_RDWR | O_CREAT, 0400));
	works(write(fd, "w", 1));
	works(close(fd));
	fails(EACCES, open("open/mine", O_RDWR));
	become(0, 0);
	note_stat("open/mine");
	fd = works(open("open/mine", O_RDWR));
	works(close(fd));
}

/* Permissions of an open file do not change. */
static void open_outlives_permission(void)
{
	char byte;
	int fd;

	make_file("file", "abc");
	works(chown("file", TEST_UID, TEST_GID));
	become(TEST_UID, TEST_GID);
	fd = works(open("file", O_RDWR));
	works(fchmod(fd, 0));
	works(pwrite(fd, "x", 1, 0));
	holds(pread(fd, &byte, 1, 0) == 1 && byte == 'x');
	works(ftruncate(fd, 2));
	fails(EACCES, open("file", O_RDONLY));
	become(0, 0);
	works(chown("file", 0, 0));
	become(TEST_UID, TEST_GID);
	works(pwrite(fd, "y", 1, 0));
	works(ftruncate(fd, 1));
	works(fsync(fd));
	become(0, 0);
	note_bytes("file");
	note_stat("file");
	works(close(fd));
}

static void many_opens_of_one(void)
{
	static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_PATH};
	int fds[50];

	make_file("file", "");
	for (int i = 0; i < 50; i++) {
		fds[i] = open("file", flags[i % 5]);
		must(fds[i] >= 0);
	}
	for (int i = 49; i >= 0; i--) {
		if (i % 5 == 1 || i % 5 == 2)
			must(pwrite(fds[i], "w", 1, i) == 1);
		must(close(fds[i]) == 0);
	}
	note_bytes("file");
}

int main(void)
{
	static const struct twin_case cases[] = {
		TWIN_CASE(create_and_open),
		TWIN_CASE(create_write_only),
		TWIN_CASE(truncate_at_open),
		TWIN_CASE(append),
		TWIN_CASE(append_from_many),
		TWIN_CASE(per_write_append),
		TWIN_CASE(no_follow),
		TWIN_CASE(directories),
		TWIN_CASE(nameless),
		TWIN_CASE(nameless_is_usable),
		TWIN_CASE(path_descriptors),
		TWIN_CASE(other_flags),
		TWIN_CASE(direct_io),
		TWIN_CASE(permission_at_open),
		TWIN_CASE(open_outlives_permission),
		TWIN_CASE(many_opens_of_one),
	};

	return twin_main(cases, sizeof(cases) / sizeof(cases[0]));
}
