// SPDX-License-Identifier: MIT
/*
 * Operations on names and attributes with each allocation of the worker failing in turn, and with all
 * failing.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/leaks.h"
#include "tests/lib/preload.h"
#include "tests/lib/shortage.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define LISTED 200  /* names in a directory: several requests */
#define MANY   3000 /* nodes: more than the table of nodes begins with */

static struct mount mount;

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static const char *stored(const char *name)
{
	return path_of("%s/%s", mount.store, name);
}

static int result_of(long long result)
{
	return result < 0 ? -errno : 0;
}

static bool is_there(const char *name)
{
	struct stat stat;

	return lstat(stored(name), &stat) == 0;
}

/* The mount knows nothing of what is made or removed in the store. */
static void prepare(void)
{
	static const char *const names[] = {"a", "b", "new", "link", "fifo"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(stored(names[i]));
	rmdir(stored("dir"));
	check(write_text(stored("a"), "a"));
	check(write_text(stored("b"), "b"));
	if (kernel_has("tmpfs-user-xattr"))
		check(setxattr(stored("a"), "user.old", "old", 3, 0));
}

static void prepare_directory(void)
{
	prepare();
	check(mkdir(stored("dir"), 0700));
}

static char byte_of(const char *name)
{
	char text[4] = "";

	return read_text(stored(name), text, sizeof(text)) > 0 ? text[0] : '\0';
}

/* --- looking --- */

static int op_stat(void)
{
	struct stat found;
	int result = result_of(stat(at("a"), &found));

	return result == 0 && found.st_size != 1 ? -EBADMSG : result;
}

static int op_lookup_missing(void)
{
	struct stat found;

	if (stat(at("missing"), &found) == 0)
		return -EBADMSG;
	return errno == ENOENT ? 0 : -errno;
}

static int op_statx(void)
{
	struct statx found;

	return result_of(statx(AT_FDCWD, at("a"), AT_STATX_FORCE_SYNC, STATX_ALL, &found));
}

static int op_statfs(void)
{
	struct statvfs found;

	return result_of(statvfs(mount.path, &found));
}

static int op_readlink(void)
{
	char target[16];

	return readlink(at("symlink"), target, sizeof(target)) == 4 ? 0 : -errno;
}

static int op_list(void)
{
	_cleanup_closedir_ DIR *dir = opendir(at("list"));
	const struct dirent *entry;
	int n = 0;

	if (!dir)
		return -errno;
	errno = 0;
	while ((entry = readdir(dir)))
		n++;
	if (errno)
		return -errno;
	return n == LISTED + 2 ? 0 : -EBADMSG;
}

static int op_list_control(void)
{
	_cleanup_closedir_ DIR *dir = opendir(at(".segfs"));
	int n = 0;

	if (!dir)
		return -errno;
	errno = 0;
	while (readdir(dir))
		n++;
	return errno ? -errno : n == 8 ? 0 : -EBADMSG;
}

static int op_control(void)
{
	char text[8192];
	ssize_t length = read_text(at(".segfs/status"), text, sizeof(text));

	if (length < 0)
		return (int)length;
	return length > 3 && strcmp(text + length - 3, "\n}\n") == 0 ? 0 : -EBADMSG;
}

static void prepare_policy(void)
{
	prepare();
	check(setxattr(at("a"), "user.segfs.writers", "3", 1, 0));
}

static int op_policies(void)
{
	char text[256];
	ssize_t length = read_text(at(".segfs/policies"), text, sizeof(text));

	if (length < 0)
		return (int)length;
	return strcmp(text, "writers=3 a\n") == 0 ? 0 : -EBADMSG;
}

static int op_inode_flags(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDONLY | O_CLOEXEC);
	int flags;

	return fd < 0 ? -errno : result_of(ioctl(fd, FS_IOC_GETFLAGS, &flags));
}

