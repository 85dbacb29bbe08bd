// SPDX-License-Identifier: MIT
/*
 * POSIX shared memory objects as files: all operations through the mount are visible to shm_open(3) at once,
 * and the reverse; semaphores, facts about users of objects, and freed memory.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/acl.h"
#include "tests/lib/process.h"
#include "tests/lib/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static struct mount mount;
static pid_t tester;

/* A name of the test's own: all of its names begin alike. */
static const char *own(const char *name)
{
	return path_of("segfs_test.%d.%s", tester, name);
}

static const char *native(const char *name)
{
	return path_of("/dev/shm/%s", own(name));
}

static const char *at(const char *name)
{
	return path_of("%s/posix/%s", mount.path, own(name));
}

static int object_open(const char *name, int flags, mode_t mode)
{
	return shm_open(path_of("/%s", own(name)), flags, mode);
}

static int object_make(const char *name, off_t size, mode_t mode)
{
	int fd = (int)check(object_open(name, O_RDWR | O_CREAT | O_EXCL, mode));

	check(ftruncate(fd, size));
	return fd;
}

static int object_unlink(const char *name)
{
	return shm_unlink(path_of("/%s", own(name)));
}

static struct stat stat_of(const char *path)
{
	struct stat found;

	check(stat(path, &found));
	return found;
}

static bool lists(const char *directory, const char *name)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	const struct dirent *entry;
	bool found = false;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		found |= strcmp(entry->d_name, name) == 0;
	return found;
}

static bool has_orphan(const char *name, const char *value)
{
	return strcmp(attribute(at(name), "orphan"), value) == 0;
}

static char *map(int fd, size_t size, int protection)
{
	char *view;

	need_uncached_views();
	view = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	return view;
}

static void remove_tree(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, NULL);

	for (int i = 0; i < n; i++) {
		if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
			remove_tree(path_of("%s/%s", path, entries[i]->d_name));
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	remove(path);
}

