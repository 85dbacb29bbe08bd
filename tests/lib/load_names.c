// SPDX-License-Identifier: MIT
/*
 * Operations on names, each of which changes the state for the next one. All work on names of their own in
 * the client's directory `names`, which is empty before and after a round.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const char *name(const struct load_client *client, const char *what)
{
	return path_of("%s/names/%s", client->directory, what);
}

static bool exists(const struct load_client *client, const char *what)
{
	struct stat stat_buffer;

	return lstat(name(client, what), &stat_buffer) == 0;
}

static bool is_missing(const struct load_client *client, const char *what)
{
	struct stat stat_buffer;

	return lstat(name(client, what), &stat_buffer) < 0 && errno == ENOENT;
}

static bool contains(const struct load_client *client, const char *what, const char *text)
{
	char found[64];

	return read_text(name(client, what), found, sizeof(found)) >= 0 && strcmp(found, text) == 0;
}

static int make_file(struct load_client *client, const char *what)
{
	int fd = open(name(client, what), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	load_must(client, fd >= 0);
	return fd;
}

static void use_files(struct load_client *client)
{
	struct stat stat_buffer;
	int fd = make_file(client, "a");

	load_must(client, write(fd, "alpha", 5) == 5);
	load_must(client, close(fd) == 0);
	load_must(client, contains(client, "a", "alpha"));
	/* an existing file is no error without O_EXCL */
	fd = open(name(client, "b"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	load_must(client, fd >= 0);
	load_must(client, pwrite(fd, "beta", 4, 0) == 4);
	load_must(client, rename(name(client, "a"), name(client, "c")) == 0);
	load_must(client, is_missing(client, "a"));
	load_must(client, contains(client, "c", "alpha"));
	load_must(client, rename(name(client, "c"), name(client, "b")) == 0);
	load_must(client, is_missing(client, "c"));
	load_must(client, contains(client, "b", "alpha"));
	/* the replaced file remains for its open descriptor */
	load_must(client, fstat(fd, &stat_buffer) == 0);
	load_must(client, stat_buffer.st_nlink == 0 && stat_buffer.st_size == 4);
	load_must(client, close(fd) == 0);
	load_must(client, link(name(client, "b"), name(client, "d")) == 0);
	load_must(client, contains(client, "d", "alpha"));
	load_must(client, stat(name(client, "b"), &stat_buffer) == 0);
	load_must(client, stat_buffer.st_nlink == 2);
	load_must(client, unlink(name(client, "d")) == 0);
	load_must(client, is_missing(client, "d"));
	load_must(client, unlink(name(client, "b")) == 0);
	load_must(client, is_missing(client, "b"));
}

static void use_nameless(struct load_client *client)
{
	char bytes[5] = "";
	char *view;
	int fd = make_file(client, "n");

	load_must(client, ftruncate(fd, 4096) == 0);
	load_must(client, pwrite(fd, "gamma", 5, 0) == 5);
	view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	load_must(client, view != MAP_FAILED);
	load_must(client, unlink(name(client, "n")) == 0);
	load_must(client, memcmp(view, "gamma", 5) == 0);
	load_must(client, pread(fd, bytes, 5, 0) == 5);
	load_must(client, memcmp(bytes, "gamma", 5) == 0);
	view[0] = 'G';
	load_must(client, pread(fd, bytes, 1, 0) == 1);
	load_must(client, bytes[0] == 'G');
	load_must(client, ftruncate(fd, 8192) == 0);
	load_must(client, munmap(view, 4096) == 0);
	load_must(client, close(fd) == 0);

	fd = open(path_of("%s/names", client->directory), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	load_must(client, fd >= 0);
	load_must(client, write(fd, "delta", 5) == 5);
	load_must(client, linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, name(client, "t"),
				 AT_SYMLINK_FOLLOW) == 0);
	load_must(client, close(fd) == 0);
	load_must(client, contains(client, "t", "delta"));
	load_must(client, unlink(name(client, "t")) == 0);
}

static void use_directories(struct load_client *client)
{
	int fd;

	load_must(client, mkdir(name(client, "dir"), 0700) == 0);
	load_must(client, mkdir(name(client, "dir/below"), 0700) == 0);
	load_must(client, rmdir(name(client, "dir")) < 0 && errno == ENOTEMPTY);
	fd = make_file(client, "dir/below/file");
	load_must(client, close(fd) == 0);
	load_must(client, rename(name(client, "dir/below"), name(client, "moved")) == 0);
	load_must(client, exists(client, "moved/file"));
	load_must(client, is_missing(client, "dir/below"));
	load_must(client, unlink(name(client, "moved/file")) == 0);
	load_must(client, rmdir(name(client, "moved")) == 0);
	load_must(client, rmdir(name(client, "dir")) == 0);
	load_must(client, is_missing(client, "moved"));
	load_must(client, is_missing(client, "dir"));
}

static void use_other_types(struct load_client *client)
{
	struct stat stat_buffer;
	char target[16];

	load_must(client, symlink("elsewhere", name(client, "link")) == 0);
	load_must(client, readlink(name(client, "link"), target, sizeof(target)) == 9);
	load_must(client, memcmp(target, "elsewhere", 9) == 0);
	load_must(client, unlink(name(client, "link")) == 0);
	load_must(client, mkfifo(name(client, "fifo"), 0600) == 0);
	load_must(client, stat(name(client, "fifo"), &stat_buffer) == 0);
	load_must(client, S_ISFIFO(stat_buffer.st_mode));
	load_must(client, unlink(name(client, "fifo")) == 0);
	load_must(client, is_missing(client, "fifo"));
}

static void use_xattrs(struct load_client *client)
{
	const char *path = path_of("%s/copy", client->directory);
	char value[8];

	if (!kernel_has("tmpfs-user-xattr"))
		return;
	load_must(client, setxattr(path, "user.made", "m", 1, XATTR_CREATE) == 0);
	load_must(client, getxattr(path, "user.made", value, sizeof(value)) == 1);
	load_must(client, removexattr(path, "user.made") == 0);
	load_must(client, getxattr(path, "user.made", value, sizeof(value)) < 0 && errno == ENODATA);
}

void load_names_round(struct load_client *client)
{
	use_files(client);
	use_nameless(client);
	use_directories(client);
	use_other_types(client);
	use_xattrs(client);
}
