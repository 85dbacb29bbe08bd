// SPDX-License-Identifier: MIT
/* Operations on attributes, locks and directories. */
#include "lib/base/cleanup.h"
#include "tests/lib/operations.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

/* The requested fields decide which of two requests is sent. */
static int op_stat(void)
{
	struct statx found;
	int result =
		result_of(statx(AT_FDCWD, in_mount("file"), AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found));

	return result == 0 && found.stx_size != SCENE_SIZE ? -EBADMSG : result;
}

static int op_statx(void)
{
	struct statx found;

	return result_of(statx(AT_FDCWD, in_mount("file"), AT_STATX_FORCE_SYNC, STATX_ALL, &found));
}

static int op_open_or_create(void)
{
	_cleanup_close_ int fd = open(in_mount("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return -errno;
	return stat.st_mode == (S_IFREG | 0640) && stat.st_nlink == 1 && is_there("new") ? 0 : -EBADMSG;
}

static int op_truncate(void)
{
	struct stat stat_buffer;

	if (truncate(in_mount("a"), 100) < 0 || stat(in_store("a"), &stat_buffer) < 0)
		return -errno;
	return stat_buffer.st_size == 100 ? 0 : -EBADMSG;
}

/* Growing reserves memory, or fails. */
static void prepare_commit(void)
{
	check(setxattr(in_mount("a"), "user.segfs.commit", "yes", 3, 0));
}

static int op_commit(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);
	struct stat found;

	if (fd < 0 || ftruncate(fd, 2 * SCENE_SIZE) < 0 || stat(in_store("a"), &found) < 0)
		return -errno;
	return found.st_blocks * 512 >= 2 * SCENE_SIZE ? 0 : -EBADMSG;
}

static bool grown(void)
{
	struct stat found;

	return stat(in_store("a"), &found) == 0 && found.st_size == 2 * SCENE_SIZE;
}

static int op_attributes(void)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
	struct stat stat_buffer;

	if (chmod(in_mount("a"), 0604) < 0 || chown(in_mount("a"), 1, 2) < 0 ||
	    utimensat(AT_FDCWD, in_mount("a"), times, 0) < 0 || stat(in_store("a"), &stat_buffer) < 0)
		return -errno;
	return stat_buffer.st_mode == (S_IFREG | 0604) && stat_buffer.st_uid == 1 &&
			       stat_buffer.st_mtim.tv_sec == 2
		       ? 0
		       : -EBADMSG;
}

static int op_flags(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDONLY | O_CLOEXEC);
	int before;
	int after;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &before) < 0)
		return -errno;
	before |= FS_NODUMP_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &before) < 0 || ioctl(fd, FS_IOC_GETFLAGS, &after) < 0)
		return -errno;
	return after & FS_NODUMP_FL ? 0 : -EBADMSG;
}

static int list(const char *directory, int expected)
{
	_cleanup_closedir_ DIR *dir = opendir(in_mount(directory));
	int n = 0;

	if (!dir)
		return -errno;
	errno = 0;
	while (readdir(dir))
		n++;
	return errno ? -errno : n == expected ? 0 : -EBADMSG;
}

static int op_list(void)
{
	return list("list", 5);
}

static int op_xattrs(void)
{
	char value[1024];
	int result;

	if (setxattr(in_mount("file"), "user.of", "us", 2, 0) < 0 ||
	    listxattr(in_mount("file"), value, sizeof(value)) < 0)
		return -errno;
	result = result_of_bytes(getxattr(in_mount("file"), "user.of", value, sizeof(value)), 2);
	return result == 0 && memcmp(value, "us", 2) != 0 ? -EBADMSG : result;
}

static int op_listxattr(void)
{
	char names[1024];

	return result_of(listxattr(in_mount("file"), names, sizeof(names)) < 0 ? -1 : 0);
}