/* Removes the test's own names only. */
static void remove_all(void)
{
	char prefix[64];
	struct dirent **entries;
	int n;

	if (getpid() != tester)
		return;
	snprintf(prefix, sizeof(prefix), "segfs_test.%d.", tester);
	n = scandir("/dev/shm", &entries, NULL, NULL);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;

		if (strncmp(name, prefix, strlen(prefix)) == 0 ||
		    (strncmp(name, "sem.", 4) == 0 && strncmp(name + 4, prefix, strlen(prefix)) == 0))
			remove_tree(path_of("/dev/shm/%s", name));
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static int clean(void **unused)
{
	(void)unused;
	remove_all();
	return 0;
}

/* --- both ways --- */

static void made_natively(void **state)
{
	int fd = object_make("a", 10000, 0640);
	struct stat by_mount = stat_of(at("a"));
	struct stat by_name = stat_of(native("a"));
	char bytes[8] = "";
	int front;

	(void)state;
	assert_int_equal(by_mount.st_size, 10000);
	assert_int_equal(by_mount.st_mode, by_name.st_mode);
	assert_int_equal(by_mount.st_mtim.tv_sec, by_name.st_mtim.tv_sec);
	assert_int_equal(by_mount.st_mtim.tv_nsec, by_name.st_mtim.tv_nsec);
	assert_int_equal(by_mount.st_blocks, by_name.st_blocks);
	assert_string_equal(attribute(at("a"), "source"), "posix");
	assert_string_equal(attribute(at("a"), "kind"), "memory");
	assert_int_equal(pwrite(fd, "native", 6, 9000), 6);
	front = (int)check(open(at("a"), O_RDWR | O_CLOEXEC));
	assert_int_equal(pread(front, bytes, 6, 9000), 6);
	assert_string_equal(bytes, "native");
	assert_int_equal(pwrite(front, "mount.", 6, 9000), 6);
	assert_int_equal(pread(fd, bytes, 6, 9000), 6);
	assert_string_equal(bytes, "mount.");
	check(close(front));
	check(close(fd));
}

static void made_through_the_mount(void **state)
{
	int front = (int)check(open(at("b"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0604));
	int fd = (int)check(object_open("b", O_RDWR, 0));
	struct stat found;

	(void)state;
	check_error(EEXIST, object_open("b", O_RDWR | O_CREAT | O_EXCL, 0600));
	check(ftruncate(front, 3 * PAGE));
	check(fstat(fd, &found));
	assert_int_equal(found.st_size, 3 * PAGE);
	assert_int_equal(found.st_mode, S_IFREG | 0604);
	check(ftruncate(fd, PAGE));
	check(fstat(front, &found));
	assert_int_equal(found.st_size, PAGE);
	assert_int_equal(stat_of(at("b")).st_size, PAGE);
	check(fallocate(front, 0, 0, 5 * PAGE));
	assert_int_equal(stat_of(native("b")).st_size, 5 * PAGE);
	check(chmod(at("b"), 0660));
	check(chown(at("b"), TEST_UID, TEST_GID));
	check(fstat(fd, &found));
	assert_int_equal(found.st_mode, S_IFREG | 0660);
	assert_int_equal(found.st_uid, TEST_UID);
	check(unlink(at("b")));
	check_error(ENOENT, object_open("b", O_RDWR, 0));
	check(close(front));
	check(close(fd));
}

static void pages_are_the_same(void **state)
{
	int fd = object_make("a", 4 * PAGE, 0600);
	int front = (int)check(open(at("a"), O_RDWR | O_CLOEXEC));
	char *memory = map(fd, 4 * PAGE, PROT_READ | PROT_WRITE);
	char *view = map(front, 4 * PAGE, PROT_READ | PROT_WRITE);

	(void)state;
	close(fd);
	close(front);
	for (int i = 0; i < 4; i++) {
		(i % 2 ? view : memory)[i * PAGE] = (char)('a' + i);
		assert_int_equal((i % 2 ? memory : view)[i * PAGE], 'a' + i);
		assert_int_equal(physical_page(view + i * PAGE), physical_page(memory + i * PAGE));
	}
	check(munmap(memory, 4 * PAGE));
	check(munmap(view, 4 * PAGE));
}

static void the_next_look_shows_it(void **state)
{
	struct stat last = {0};

	(void)state;
	for (int i = 0; i < 300; i++) {
		int fd = object_make("f", 100 + i, 0600);
		struct stat found;
		int front;

		if (i % 2 == 0)
			assert_true(lists(path_of("%s/posix", mount.path), own("f")));
		found = stat_of(at("f"));
		assert_int_equal(found.st_size, 100 + i);
		assert_true(found.st_ino != last.st_ino || found.st_ctim.tv_nsec != last.st_ctim.tv_nsec);
		last = found;
		front = (int)check(open(at("f"), O_RDWR | O_CLOEXEC));
		check(ftruncate(fd, 5000 + i));
		check(fchmod(fd, 0600 | (i & 077)));
		check(fstat(front, &found));
		assert_int_equal(found.st_size, 5000 + i);
		assert_int_equal(found.st_mode & 0777, 0600 | (i & 077));
		assert_int_equal(stat_of(at("f")).st_size, 5000 + i);
		assert_int_equal(lseek(front, 0, SEEK_END), 5000 + i);
		assert_int_equal(pwrite(fd, "z", 1, 5000 + i), 1);
		{
			char byte = 0;

			assert_int_equal(pread(front, &byte, 1, 5000 + i), 1);
			assert_int_equal(byte, 'z');
		}
		check(object_unlink("f"));
		check(fstat(front, &found));
		assert_int_equal(found.st_nlink, 0);
		assert_int_equal(found.st_size, 5001 + i);
		check_error(ENOENT, stat(at("f"), &found));
		if (i % 3 == 0)
			assert_false(lists(path_of("%s/posix", mount.path), own("f")));
		if (i % 4 == 0) {
			/* another file of this name does not affect the open one */
			int other = object_make("f", 7, 0600);

			assert_int_equal(stat_of(at("f")).st_size, 7);
			check(fstat(front, &found));
			assert_int_equal(found.st_size, 5001 + i);
			check(close(other));
			check(object_unlink("f"));
		}
		check(close(front));
		check(close(fd));
	}
}

/* --- names --- */

static void names_change_inside(void **state)
{
	struct stat found;

	(void)state;
	check(mkdir(at("d"), 0750));
	assert_int_equal(stat_of(native("d")).st_mode, S_IFDIR | 0750);
	close(object_make("a", 1, 0600));
	check(rename(at("a"), path_of("%s/x", at("d"))));
	check_error(ENOENT, stat(native("a"), &found));
	assert_int_equal(stat_of(path_of("%s/x", native("d"))).st_size, 1);
	check(link(path_of("%s/x", at("d")), at("l")));
	assert_int_equal(stat_of(native("l")).st_nlink, 2);
	assert_int_equal(stat_of(at("l")).st_nlink, 2);
	assert_int_equal(stat_of(at("l")).st_ino, stat_of(path_of("%s/x", at("d"))).st_ino);
	check(symlink("target", at("s")));
	assert_int_equal(readlink(native("s"), (char[16]){0}, 16), 6);
	/* natively, in a directory known to the mount */
	check(rename(path_of("%s/x", native("d")), path_of("%s/y", native("d"))));
	check_error(ENOENT, stat(path_of("%s/x", at("d")), &found));
	check(stat(path_of("%s/y", at("d")), &found));
	assert_true(lists(at("d"), "y"));
	assert_false(lists(at("d"), "x"));
	check(rename(native("d"), native("e")));
	check_error(ENOENT, stat(path_of("%s/y", at("d")), &found));
	check(stat(path_of("%s/y", at("e")), &found));
	check_error(ENOTEMPTY, rmdir(at("e")));
	check(unlink(path_of("%s/y", at("e"))));
	check(rmdir(at("e")));
	check_error(ENOENT, stat(native("e"), &found));
	assert_int_equal(stat_of(at("l")).st_nlink, 1);
	check_error(EXDEV, rename(at("l"), path_of("%s/l", mount.path)));
	check_error(EXDEV, link(at("l"), path_of("%s/l", mount.path)));
	/* RENAME_EXCHANGE, over another */
	close(object_make("m", 2, 0600));
	check(renameat2(AT_FDCWD, at("l"), AT_FDCWD, at("m"), RENAME_EXCHANGE));
	assert_int_equal(stat_of(native("l")).st_size, 2);
	check_error(EEXIST, renameat2(AT_FDCWD, at("l"), AT_FDCWD, at("m"), RENAME_NOREPLACE));
	check(rename(at("l"), at("m")));
	assert_int_equal(stat_of(native("m")).st_size, 2);
	check(close((int)check(open(path_of("%s/posix", mount.path), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600))));
}

static int try_open(void *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -errno : 0;
}

static int try_unlink(void *path)
{
	return unlink(path) < 0 ? -errno : 0;
}

static int try_chmod(void *path)
{
	return chmod(path, 0666) < 0 ? -errno : 0;
}

static int try_create(void *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -errno : 0;
}

static void permissions_are_those_of_the_object(void **state)
{
	char path[PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s", at("a"));
	close(object_make("a", 1, 0600));
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_open, path), -EACCES);
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_chmod, path), -EPERM);
	/* /dev/shm is sticky */
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_unlink, path), -EPERM);
	for (int i = 0; i < 20; i++) {
		check(chmod(native("a"), i % 2 ? 0666 : 0600));
		assert_int_equal(as_user(TEST_UID, TEST_GID, try_open, path), i % 2 ? 0 : -EACCES);
	}
	check(chmod(native("a"), 0600));
	check(chown(native("a"), TEST_UID, TEST_GID));
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_open, path), 0);
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_chmod, path), 0);
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_unlink, path), 0);
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_create, path), 0);
	assert_int_equal(stat_of(native("a")).st_uid, TEST_UID);
	assert_int_equal(stat_of(native("a")).st_gid, TEST_GID);
	assert_int_equal(stat_of(native("a")).st_mode & 0777, 0644);
}

