// SPDX-License-Identifier: MIT
/*
 * Operations on names.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static int op_create(void)
{
	_cleanup_close_ int fd = open(in_mount("new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : 0;
}

static bool created(void)
{
	return is_there("new");
}

static void prepare_open_directory(void)
{
	check(chmod(in_store("dir"), 0777));
}

static int create_as_user(void *unused)
{
	_cleanup_close_ int fd = open(in_mount("dir/new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	(void)unused;
	return fd < 0 ? -errno : 0;
}

static int op_create_as_user(void)
{
	return as_user(TEST_UID, TEST_GID, create_as_user, NULL);
}

static bool created_as_user(void)
{
	struct stat found;

	return stat(in_store("dir/new"), &found) == 0 && found.st_uid == TEST_UID && found.st_gid == TEST_GID;
}

static int op_nameless(void)
{
	_cleanup_close_ int fd = open(in_mount("."), O_RDWR | O_TMPFILE | O_CLOEXEC, 0640);

	if (fd < 0 || pwrite(fd, "t", 1, 0) != 1)
		return -errno;
	return result_of(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, in_mount("new"),
				AT_SYMLINK_FOLLOW));
}

static bool linked_nameless(void)
{
	return byte_of("new") == 't';
}

static void prepare_no_directory(void)
{
	check(rmdir(in_store("dir")));
}

static int op_mkdir(void)
{
	return result_of(mkdir(in_mount("dir"), 0750));
}

static bool made_directory(void)
{
	return is_there("dir");
}

static int op_rmdir(void)
{
	return result_of(rmdir(in_mount("dir")));
}

static bool removed_directory(void)
{
	return !is_there("dir");
}

static int op_symlink(void)
{
	return result_of(symlink("target", in_mount("link")));
}

static bool made_symlink(void)
{
	char target[16];

	return readlink(in_store("link"), target, sizeof(target)) == 6;
}

static int op_mkfifo(void)
{
	return result_of(mkfifo(in_mount("fifo"), 0600));
}

static bool made_fifo(void)
{
	return is_there("fifo");
}

static int op_mknod(void)
{
	return result_of(mknod(in_mount("new"), S_IFREG | 0600, 0));
}

/* A new file in the directory gets its policy together with its name. */
static void prepare_policy(void)
{
	put_policy("dir", "user.segfs.writers", "2");
}

static int op_mkdir_with_policy(void)
{
	return result_of(mkdir(in_mount("dir/new"), 0700));
}

static int op_mknod_with_policy(void)
{
	return result_of(mknod(in_mount("dir/new"), S_IFREG | 0600, 0));
}

static bool made_with_policy(void)
{
	return getxattr(in_store("dir/new"), "trusted.segfs.policy", NULL, 0) > 0;
}

static int op_link(void)
{
	return result_of(link(in_mount("a"), in_mount("link")));
}

static bool made_link(void)
{
	struct stat stat_buffer;

	return byte_of("link") == 'a' && stat(in_store("a"), &stat_buffer) == 0 && stat_buffer.st_nlink == 2;
}

static int op_unlink(void)
{
	return result_of(unlink(in_mount("a")));
}

static bool unlinked(void)
{
	return !is_there("a");
}

/* At every point the file remains for its open descriptor. */
static int op_unlink_open(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int again = -1;
	struct stat stat;
	char byte = 0;

	if (fd < 0 || unlink(in_mount("a")) < 0)
		return -errno;
	if (pread(fd, &byte, 1, 0) != 1 || pwrite(fd, "A", 1, 1) != 1)
		return -errno;
	if (byte != 'a')
		return -EBADMSG;
	again = open(path_of("/proc/self/fd/%d", fd), O_RDONLY | O_CLOEXEC);
	if (again < 0 || pread(again, &byte, 1, 1) != 1 || fstat(fd, &stat) < 0)
		return -errno;
	return byte == 'A' && stat.st_nlink == 0 && stat.st_size == SCENE_SIZE ? 0 : -EBADMSG;
}

static int op_rename(void)
{
	return result_of(rename(in_mount("a"), in_mount("new")));
}

static bool renamed(void)
{
	return !is_there("a") && byte_of("new") == 'a';
}

static int op_rename_over(void)
{
	_cleanup_close_ int fd = open(in_mount("b"), O_RDWR | O_CLOEXEC);
	struct stat stat;
	char byte = 0;

	if (fd < 0 || rename(in_mount("a"), in_mount("b")) < 0)
		return -errno;
	if (pread(fd, &byte, 1, 0) != 1 || fstat(fd, &stat) < 0)
		return -errno;
	return byte == 'b' && stat.st_nlink == 0 ? 0 : -EBADMSG;
}

static bool renamed_over(void)
{
	return !is_there("a") && byte_of("b") == 'a';
}

static int op_rename_new(void)
{
	return result_of(renameat2(AT_FDCWD, in_mount("a"), AT_FDCWD, in_mount("new"), RENAME_NOREPLACE));
}

static int op_exchange(void)
{
	return result_of(renameat2(AT_FDCWD, in_mount("a"), AT_FDCWD, in_mount("b"), RENAME_EXCHANGE));
}

static bool exchanged(void)
{
	return byte_of("a") == 'b' && byte_of("b") == 'a';
}

static int op_exchange_kinds(void)
{
	return result_of(renameat2(AT_FDCWD, in_mount("a"), AT_FDCWD, in_mount("dir"), RENAME_EXCHANGE));
}

static bool exchanged_kinds(void)
{
	struct stat stat;

	return byte_of("dir") == 'a' && lstat(in_store("a"), &stat) == 0 && S_ISDIR(stat.st_mode);
}