/* Set, read, stored and removed: repeatable. */
static int op_policy(void)
{
	char value[16];
	int result;

	if (setxattr(in_mount("file"), "user.segfs.size-policy", "fixed", 5, 0) < 0 ||
	    setxattr(in_mount("file"), "user.segfs.lifetime", "ttl:1h", 6, 0) < 0)
		return -errno;
	result = result_of_bytes(getxattr(in_mount("file"), "user.segfs.lifetime", value, sizeof(value)), 6);
	if (result < 0)
		return result;
	if (memcmp(value, "ttl:1h", 6) != 0 ||
	    getxattr(in_store("file"), "trusted.segfs.policy", NULL, 0) < 0)
		return -EBADMSG;
	result = result_of_failure(EPERM, truncate(in_mount("file"), 100));
	return result < 0 ? result : result_of(removexattr(in_mount("file"), "user.segfs.size-policy"));
}

static int op_create_with_policy(void)
{
	_cleanup_close_ int fd = -1;

	if (setxattr(in_mount("list"), "user.segfs.writers", "2", 1, 0) < 0)
		return -errno;
	fd = open(in_mount("list/new"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	if (getxattr(in_store("list/new"), "trusted.segfs.policy", NULL, 0) < 0)
		return -EBADMSG;
	return result_of(removexattr(in_mount("list"), "user.segfs.writers"));
}

/* Set, split, observed by another owner, and waited for without delay. */
static int op_lock(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
	struct flock hole = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = 13, .l_len = 2};
	struct flock found = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0 || fcntl(fd, F_OFD_SETLK, &hole) < 0 ||
	    fcntl(fd, F_GETLK, &found) < 0 || fcntl(fd, F_OFD_SETLKW, &lock) < 0)
		return -errno;
	return found.l_type == F_WRLCK && found.l_start == 10 && found.l_len == 3 ? 0 : -EBADMSG;
}