/* setfacl -m u:TEST_UID:rw of a file with mode 0600 */
static const struct user_acl acl = USER_ACL(6, TEST_UID, 6, 0, 6, 0);

static void acls_and_attributes(void **state)
{
	char path[PATH_MAX];
	char value[256];

	(void)state;
	snprintf(path, sizeof(path), "%s", at("a"));
	close(object_make("a", 1, 0600));
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_open, path), -EACCES);
	if (setxattr(native("a"), "system.posix_acl_access", &acl, sizeof(acl), 0) < 0)
		skip_missing("ACLs on /dev/shm");
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_open, path), 0);
	check(removexattr(native("a"), "system.posix_acl_access"));
	check(chmod(native("a"), 0600));
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_open, path), -EACCES);
	check(setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0));
	assert_int_equal(getxattr(native("a"), "system.posix_acl_access", value, sizeof(value)), sizeof(acl));
	assert_int_equal(as_user(TEST_UID, TEST_GID, try_open, path), 0);
	check(removexattr(path, "system.posix_acl_access"));
	assert_int_equal(getxattr(native("a"), "system.posix_acl_access", value, sizeof(value)), -1);
	/* user attributes */
	if (setxattr(native("a"), "user.mine", "native", 6, 0) < 0)
		skip_missing("user attributes on /dev/shm");
	assert_int_equal(getxattr(path, "user.mine", value, sizeof(value)), 6);
	assert_memory_equal(value, "native", 6);
	check(setxattr(path, "user.mine", "mount", 5, XATTR_REPLACE));
	assert_int_equal(getxattr(native("a"), "user.mine", value, sizeof(value)), 5);
	check(removexattr(native("a"), "user.mine"));
	assert_int_equal(getxattr(path, "user.mine", value, sizeof(value)), -1);
	assert_int_equal(errno, ENODATA);
}