static int op_handle(void)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} buffer = {.handle.handle_bytes = MAX_HANDLE_SZ};
	_cleanup_close_ int root = open(mount.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	int mount_id;

	if (root < 0 || name_to_handle_at(root, "a", &buffer.handle, &mount_id, 0) < 0)
		return -errno;
	fd = open_by_handle_at(root, &buffer.handle, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

static int op_getxattr(void)
{
	char value[8];
	ssize_t length = getxattr(at("a"), "user.old", value, sizeof(value));

	return length < 0 ? -errno : length == 3 && memcmp(value, "old", 3) == 0 ? 0 : -EBADMSG;
}

static int op_own_xattr(void)
{
	char value[64];

	return result_of(getxattr(at("a"), "user.segfs.io-mode", value, sizeof(value)));
}

static int op_listxattr(void)
{
	char list[256];
	ssize_t length = listxattr(at("a"), list, sizeof(list));

	return length < 0 ? -errno : memmem(list, (size_t)length, "user.old", 9) ? 0 : -EBADMSG;
}

/* --- changing --- */

static int op_create(void)
{
	_cleanup_close_ int fd = open(at("new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : 0;
}

static bool created(void)
{
	struct stat found;

	return lstat(stored("new"), &found) == 0 && found.st_mode == (S_IFREG | 0640) && found.st_size == 0;
}

static int op_nameless(void)
{
	_cleanup_close_ int fd = open(mount.path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	if (pwrite(fd, "t", 1, 0) != 1)
		return -EBADMSG;
	return result_of(
		linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, at("new"), AT_SYMLINK_FOLLOW));
}

static bool linked_nameless(void)
{
	return byte_of("new") == 't';
}

static int op_mkdir(void)
{
	return result_of(mkdir(at("dir"), 0750));
}

static bool has_directory(void)
{
	return is_there("dir");
}

static int op_rmdir(void)
{
	return result_of(rmdir(at("dir")));
}

static bool has_no_directory(void)
{
	return !is_there("dir");
}

static int op_symlink(void)
{
	return result_of(symlink("target", at("link")));
}

static bool has_symlink(void)
{
	char target[16];

	return readlink(stored("link"), target, sizeof(target)) == 6;
}

static int op_mkfifo(void)
{
	return result_of(mkfifo(at("fifo"), 0600));
}

static bool has_fifo(void)
{
	return is_there("fifo");
}

static int op_link(void)
{
	return result_of(link(at("a"), at("link")));
}

static bool has_link(void)
{
	return byte_of("link") == 'a' && byte_of("a") == 'a';
}

static int op_unlink(void)
{
	return result_of(unlink(at("a")));
}

static bool unlinked(void)
{
	return !is_there("a");
}

/* The file stays for who has it open. */
static int op_unlink_open(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);
	struct stat stat;
	char byte = 0;

	if (fd < 0 || unlink(at("a")) < 0)
		return -errno;
	if (pread(fd, &byte, 1, 0) != 1 || byte != 'a' || pwrite(fd, "A", 1, 1) != 1)
		return -EBADMSG;
	/* it is done; what one may ask about it is another matter */
	return fstat(fd, &stat) == 0 && stat.st_nlink != 0 ? -EBADMSG : 0;
}

static int op_rename(void)
{
	return result_of(rename(at("a"), at("new")));
}

static bool renamed(void)
{
	return !is_there("a") && byte_of("new") == 'a';
}

static int op_rename_over(void)
{
	return result_of(rename(at("a"), at("b")));
}

static bool renamed_over(void)
{
	return !is_there("a") && byte_of("b") == 'a';
}

static int op_exchange(void)
{
	return result_of(renameat2(AT_FDCWD, at("a"), AT_FDCWD, at("b"), RENAME_EXCHANGE));
}

static bool exchanged(void)
{
	return byte_of("a") == 'b' && byte_of("b") == 'a';
}

static int op_setxattr(void)
{
	return result_of(setxattr(at("a"), "user.new", "n", 1, XATTR_CREATE));
}

static bool set_xattr(void)
{
	char value[4];

	return getxattr(stored("a"), "user.new", value, sizeof(value)) == 1;
}

static int op_removexattr(void)
{
	return result_of(removexattr(at("a"), "user.old"));
}

static bool removed_xattr(void)
{
	char value[4];

	return getxattr(stored("a"), "user.old", value, sizeof(value)) < 0 && errno == ENODATA;
}

static int op_chmod(void)
{
	return result_of(chmod(at("a"), 0604));
}

static bool changed_mode(void)
{
	struct stat found;

	return stat(stored("a"), &found) == 0 && (found.st_mode & 07777) == 0604;
}

static int op_truncate(void)
{
	return result_of(truncate(at("a"), 100));
}

static bool truncated(void)
{
	struct stat found;

	return stat(stored("a"), &found) == 0 && found.st_size == 100;
}

/* --- locks and policies --- */

/* The errno that a full lock table has is that of a lack of memory, too. */
static int lock_result(int result)
{
	int error = result_of(result);

	return error == -ENOLCK ? -ENOMEM : error;
}

static int op_lock(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);
	struct flock found = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int result;

	if (fd < 0)
		return -errno;
	result = lock_result(fcntl(fd, F_OFD_SETLK, &lock));
	/* cuts it in two */
	lock.l_type = F_UNLCK;
	lock.l_start = 13;
	lock.l_len = 2;
	if (result == 0)
		result = lock_result(fcntl(fd, F_OFD_SETLK, &lock));
	if (result == 0 && fcntl(fd, F_GETLK, &found) == 0)
		result = found.l_start == 10 && found.l_len == 3 ? 0 : -EBADMSG;
	return result;
}

static int op_flock(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : lock_result(flock(fd, LOCK_EX | LOCK_NB));
}

/* I/O under a mandatory lock, which another open of it would have to wait for. */
static int op_mandatory(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int other = -1;
	int result;

	if (setxattr(at("a"), "user.segfs.lock", "mandatory", 9, 0) < 0)
		return -errno;
	fd = open(at("a"), O_RDWR | O_CLOEXEC);
	other = open(at("a"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || other < 0)
		return -errno;
	result = lock_result(fcntl(fd, F_OFD_SETLK, &lock));
	if (result == 0 && pwrite(fd, "w", 1, 0) != 1)
		result = -errno;
	if (result == 0 && pwrite(other, "o", 1, 0) == 1)
		result = -EBADMSG;
	else if (result == 0 && errno != EAGAIN)
		result = -errno;
	return result;
}

static int op_set_policy(void)
{
	return result_of(setxattr(at("a"), "user.segfs.lifetime", "ttl:1h", 6, 0));
}

static bool set_policy(void)
{
	return getxattr(stored("a"), "trusted.segfs.policy", NULL, 0) > 0;
}

static int op_create_with_policy(void)
{
	_cleanup_close_ int fd = -1;

	if (setxattr(at("list"), "user.segfs.writers", "3", 1, 0) < 0)
		return -errno;
	fd = open(at("list/new"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (unlink(at("list/new")) < 0 || removexattr(at("list"), "user.segfs.writers") < 0)
		return -errno;
	return 0;
}

/* .segfs/attached takes memory for each process of the machine, too often to be walked. */
static int op_list_locks(void)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);
	char text[4096];
	ssize_t length;
	int result;

	if (fd < 0)
		return -errno;
	result = lock_result(fcntl(fd, F_OFD_SETLK, &lock));
	length = result == 0 ? read_text(at(".segfs/locks"), text, sizeof(text)) : result;
	if (length > 0)
		length = strstr(text, " a\n") ? 0 : -EBADMSG;
	return (int)length;
}

static void governing(void **unused)
{
	static const struct shortage_operation operations[] = {
		{"lock", prepare, op_lock, NULL, 0, NULL},
		{"flock", prepare, op_flock, NULL, 0, NULL},
		{"mandatory", prepare, op_mandatory, NULL, 0, NULL},
		{"set policy", prepare, op_set_policy, set_policy, 0, NULL},
		{"create with policy", prepare, op_create_with_policy, NULL, 0, NULL},
		{"list locks", prepare, op_list_locks, NULL, 0, NULL},
	};

	(void)unused;
	shortage_walk(&mount, operations, sizeof(operations) / sizeof(operations[0]));
}

static void looking(void **unused)
{
	static const struct shortage_operation operations[] = {
		{"stat", prepare, op_stat, NULL, 0, NULL},
		{"lookup missing", prepare, op_lookup_missing, NULL, 0, NULL},
		{"statx", prepare, op_statx, NULL, 0, NULL},
		{"statfs", prepare, op_statfs, NULL, 0, NULL},
		{"readlink", prepare, op_readlink, NULL, 0, NULL},
		{"list", prepare, op_list, NULL, 0, NULL},
		{"list control", prepare, op_list_control, NULL, 0, NULL},
		{"control", prepare, op_control, NULL, 0, NULL},
		{"policies", prepare_policy, op_policies, NULL, 0, NULL},
		{"inode flags", prepare, op_inode_flags, NULL, 0, NULL},
		{"handle", prepare, op_handle, NULL, 0, NULL},
		{"getxattr", prepare, op_getxattr, NULL, 0, "tmpfs-user-xattr"},
		{"own xattr", prepare, op_own_xattr, NULL, 0, NULL},
		{"listxattr", prepare, op_listxattr, NULL, 0, "tmpfs-user-xattr"},
	};

	(void)unused;
	shortage_walk(&mount, operations, sizeof(operations) / sizeof(operations[0]));
}

static void changing(void **unused)
{
	static const struct shortage_operation operations[] = {
		/* having made it, the kernel asks for the attributes of the file */
		{"create", prepare, op_create, created, EEXIST, NULL},
		{"nameless", prepare, op_nameless, linked_nameless, 0, NULL},
		{"mkdir", prepare, op_mkdir, has_directory, 0, NULL},
		{"rmdir", prepare_directory, op_rmdir, has_no_directory, 0, NULL},
		{"symlink", prepare, op_symlink, has_symlink, 0, NULL},
		{"mkfifo", prepare, op_mkfifo, has_fifo, 0, NULL},
		{"link", prepare, op_link, has_link, 0, NULL},
		{"unlink", prepare, op_unlink, unlinked, 0, NULL},
		{"unlink open", prepare, op_unlink_open, unlinked, 0, NULL},
		{"rename", prepare, op_rename, renamed, 0, NULL},
		{"rename over", prepare, op_rename_over, renamed_over, 0, NULL},
		{"exchange", prepare, op_exchange, exchanged, 0, NULL},
		{"setxattr", prepare, op_setxattr, set_xattr, 0, "tmpfs-user-xattr"},
		{"removexattr", prepare, op_removexattr, removed_xattr, 0, "tmpfs-user-xattr"},
		{"chmod", prepare, op_chmod, changed_mode, 0, NULL},
		{"truncate", prepare, op_truncate, truncated, 0, NULL},
	};

	(void)unused;
	shortage_walk(&mount, operations, sizeof(operations) / sizeof(operations[0]));
}

/* It is only slower then. */
static void a_table_that_can_not_grow(void **unused)
{
	struct stat found;

	(void)unused;
	check(mkdir(stored("many"), 0755));
	for (int i = 0; i < MANY; i++)
		check(mknod(path_of("%s/many/%d", mount.store, i), S_IFREG | 0600, 0));
	shortage_begin(FAIL_IN_WORKER, 1, SHORTAGE_ALL, 4096);
	for (int i = 0; i < MANY; i++)
		check(stat(path_of("%s/many/%d", mount.path, i), &found));
	assert_true(shortage_end() > 0);
	assert_int_equal(mount_verify(&mount, 0), 0);
	for (int i = 0; i < MANY; i++) {
		check(stat(path_of("%s/many/%d", mount.path, i), &found));
		check(unlink(path_of("%s/many/%d", mount.path, i)));
	}
	check(rmdir(at("many")));
}

static int start(void **unused)
{
	const struct mount_spec spec = {.preload = preload_path("failmalloc"),
					.options = "mand,entry_timeout=0,attr_timeout=0"};

	(void)unused;
	if (mount_start(&mount, &spec) < 0 || mkdir(stored("list"), 0755) < 0 ||
	    symlink("file", stored("symlink")) < 0)
		return -1;
	for (int i = 0; i < LISTED; i++)
		if (write_text(stored(path_of("list/%d", i)), "l") < 0)
			return -1;
	return 0;
}

static int stop(void **unused)
{
	(void)unused;
	shortage_end();
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(a_table_that_can_not_grow),
		cmocka_unit_test(looking),
		cmocka_unit_test(changing),
		cmocka_unit_test(governing),
	};

	shortage_setup();
	return cmocka_run_group_tests_name("enomem", cases, start, stop);
}