static int op_flock(void)
{
	_cleanup_close_ int fd = open(in_mount("a"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int other = open(in_mount("a"), O_RDWR | O_CLOEXEC);

	if (fd < 0 || other < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return result_of_failure(EWOULDBLOCK, flock(other, LOCK_EX | LOCK_NB));
}

/* I/O under a mandatory lock, for which another open would have to wait. */
static int op_mandatory(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int other = -1;
	int result;

	if (setxattr(in_mount("b"), "user.segfs.lock", "mandatory", 9, 0) < 0)
		return -errno;
	fd = open(in_mount("b"), O_RDWR | O_CLOEXEC);
	other = open(in_mount("b"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || other < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0 || pwrite(fd, "b", 1, 0) != 1)
		return -errno;
	result = result_of_failure(EAGAIN, pwrite(other, "o", 1, 0));
	return result < 0 ? result : result_of_failure(EAGAIN, ftruncate(other, 1));
}

static int op_statfs(void)
{
	struct statvfs found;

	return result_of(statvfs(in_mount("."), &found));
}

static int op_readlink(void)
{
	char target[16];

	return readlink(in_mount("symlink"), target, sizeof(target)) == 4 ? 0 : -errno;
}

static int op_handle(void)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} buffer = {.handle.handle_bytes = MAX_HANDLE_SZ};
	_cleanup_close_ int root = open(in_mount("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	int mount_id;

	if (root < 0 || name_to_handle_at(root, "file", &buffer.handle, &mount_id, 0) < 0)
		return -errno;
	fd = open_by_handle_at(root, &buffer.handle, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

#define FORGOTTEN 3

static void prepare_forget(void)
{
	for (int i = 0; i < FORGOTTEN; i++)
		put_file(path_of("dir/%d", i), 'f');
}

/* Several at once, so that they are sent in one request. */
static int op_forget(void)
{
	int fds[FORGOTTEN];
	int result = 0;

	for (int i = 0; i < FORGOTTEN; i++) {
		fds[i] = open(in_mount(path_of("dir/%d", i)), O_PATH | O_CLOEXEC);
		if (fds[i] < 0)
			result = -errno;
	}
	for (int i = 0; i < FORGOTTEN && result == 0; i++)
		result = result_of(unlink(in_mount(path_of("dir/%d", i))));
	for (int i = 0; i < FORGOTTEN; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return result;
}

static bool all_forgotten(void)
{
	return !is_there("dir/0") && !is_there(path_of("dir/%d", FORGOTTEN - 1));
}

static int op_setxattr_existing(void)
{
	return result_of_failure(EEXIST, setxattr(in_mount("a"), "user.old", "n", 1, XATTR_CREATE));
}

static int op_replace_missing(void)
{
	return result_of_failure(ENODATA, setxattr(in_mount("a"), "user.none", "n", 1, XATTR_REPLACE));
}

static int op_removexattr_missing(void)
{
	return result_of_failure(ENODATA, removexattr(in_mount("a"), "user.none"));
}

static int op_setxattr_new(void)
{
	return result_of(setxattr(in_mount("a"), "user.new", "n", 1, XATTR_CREATE));
}

static bool set_xattr(void)
{
	char value[4];

	return getxattr(in_store("a"), "user.new", value, sizeof(value)) == 1;
}

static int op_removexattr(void)
{
	return result_of(removexattr(in_mount("a"), "user.old"));
}

static bool removed_xattr(void)
{
	char value[4];

	return getxattr(in_store("a"), "user.old", value, sizeof(value)) < 0 && errno == ENODATA;
}

#define USER_XATTR "tmpfs-user-xattr"

const struct operation operations_on_files[] = {
	{.name = "stat", .in = IN_ALL, .run = op_stat},
	{.name = "statx", .in = IN_ALL, .run = op_statx},
	{.name = "open or create", .in = IN_FILES, .run = op_open_or_create},
	{.name = "truncate", .in = IN_FILES, .run = op_truncate},
	{.name = "commit", .run = op_commit, .done = grown, .prepare = prepare_commit},
	{.name = "attributes", .in = IN_FILES, .run = op_attributes, .in_steps = true},
	{.name = "flags", .in = IN_FILES, .run = op_flags},
	{.name = "list", .in = IN_FILES, .run = op_list},
	{.name = "listxattr", .in = IN_FILES, .run = op_listxattr},
	{.name = "xattrs", .in = IN_FILES, .needs = USER_XATTR, .run = op_xattrs},
	{.name = "policy", .run = op_policy, .in_steps = true},
	{.name = "create with policy", .run = op_create_with_policy, .in_steps = true},
	{.name = "lock", .in = IN_ALL, .run = op_lock},
	{.name = "flock", .in = IN_ALL, .run = op_flock},
	{.name = "mandatory", .run = op_mandatory, .in_steps = true},
	{.name = "statfs", .in = IN_ALL, .run = op_statfs},
	{.name = "readlink", .in = IN_FILES, .run = op_readlink},
	{.name = "handle", .in = IN_FILES, .run = op_handle},
	{.name = "forget",
	 .in = IN_FILES,
	 .run = op_forget,
	 .done = all_forgotten,
	 .prepare = prepare_forget,
	 .in_steps = true},
	{.name = "setxattr existing", .in = IN_FILES, .needs = USER_XATTR, .run = op_setxattr_existing},
	{.name = "replace missing", .in = IN_FILES, .needs = USER_XATTR, .run = op_replace_missing},
	{.name = "removexattr missing", .in = IN_FILES, .needs = USER_XATTR, .run = op_removexattr_missing},
	{.name = "setxattr new",
	 .in = IN_FILES,
	 .needs = USER_XATTR,
	 .run = op_setxattr_new,
	 .done = set_xattr},
	{.name = "removexattr",
	 .in = IN_FILES,
	 .needs = USER_XATTR,
	 .run = op_removexattr,
	 .done = removed_xattr},
	{0},
};