static void policies_are_not_to_be_had(void **state)
{
	static const char *const names[] = {"lock", "writers", "commit", "size-policy", "lifetime"};
	static const char *const values[] = {"mandatory", "1", "yes", "fixed", "last-close"};
	static const char *const facts[] = {"kind",   "mapped",   "mapped-pids", "orphan",
					    "source", "attached", "io-mode"};

	(void)state;
	close(object_make("a", 1, 0600));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		check_error(EOPNOTSUPP, setxattr(at("a"), path_of("user.segfs.%s", names[i]), values[i],
						 strlen(values[i]), 0));
		assert_string_equal(attribute(at("a"), names[i]), "ENODATA");
	}
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		check_error(EPERM, setxattr(at("a"), path_of("user.segfs.%s", facts[i]), "1", 1, 0));
	assert_int_equal(listxattr(native("a"), NULL, 0), 0);
}

static int try_lock(void *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 ? -errno : 0;
}

static void locks_work(void **state)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = 20};
	char path[PATH_MAX];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s", at("a"));
	close(object_make("a", 1, 0600));
	fd = (int)check(open(path, O_RDWR | O_CLOEXEC));
	check(fcntl(fd, F_SETLK, &lock));
	assert_int_equal(as_user(0, 0, try_lock, path), -EAGAIN);
	check(close(fd));
	assert_int_equal(as_user(0, 0, try_lock, path), 0);
}

/* --- semaphores --- */

static void semaphores(void **state)
{
	char name[NAME_MAX];
	char path[PATH_MAX];
	sem_t *semaphore;
	int status;
	pid_t child;

	(void)state;
	snprintf(name, sizeof(name), "/%s", own("s"));
	snprintf(path, sizeof(path), "%s", path_of("%s/posix/sem.%s", mount.path, own("s")));
	semaphore = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	assert_ptr_not_equal(semaphore, SEM_FAILED);
	assert_string_equal(attribute(path, "kind"), "semaphore");
	assert_string_equal(attribute(path, "mapped"), "1");
	assert_string_equal(attribute(path, "mapped-pids"), path_of("%d", tester));
	assert_string_equal(attribute(path, "orphan"), "no");
	fflush(NULL);
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 2000; i++)
			sem_post(semaphore);
		_exit(0);
	}
	/* while it is being inspected in all ways */
	for (int i = 0; i < 2000; i++) {
		char bytes[sizeof(sem_t)];
		struct timespec deadline;

		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_sec += WAIT_SECONDS;
		check(sem_timedwait(semaphore, &deadline));
		if (i % 20 == 0) {
			_cleanup_close_ int fd = (int)check(open(path, O_RDONLY | O_CLOEXEC));

			assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
			assert_int_equal(stat_of(path).st_size, sizeof(sem_t));
		}
		if (i % 200 == 0)
			assert_string_equal(attribute(path, "orphan"), "no");
	}
	check(waitpid(child, &status, 0));
	assert_int_equal(status, 0);
	check(sem_close(semaphore));
	/* unknown while a process of the machine does not respond, as in execve(2) */
	assert_true(wait_for(strcmp(attribute(path, "orphan"), "unknown") != 0));
	assert_string_equal(attribute(path, "orphan"), "yes");
	assert_string_equal(attribute(path, "mapped"), "0");
	check(unlink(path));
	assert_ptr_equal(sem_open(name, 0), SEM_FAILED);
	assert_int_equal(errno, ENOENT);
}