/* Removes one of two names; the other one stays valid. */
static void prepare_link(void)
{
	check(link(in_store("a"), in_store("link")));
}

static int op_unlink_one(void)
{
	struct stat stat_buffer;

	if (unlink(in_mount("a")) < 0 || stat(in_mount("link"), &stat_buffer) < 0)
		return -errno;
	return stat_buffer.st_nlink == 1 ? 0 : -EBADMSG;
}

/* A directory in use as a working directory loses its name. */
static int op_rmdir_open(void)
{
	_cleanup_close_ int fd = open(in_mount("dir"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat found;

	if (fd < 0)
		return -errno;
	if (rmdir(in_mount("dir")) < 0)
		return -errno;
	if (fstatat(fd, ".", &found, 0) < 0 || fstat(fd, &found) < 0)
		return -errno;
	return result_of_failure(ENOENT, openat(fd, "x", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static void prepare_new_directory(void)
{
	check(mkdir(in_store("new"), 0700));
}

static int op_rename_directory(void)
{
	struct stat found;

	if (rename(in_mount("dir"), in_mount("new")) < 0 || stat(in_mount("new"), &found) < 0)
		return -errno;
	return found.st_nlink == 2 ? 0 : -EBADMSG;
}

static bool renamed_directory(void)
{
	return !is_there("dir") && is_there("new");
}

static int op_rmdir_full(void)
{
	return result_of_failure(ENOTEMPTY, rmdir(in_mount("list")));
}

static int op_rename_over_full(void)
{
	return result_of_failure(ENOTEMPTY, rename(in_mount("dir"), in_mount("list")));
}

static int op_mkdir_too_deep(void)
{
	return result_of_failure(ENOTDIR, mkdir(in_mount("a/x"), 0700));
}

/* The mount does not know yet the file created past it. */
static int op_create_existing(void)
{
	struct stat found;
	int result;

	unlink(in_store("new"));
	result = result_of_failure(ENOENT, stat(in_mount("new"), &found));
	if (result < 0)
		return result;
	put_file("new", 'n');
	return result_of_failure(EEXIST, open(in_mount("new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static bool left_existing(void)
{
	return byte_of("new") == 'n';
}

const struct operation operations_on_names[] = {
	/* without cached attributes, as in posix/, the kernel requests those of the file it created */
	{.name = "create", .in = IN_FILES, .run = op_create, .done = created, .asks_after = true},
	{.name = "create as user",
	 .in = IN_FILES,
	 .run = op_create_as_user,
	 .done = created_as_user,
	 .prepare = prepare_open_directory,
	 .asks_after = true},
	{.name = "nameless", .in = IN_FILES, .run = op_nameless, .done = linked_nameless},
	{.name = "mkdir",
	 .in = IN_FILES,
	 .run = op_mkdir,
	 .done = made_directory,
	 .prepare = prepare_no_directory},
	{.name = "rmdir", .in = IN_FILES, .run = op_rmdir, .done = removed_directory},
	{.name = "symlink", .in = IN_FILES, .run = op_symlink, .done = made_symlink},
	{.name = "mkfifo", .in = IN_FILES, .run = op_mkfifo, .done = made_fifo},
	{.name = "mknod", .in = IN_FILES, .run = op_mknod, .done = created},
	{.name = "mkdir with policy",
	 .run = op_mkdir_with_policy,
	 .done = made_with_policy,
	 .prepare = prepare_policy},
	{.name = "mknod with policy",
	 .run = op_mknod_with_policy,
	 .done = made_with_policy,
	 .prepare = prepare_policy},
	{.name = "link", .in = IN_FILES, .run = op_link, .done = made_link},
	{.name = "unlink", .in = IN_FILES | IN_SEGMENTS, .run = op_unlink, .done = unlinked},
	{.name = "unlink open",
	 .in = IN_FILES | IN_SEGMENTS,
	 .run = op_unlink_open,
	 .done = unlinked,
	 .asks_after = true},
	{.name = "rename", .in = IN_FILES, .run = op_rename, .done = renamed},
	{.name = "rename over",
	 .in = IN_FILES,
	 .run = op_rename_over,
	 .done = renamed_over,
	 .asks_after = true},
	{.name = "rename new", .in = IN_FILES, .run = op_rename_new, .done = renamed},
	{.name = "exchange", .in = IN_FILES, .run = op_exchange, .done = exchanged},
	{.name = "exchange kinds", .in = IN_FILES, .run = op_exchange_kinds, .done = exchanged_kinds},
	{.name = "unlink one",
	 .in = IN_FILES,
	 .run = op_unlink_one,
	 .done = unlinked,
	 .prepare = prepare_link,
	 .asks_after = true},
	{.name = "rmdir open",
	 .in = IN_FILES,
	 .run = op_rmdir_open,
	 .done = removed_directory,
	 .asks_after = true},
	{.name = "rename directory",
	 .in = IN_FILES,
	 .run = op_rename_directory,
	 .done = renamed_directory,
	 .prepare = prepare_new_directory,
	 .asks_after = true},
	{.name = "rmdir full", .in = IN_FILES, .run = op_rmdir_full},
	{.name = "rename over full", .in = IN_FILES, .run = op_rename_over_full},
	{.name = "mkdir too deep", .in = IN_FILES, .run = op_mkdir_too_deep},
	{.name = "create existing",
	 .in = IN_FILES,
	 .run = op_create_existing,
	 .done = left_existing,
	 .in_steps = true},
	{0},
};
