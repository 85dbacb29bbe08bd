// SPDX-License-Identifier: MIT
/*
 * Each operation with a kill before and after each of the worker's system calls that it takes, one after another. Whatever the
 * point, it says what it says without a kill, and is done once. No handle is left, no descriptor or passthrough id that
 * nothing names, and the state is valid.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/killpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#define SIZE 8192
#define POINTS_MAX 400 /* more than any operation has */

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

/* In the store, past the segfs, so that the mount knows nothing of it. */
static void put(const char *name, char byte)
{
	char bytes[SIZE];
	int fd = (int)check(open(stored(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(check(write(fd, bytes, sizeof(bytes))), sizeof(bytes));
	check(close(fd));
}

static char byte_of(const char *name)
{
	_cleanup_close_ int fd = open(stored(name), O_RDONLY | O_CLOEXEC);
	char byte = 0;

	return fd >= 0 && pread(fd, &byte, 1, 0) == 1 ? byte : 0;
}

static bool is_there(const char *name)
{
	struct stat stat;

	return lstat(stored(name), &stat) == 0;
}

static void clean(void)
{
	static const char *const names[] = {"a", "b", "new", "link", "fifo"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(stored(names[i]));
	rmdir(stored("dir"));
	rmdir(stored("a"));
	unlink(stored("dir"));
	rmdir(stored("new"));
}

/* --- operations: 0, or -errno, -EBADMSG where what they found is wrong --------------------------------------------- */

static int op_stat(void)
{
	struct stat found;
	int result = result_of(stat(at("file"), &found));

	return result == 0 && found.st_size != SIZE ? -EBADMSG : result;
}

static int op_statx(void)
{
	struct statx found;

	return result_of(statx(AT_FDCWD, at("file"), AT_STATX_FORCE_SYNC, STATX_ALL, &found));
}

static int op_open(void)
{
	_cleanup_close_ int fd = open(at("file"), O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0)
		return -errno;
	return pread(fd, &byte, 1, SIZE - 1) == 1 && byte == 'f' ? 0 : -EBADMSG;
}

static int op_open_twice(void)
{
	_cleanup_close_ int first = open(at("file"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int second = open(at("file"), O_RDONLY | O_CLOEXEC);
	char byte = 0;

	if (first < 0 || second < 0)
		return -errno;
	return pwrite(first, "f", 1, 0) == 1 && pread(second, &byte, 1, 0) == 1 && byte == 'f' ? 0 : -EBADMSG;
}

static int op_write(void)
{
	_cleanup_close_ int fd = open(at("file"), O_RDWR | O_CLOEXEC);
	char bytes[SIZE];

	if (fd < 0)
		return -errno;
	memset(bytes, 'f', sizeof(bytes));
	if (pwrite(fd, bytes, sizeof(bytes), 0) != sizeof(bytes) || pread(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -errno;
	return byte_of("file") == 'f' ? 0 : -EBADMSG;
}

/* The second execution must not append once more. */
static int op_append(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_APPEND | O_CLOEXEC);
	char bytes[8] = "";
	struct stat found;

	if (fd < 0)
		return -errno;
	if (write(fd, "first", 5) != 5 || write(fd, "two", 3) != 3)
		return -errno;
	if (stat(stored("a"), &found) < 0 || found.st_size != SIZE + 8)
		return -EBADMSG;
	return pread(fd, bytes, 8, SIZE) == 8 && memcmp(bytes, "firsttwo", 8) == 0 ? 0 : -EBADMSG;
}

static int op_view(void)
{
	_cleanup_close_ int fd = open(at("file"), O_RDWR | O_CLOEXEC);
	char *view;
	int result;

	if (fd < 0)
		return -errno;
	view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (view == MAP_FAILED)
		return -errno;
	result = view[0] == 'f' && view[SIZE - 1] == 'f' ? 0 : -EBADMSG;
	memset(view, 'f', SIZE);
	if (msync(view, SIZE, MS_SYNC) < 0)
		result = -errno;
	munmap(view, SIZE);
	return result;
}

static int op_open_truncating(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_TRUNC | O_CLOEXEC);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return -errno;
	return stat.st_size == 0 ? 0 : -EBADMSG;
}

static int op_open_or_create(void)
{
	_cleanup_close_ int fd = open(at("new"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return -errno;
	return stat.st_mode == (S_IFREG | 0640) && stat.st_nlink == 1 && is_there("new") ? 0 : -EBADMSG;
}

static int op_truncate(void)
{
	struct stat stat_buffer;

	if (truncate(at("a"), 100) < 0 || stat(stored("a"), &stat_buffer) < 0)
		return -errno;
	return stat_buffer.st_size == 100 ? 0 : -EBADMSG;
}

static int op_attributes(void)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};
	struct stat stat_buffer;

	if (chmod(at("a"), 0604) < 0 || chown(at("a"), 1, 2) < 0 || utimensat(AT_FDCWD, at("a"), times, 0) < 0 ||
	    stat(stored("a"), &stat_buffer) < 0)
		return -errno;
	return stat_buffer.st_mode == (S_IFREG | 0604) && stat_buffer.st_uid == 1 && stat_buffer.st_mtim.tv_sec == 2
		       ? 0
		       : -EBADMSG;
}

static int op_allocate(void)
{
	_cleanup_close_ int fd = open(at("file"), O_RDWR | O_CLOEXEC);

	if (fd < 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE) < 0)
		return -errno;
	return lseek(fd, 0, SEEK_HOLE) == SIZE ? 0 : -EBADMSG;
}

static int op_copy(void)
{
	_cleanup_close_ int in = open(at("file"), O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open(at("a"), O_RDWR | O_CLOEXEC);
	off_t from = 0;
	off_t to = 0;

	if (in < 0 || out < 0)
		return -errno;
	if (copy_file_range(in, &from, out, &to, SIZE, 0) != SIZE)
		return -errno;
	return byte_of("a") == 'f' ? 0 : -EBADMSG;
}

static int op_list(void)
{
	_cleanup_closedir_ DIR *dir = opendir(at("list"));
	int n = 0;

	if (!dir)
		return -errno;
	while (readdir(dir))
		n++;
	return n == 5 ? 0 : -EBADMSG;
}

static int op_xattrs(void)
{
	char value[1024];

	if (setxattr(at("file"), "user.of", "us", 2, 0) < 0 || listxattr(at("file"), value, sizeof(value)) < 0)
		return -errno;
	return getxattr(at("file"), "user.of", value, sizeof(value)) == 2 && memcmp(value, "us", 2) == 0 ? 0 : -EBADMSG;
}

/* Set, seen, stored, and taken back: as often as need be. */
static int op_policy(void)
{
	char value[16];

	if (setxattr(at("file"), "user.segfs.size-policy", "fixed", 5, 0) < 0 ||
	    setxattr(at("file"), "user.segfs.lifetime", "ttl:1h", 6, 0) < 0)
		return -errno;
	if (getxattr(at("file"), "user.segfs.lifetime", value, sizeof(value)) != 6 || memcmp(value, "ttl:1h", 6) != 0 ||
	    getxattr(stored("file"), "trusted.segfs.policy", NULL, 0) < 0)
		return -EBADMSG;
	if (truncate(at("file"), 100) == 0 || errno != EPERM)
		return -EBADMSG;
	return result_of(removexattr(at("file"), "user.segfs.size-policy"));
}

/* .segfs/attached looks at each process of the machine, in too many calls to be killed in each. */
static int op_list_locks(void)
{
	char text[64];

	return (int)read_text(at(".segfs/locks"), text, sizeof(text));
}

static int op_create_with_policy(void)
{
	_cleanup_close_ int fd = -1;

	if (setxattr(at("list"), "user.segfs.writers", "2", 1, 0) < 0)
		return -errno;
	fd = open(at("list/new"), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0 || getxattr(stored("list/new"), "trusted.segfs.policy", NULL, 0) < 0)
		return -errno;
	return unlink(stored("list/new")) < 0 ? -errno : result_of(removexattr(at("list"), "user.segfs.writers"));
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

static int op_control(void)
{
	char text[8192];
	ssize_t length = read_text(at(".segfs/status"), text, sizeof(text));

	if (length < 0)
		return (int)length;
	return length > 3 && strcmp(text + length - 3, "\n}\n") == 0 ? 0 : -EBADMSG;
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

	if (root < 0 || name_to_handle_at(root, "file", &buffer.handle, &mount_id, 0) < 0)
		return -errno;
	fd = open_by_handle_at(root, &buffer.handle, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : 0;
}

static int op_create(void)
{
	_cleanup_close_ int fd = open(at("new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	return fd < 0 ? -errno : 0;
}

static bool created(void)
{
	return is_there("new");
}

static int op_nameless(void)
{
	_cleanup_close_ int fd = open(mount.path, O_RDWR | O_TMPFILE | O_CLOEXEC, 0640);

	if (fd < 0 || pwrite(fd, "t", 1, 0) != 1)
		return -errno;
	return result_of(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, at("new"), AT_SYMLINK_FOLLOW));
}

static bool linked_nameless(void)
{
	return byte_of("new") == 't';
}

static int op_mkdir(void)
{
	return result_of(mkdir(at("dir"), 0750));
}

static bool made_directory(void)
{
	return is_there("dir");
}

static int op_rmdir(void)
{
	return result_of(rmdir(at("dir")));
}

static bool removed_directory(void)
{
	return !is_there("dir");
}

static int op_symlink(void)
{
	return result_of(symlink("target", at("link")));
}

static bool made_symlink(void)
{
	char target[16];

	return readlink(stored("link"), target, sizeof(target)) == 6;
}

static int op_mkfifo(void)
{
	return result_of(mkfifo(at("fifo"), 0600));
}

static bool made_fifo(void)
{
	return is_there("fifo");
}

static int op_link(void)
{
	return result_of(link(at("a"), at("link")));
}

static bool made_link(void)
{
	struct stat stat_buffer;

	return byte_of("link") == 'a' && stat(stored("a"), &stat_buffer) == 0 && stat_buffer.st_nlink == 2;
}

static int op_unlink(void)
{
	return result_of(unlink(at("a")));
}

static bool unlinked(void)
{
	return !is_there("a");
}

/* Whatever the point, the file stays for who has it open. */
static int op_unlink_open(void)
{
	_cleanup_close_ int fd = open(at("a"), O_RDWR | O_CLOEXEC);
	_cleanup_close_ int again = -1;
	struct stat stat;
	char byte = 0;
	int result;

	if (fd < 0)
		return -errno;
	result = result_of(unlink(at("a")));
	if (pread(fd, &byte, 1, 0) != 1 || byte != 'a' || pwrite(fd, "A", 1, 1) != 1)
		return -EBADMSG;
	again = open(path_of("/proc/self/fd/%d", fd), O_RDONLY | O_CLOEXEC);
	if (again < 0 || pread(again, &byte, 1, 1) != 1 || byte != 'A')
		return -EBADMSG;
	if (fstat(fd, &stat) < 0 || stat.st_nlink != 0 || stat.st_size != SIZE)
		return -EBADMSG;
	return result;
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
	_cleanup_close_ int fd = open(at("b"), O_RDWR | O_CLOEXEC);
	int result = result_of(rename(at("a"), at("b")));
	struct stat stat;
	char byte = 0;

	if (fd < 0)
		return -EBADMSG;
	if (pread(fd, &byte, 1, 0) != 1 || byte != 'b' || fstat(fd, &stat) < 0 || stat.st_nlink != 0)
		return -EBADMSG;
	return result;
}

static bool renamed_over(void)
{
	return !is_there("a") && byte_of("b") == 'a';
}

static int op_rename_new(void)
{
	return result_of(renameat2(AT_FDCWD, at("a"), AT_FDCWD, at("new"), RENAME_NOREPLACE));
}

static int op_exchange(void)
{
	return result_of(renameat2(AT_FDCWD, at("a"), AT_FDCWD, at("b"), RENAME_EXCHANGE));
}

static bool exchanged(void)
{
	return byte_of("a") == 'b' && byte_of("b") == 'a';
}

static int op_exchange_kinds(void)
{
	return result_of(renameat2(AT_FDCWD, at("a"), AT_FDCWD, at("dir"), RENAME_EXCHANGE));
}

static bool exchanged_kinds(void)
{
	struct stat stat;

	return byte_of("dir") == 'a' && lstat(stored("a"), &stat) == 0 && S_ISDIR(stat.st_mode);
}

/* One name of two, and the other one is still good. */
static int op_unlink_one(void)
{
	struct stat stat_buffer;

	if (unlink(stored("link")) < 0 && errno != ENOENT)
		return -errno;
	if (link(stored("a"), stored("link")) < 0)
		return -errno;
	if (unlink(at("a")) < 0 || stat(at("link"), &stat_buffer) < 0)
		return -errno;
	return stat_buffer.st_nlink == 1 ? 0 : -EBADMSG;
}

/* A directory that somebody works in goes on without its name. */
static int op_rmdir_open(void)
{
	_cleanup_close_ int fd = open(at("dir"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat found;

	if (fd < 0)
		return -errno;
	if (rmdir(at("dir")) < 0)
		return -errno;
	if (fstatat(fd, ".", &found, 0) < 0 || fstat(fd, &found) < 0)
		return -errno;
	return openat(fd, "x", O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == ENOENT ? 0 : -EBADMSG;
}

static int op_rename_directory(void)
{
	struct stat found;

	if (mkdir(stored("new"), 0700) < 0)
		return -errno;
	if (rename(at("dir"), at("new")) < 0 || stat(at("new"), &found) < 0)
		return -errno;
	return found.st_nlink == 2 ? 0 : -EBADMSG;
}

static bool renamed_directory(void)
{
	return !is_there("dir") && rmdir(stored("new")) == 0;
}

/* --- what fails, and has to go on failing --- */

static int expect(int error, int result)
{
	return result < 0 && errno == error ? 0 : result < 0 ? -errno : -EBADMSG;
}

static int op_setxattr_existing(void)
{
	return expect(EEXIST, setxattr(at("a"), "user.old", "n", 1, XATTR_CREATE));
}

static int op_replace_missing(void)
{
	return expect(ENODATA, setxattr(at("a"), "user.none", "n", 1, XATTR_REPLACE));
}

static int op_removexattr_missing(void)
{
	return expect(ENODATA, removexattr(at("a"), "user.none"));
}

static int op_rmdir_full(void)
{
	return expect(ENOTEMPTY, rmdir(at("list")));
}

static int op_rename_over_full(void)
{
	return expect(ENOTEMPTY, rename(at("dir"), at("list")));
}

static int op_mkdir_too_deep(void)
{
	return expect(ENOTDIR, mkdir(at("a/x"), 0700));
}

/* The mount does not know yet of what was made past it. */
static int op_create_existing(void)
{
	struct stat found;

	unlink(stored("new"));
	if (stat(at("new"), &found) == 0 || errno != ENOENT)
		return -EBADMSG;
	put("new", 'n');
	return expect(EEXIST, open(at("new"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static bool left_existing(void)
{
	return byte_of("new") == 'n';
}

static int op_setxattr_new(void)
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

/* --- the walk over all points -------------------------------------------------------------------------------------- */

struct operation {
	const char *name;
	int (*run)(void);
	bool (*done)(void); /* that it has been carried out, by the store; or NULL */
};

/* Those that come first take other ways in each I/O mode. */
static const struct operation operations[] = {
	{"open", op_open, NULL},
	{"open twice", op_open_twice, NULL},
	{"write", op_write, NULL},
	{"view", op_view, NULL},
	{"open truncating", op_open_truncating, NULL},
	{"allocate", op_allocate, NULL},
	{"copy", op_copy, NULL},
	{"append", op_append, NULL},
#define N_BY_MODE 8
	{"stat", op_stat, NULL},
	{"statx", op_statx, NULL},
	{"open or create", op_open_or_create, NULL},
	{"truncate", op_truncate, NULL},
	{"attributes", op_attributes, NULL},
	{"list", op_list, NULL},
	{"xattrs", op_xattrs, NULL},
	{"policy", op_policy, NULL},
	{"create with policy", op_create_with_policy, NULL},
	{"list locks", op_list_locks, NULL},
	{"statfs", op_statfs, NULL},
	{"readlink", op_readlink, NULL},
	{"control", op_control, NULL},
	{"handle", op_handle, NULL},
	{"create", op_create, created},
	{"nameless", op_nameless, linked_nameless},
	{"mkdir", op_mkdir, made_directory},
	{"rmdir", op_rmdir, removed_directory},
	{"symlink", op_symlink, made_symlink},
	{"mkfifo", op_mkfifo, made_fifo},
	{"link", op_link, made_link},
	{"unlink", op_unlink, unlinked},
	{"unlink open", op_unlink_open, unlinked},
	{"rename", op_rename, renamed},
	{"rename over", op_rename_over, renamed_over},
	{"rename new", op_rename_new, renamed},
	{"exchange", op_exchange, exchanged},
	{"exchange kinds", op_exchange_kinds, exchanged_kinds},
	{"unlink one", op_unlink_one, unlinked},
	{"rmdir open", op_rmdir_open, removed_directory},
	{"rename directory", op_rename_directory, renamed_directory},
	{"setxattr existing", op_setxattr_existing, NULL},
	{"replace missing", op_replace_missing, NULL},
	{"removexattr missing", op_removexattr_missing, NULL},
	{"rmdir full", op_rmdir_full, NULL},
	{"rename over full", op_rename_over_full, NULL},
	{"mkdir too deep", op_mkdir_too_deep, NULL},
	{"create existing", op_create_existing, left_existing},
	{"setxattr new", op_setxattr_new, set_xattr},
	{"removexattr", op_removexattr, removed_xattr},
};

static void prepare(const struct operation *operation)
{
	clean();
	put("file", 'f');
	put("a", 'a');
	put("b", 'b');
	check(setxattr(stored("a"), "user.old", "o", 1, 0));
	if (operation->run != op_mkdir)
		check(mkdir(stored("dir"), 0700));
}

/* Returns whether the worker was killed, that is, whether there is a further point. */
static bool try_point(const struct operation *operation, unsigned int n)
{
	struct killpoint point;
	bool killed;
	int result;
	int error;

	prepare(operation);
	error = killpoint_set(&point, &mount, n);
	if (error)
		fail_msg("following the worker: %s", strerror(-error));
	result = operation->run();
	/* what comes after the last close(2) is of the operation, too */
	if (mount_verify(&mount, 0) < 0)
		fail_msg("%s, point %u", operation->name, n);
	killed = killpoint_end(&point, &mount);
	if (result != 0)
		fail_msg("%s, point %u: %s", operation->name, n, strerror(-result));
	if (operation->done && !operation->done())
		fail_msg("%s, point %u: it was not done", operation->name, n);
	if (mount_verify(&mount, 0) < 0)
		fail_msg("%s, after point %u", operation->name, n);
	if (!no_lost_descriptors(&mount))
		fail_msg("%s, after point %u", operation->name, n);
	return killed;
}

static void walk(size_t n_operations)
{
	const char *filter = getenv("TEST_FILTER");
	unsigned int sum = 0;

	for (size_t i = 0; i < n_operations; i++) {
		unsigned int n = 1;

		if (filter && !strstr(operations[i].name, filter))
			continue;
		while (try_point(&operations[i], n) && n < POINTS_MAX)
			n++;
		assert_true(n > 4 && n < POINTS_MAX);
		if (!no_lost_backing_ids(&mount))
			fail_msg("%s", operations[i].name);
		sum += n - 1;
	}
	print_message("%u kills\n", sum);
	assert_false(log_has(&mount, "internal error"));
}

static void all_operations(void **unused)
{
	(void)unused;
	walk(sizeof(operations) / sizeof(operations[0]));
}

static void operations_on_bytes(void **unused)
{
	(void)unused;
	walk(N_BY_MODE);
}

/* What a death leaves counted that the kernel does not refer to must not hold a file that is removed after that. */
static void removed_files_go(void **unused)
{
	bool killed = true;
	unsigned int n;

	(void)unused;
	for (n = 1; killed && n < POINTS_MAX; n++) {
		struct killpoint point;
		int fd;

		assert_int_equal(killpoint_set(&point, &mount, n), 0);
		fd = open(at("gone"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
		check(unlink(at("gone")));
		killed = killpoint_end(&point, &mount);
		if (!wait_for(removed_files_held(&mount, false) == 0)) {
			removed_files_held(&mount, true);
			fail_msg("point %u", n);
		}
	}
	assert_true(n > 20 && n < POINTS_MAX);
}

static int start(const char *mode)
{
	const struct mount_spec spec = {
		.tag = mode,
		.options = path_of("io_mode=%s,entry_timeout=0,attr_timeout=0", mode),
	};

	if (mount_start(&mount, &spec) < 0 || mkdir(stored("list"), 0755) < 0 || symlink("file", stored("symlink")) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		put(path_of("list/%d", i), 'l');
	return 0;
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(all_operations),
		cmocka_unit_test(removed_files_go),
	};
	static const struct CMUnitTest some[] = {
		cmocka_unit_test(operations_on_bytes),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = run_in_mode("direct", all, sizeof(all) / sizeof(all[0]), start, stop);
	failed += run_in_mode("mediated", some, sizeof(some) / sizeof(some[0]), start, stop);
	failed += run_in_mode("relayed", some, sizeof(some) / sizeof(some[0]), start, stop);
	return failed;
}