/* --- users --- */

static void who_maps_it(void **state)
{
	int fd = object_make("a", PAGE, 0600);
	char *memory = map(fd, PAGE, PROT_READ | PROT_WRITE);
	char expected[64];
	pid_t child;

	(void)state;
	assert_string_equal(attribute(at("a"), "mapped"), "1");
	assert_string_equal(attribute(at("a"), "mapped-pids"), path_of("%d", tester));
	fflush(NULL);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	snprintf(expected, sizeof(expected), "%d %d", tester < child ? tester : child,
		 tester < child ? child : tester);
	assert_string_equal(attribute(at("a"), "mapped"), "2");
	assert_string_equal(attribute(at("a"), "mapped-pids"), expected);
	check(munmap(memory, PAGE));
	/* a descriptor is not a mapping */
	assert_string_equal(attribute(at("a"), "mapped-pids"), path_of("%d", child));
	check(kill(child, SIGKILL));
	check(waitpid(child, NULL, 0));
	assert_string_equal(attribute(at("a"), "mapped"), "0");
	assert_string_equal(attribute(at("a"), "mapped-pids"), "");
	check(close(fd));
	/* views through the mount count as well */
	fd = (int)check(open(at("a"), O_RDONLY | O_CLOEXEC));
	memory = map(fd, PAGE, PROT_READ);
	check(close(fd));
	assert_string_equal(attribute(at("a"), "mapped-pids"), path_of("%d", tester));
	check(munmap(memory, PAGE));
}

static void send_descriptor(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(sizeof(int))}};
	struct iovec part = {.iov_base = (char[]){'x'}, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	check(sendmsg(socket, &message, 0));
}

static void orphans(void **state)
{
	int fd = object_make("a", PAGE, 0600);
	char *memory;
	int ends[2];

	(void)state;
	/* only a descriptor */
	assert_true(has_orphan("a", "no"));
	memory = map(fd, PAGE, PROT_READ);
	check(close(fd));
	/* only a view */
	assert_true(has_orphan("a", "no"));
	check(munmap(memory, PAGE));
	assert_true(wait_for(has_orphan("a", "yes")));
	/* in flight */
	fd = (int)check(object_open("a", O_RDONLY, 0));
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	send_descriptor(ends[0], fd);
	assert_true(has_orphan("a", "no"));
	check(close(fd));
	assert_true(has_orphan("a", "unknown"));
	close(ends[0]);
	close(ends[1]);
	assert_true(wait_for(has_orphan("a", "yes")));
	/* O_PATH is not an open */
	fd = (int)check(open(native("a"), O_PATH | O_CLOEXEC));
	assert_true(has_orphan("a", "yes") || has_orphan("a", "no"));
	check(close(fd));
}

static void orphans_through_the_mount(void **state)
{
	int fd;
	char *view;
	int ends[2];

	(void)state;
	close(object_make("a", PAGE, 0600));
	for (int writes = 0; writes < 2; writes++) {
		assert_true(wait_for(has_orphan("a", "yes")));
		fd = (int)check(open(at("a"), (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC));
		assert_true(has_orphan("a", "no"));
		mount_kill_worker(&mount);
		assert_true(has_orphan("a", "no"));
		view = map(fd, PAGE, writes ? PROT_READ | PROT_WRITE : PROT_READ);
		check(close(fd));
		assert_true(has_orphan("a", "no"));
		mount_kill_worker(&mount);
		assert_true(has_orphan("a", "no"));
		check(munmap(view, PAGE));
		assert_true(wait_for(has_orphan("a", "yes")));
		fd = (int)check(open(at("a"), O_RDONLY | O_CLOEXEC));
		check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
		send_descriptor(ends[0], fd);
		check(close(fd));
		assert_false(has_orphan("a", "yes"));
		close(ends[0]);
		close(ends[1]);
	}
	assert_true(wait_for(has_orphan("a", "yes")));
}

/* --- memory --- */

#define LARGE (256L << 20)

static long used_memory(void)
{
	struct statfs found;

	check(statfs("/dev/shm", &found));
	return (long)(found.f_blocks - found.f_bfree) * found.f_bsize;
}

static void make_large(void)
{
	int fd = object_make("large", LARGE, 0600);

	check(fallocate(fd, 0, 0, LARGE));
	check(close(fd));
}

static void memory_is_given_back_at_once(void **state)
{
	long before = used_memory();
	char byte;
	char *view;
	int fd;

	(void)state;
	/* looked up, listed, opened, written, mapped, and its attributes requested */
	make_large();
	stat_of(at("large"));
	assert_true(lists(path_of("%s/posix", mount.path), own("large")));
	fd = (int)check(open(at("large"), O_RDWR | O_CLOEXEC));
	assert_int_equal(pwrite(fd, "x", 1, 5), 1);
	view = map(fd, PAGE, PROT_READ | PROT_WRITE);
	check(munmap(view, PAGE));
	check(close(fd));
	attribute(at("large"), "orphan");
	attribute(at("large"), "mapped");
	assert_true(wait_for(mount_handles(&mount) == 0));
	assert_true(used_memory() - before > LARGE / 2);
	check(object_unlink("large"));
	assert_true(used_memory() - before < LARGE / 2);
	/* removed while open: freed at the close */
	make_large();
	fd = (int)check(open(at("large"), O_RDONLY | O_CLOEXEC));
	check(object_unlink("large"));
	assert_true(used_memory() - before > LARGE / 2);
	assert_int_equal(pread(fd, &byte, 1, LARGE - 1), 1);
	mount_kill_worker(&mount);
	assert_int_equal(pread(fd, &byte, 1, LARGE - 1), 1);
	check(close(fd));
	assert_true(wait_for(used_memory() - before < LARGE / 2));
	/* removed through the mount */
	make_large();
	fd = (int)check(open(at("large"), O_RDONLY | O_CLOEXEC));
	check(unlink(at("large")));
	check(close(fd));
	assert_true(wait_for(used_memory() - before < LARGE / 2));
	/* a dying worker holds nothing either */
	make_large();
	fd = (int)check(open(at("large"), O_RDONLY | O_CLOEXEC));
	mount_kill_worker(&mount);
	check(close(fd));
	assert_true(wait_for(mount_handles(&mount) == 0));
	check(object_unlink("large"));
	assert_true(used_memory() - before < LARGE / 2);
	/* replaced by rename(2) */
	make_large();
	stat_of(at("large"));
	close(object_make("small", 1, 0600));
	check(rename(native("small"), native("large")));
	assert_true(used_memory() - before < LARGE / 2);
	assert_int_equal(stat_of(at("large")).st_size, 1);
}

static void unlinked_while_open(void **state)
{
	int fd = object_make("a", PAGE, 0600);
	int front = (int)check(open(at("a"), O_RDWR | O_CLOEXEC));
	struct stat found;
	char byte = 0;

	(void)state;
	assert_int_equal(pwrite(fd, "o", 1, 0), 1);
	check(close(fd));
	check(object_unlink("a"));
	fd = object_make("a", 2 * PAGE, 0600);
	for (int i = 0; i < 2; i++) {
		check(fstat(front, &found));
		assert_int_equal(found.st_nlink, 0);
		assert_int_equal(found.st_size, PAGE);
		assert_int_equal(pread(front, &byte, 1, 0), 1);
		assert_int_equal(byte, 'o');
		check(fchmod(front, 0640));
		check(ftruncate(front, PAGE));
		check(close((int)check(open(path_of("/proc/self/fd/%d", front), O_RDWR | O_CLOEXEC))));
		assert_int_equal(stat_of(at("a")).st_size, 2 * PAGE);
		mount_kill_worker(&mount);
	}
	check(close(front));
	check(close(fd));
}

static int set_up(void **unused)
{
	(void)unused;
	return mount_start(&mount, &(struct mount_spec){0});
}

static int tear_down(void **unused)
{
	(void)unused;
	remove_all();
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, clean)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(made_natively),
		CASE(made_through_the_mount),
		CASE(pages_are_the_same),
		CASE(the_next_look_shows_it),
		CASE(names_change_inside),
		CASE(permissions_are_those_of_the_object),
		CASE(acls_and_attributes),
		CASE(policies_are_not_to_be_had),
		CASE(locks_work),
		CASE(semaphores),
		CASE(who_maps_it),
		CASE(orphans),
		CASE(orphans_through_the_mount),
		CASE(memory_is_given_back_at_once),
		CASE(unlinked_while_open),
	};

	if (geteuid() != 0)
		skip_program("root");
	tester = getpid();
	atexit(remove_all);
	return cmocka_run_group_tests(cases, set_up, tear_down);
}
