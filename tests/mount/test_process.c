// SPDX-License-Identifier: MIT
/* tests/run: alone: changes the number of huge pages of the machine */
/*
 * process/: its entries, that they are the processes' own memory, the supported operations, and permissions.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/lib/target.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define OTHER_UID 12346

static struct mount mount_here;
static struct target target;

static const char *memfd(void)
{
	return target_memfd(&mount_here, &target, target.memfd, "plain");
}

/* --- what is there --- */

/* Counts entries of a directory with this name; each must match stat(2). */
static int count_entries(const char *directory, const char *name)
{
	_cleanup_closedir_ DIR *dir = opendir(directory);
	const struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		struct stat stat;

		if (strcmp(entry->d_name, name) != 0)
			continue;
		count++;
		check(fstatat(dirfd(dir), name, &stat, AT_SYMLINK_NOFOLLOW));
		assert_int_equal(stat.st_ino, entry->d_ino);
		assert_int_equal(stat.st_mode >> 12, entry->d_type);
	}
	return count;
}

static const char *name_in(const char *path)
{
	return strrchr(path, '/') + 1;
}

static void all_kinds_are_listed(void **state)
{
	const char *directory = target_path(&mount_here, &target, "");
	char number[16];

	(void)state;
	snprintf(number, sizeof(number), "%d", (int)target.pid);
	assert_int_equal(count_entries(path_of("%s/process", mount_here.path), number), 1);
	assert_int_equal(count_entries(path_of("%s", mount_here.path), "process"), 1);
	assert_int_equal(count_entries(directory, "comm"), 1);
	assert_int_equal(count_entries(directory, "."), 1);
	assert_int_equal(count_entries(directory, ".."), 1);
	assert_int_equal(count_entries(directory, name_in(memfd())), 1);
	assert_int_equal(count_entries(directory,
				       name_in(target_memfd(&mount_here, &target, target.sealed, "sealed"))),
			 1);
	assert_int_equal(count_entries(directory, name_in(target_anonymous(&mount_here, &target))), 1);
	assert_int_equal(count_entries(directory, name_in(target_deleted(&mount_here, &target))), 1);
}

static void names_have_one_form(void **state)
{
	struct stat stat;

	(void)state;
	check_error(ENOENT, lstat(path_of("%s/process/0%d", mount_here.path, target.pid), &stat));
	check_error(ENOENT, lstat(path_of("%s/process/self", mount_here.path), &stat));
	check_error(ENOENT, lstat(path_of("%s/process/0", mount_here.path), &stat));
	check_error(ENOENT, lstat(path_of("%s/process/99999999999", mount_here.path), &stat));
	check_error(ENOENT, lstat(target_memfd(&mount_here, &target, target.memfd, "other"), &stat));
	check_error(ENOENT, lstat(target_memfd(&mount_here, &target, target.memfd, ""), &stat));
	check_error(ENOENT, lstat(target_memfd(&mount_here, &target, 9999, "plain"), &stat));
	check_error(ENOENT, lstat(target_memfd(&mount_here, &target, target.control, "plain"), &stat));
	check_error(ENOENT, lstat(path_of("%s-", target_anonymous(&mount_here, &target)), &stat));
	check_error(ENOENT, lstat(target_path(&mount_here, &target, "anon-00400000-00401000"), &stat));
	check_error(ENOENT, lstat(target_path(&mount_here, &target, "deleted-00400000-x"), &stat));
	check_error(ENOENT, lstat(path_of("%sx", target_deleted(&mount_here, &target)), &stat));
}

static void attributes_are_the_process_s(void **state)
{
	struct stat stat;

	(void)state;
	check(lstat(path_of("%s/process", mount_here.path), &stat));
	assert_int_equal(stat.st_mode, S_IFDIR | 0555);
	assert_int_equal(stat.st_uid, 0);
	check(lstat(target_path(&mount_here, &target, ""), &stat));
	assert_int_equal(stat.st_mode, S_IFDIR | 0500);
	assert_int_equal(stat.st_uid, TEST_UID);
	assert_int_equal(stat.st_gid, TEST_GID);
	check(lstat(memfd(), &stat));
	assert_int_equal(stat.st_mode, S_IFREG | 0600);
	assert_int_equal(stat.st_uid, TEST_UID);
	assert_int_equal(stat.st_size, TARGET_SIZE);
	assert_int_equal(stat.st_nlink, 1);
	check(lstat(target_anonymous(&mount_here, &target), &stat));
	assert_int_equal(stat.st_size, TARGET_SIZE);
	check(lstat(target_deleted(&mount_here, &target), &stat));
	assert_int_equal(stat.st_size, TARGET_SIZE);
}

static void the_link_tells_the_name(void **state)
{
	const char *link = path_of("%s/process/%d/comm", mount_here.path, getpid());
	static const struct {
		const char *name;
		const char *target;
	} names[] = {{"segfs target", "segfs target"},
		     {"../../a/b\nc", ".._.._a_b_c"},
		     {"", "_"},
		     {"0123456789abcdef", "0123456789abcde"}};
	struct stat stat;
	char before[16] = "";
	char found[64];

	(void)state;
	prctl(PR_GET_NAME, before);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		memset(found, 0, sizeof(found));
		check(prctl(PR_SET_NAME, names[i].name));
		/* the kernel caches link targets: it must not cache this one */
		assert_int_equal(check(readlink(link, found, sizeof(found))), strlen(names[i].target));
		assert_string_equal(found, names[i].target);
		check(lstat(link, &stat));
		assert_int_equal(stat.st_size, strlen(names[i].target));
		assert_true(S_ISLNK(stat.st_mode));
	}
	check(prctl(PR_SET_NAME, before));
}

static void expect_attribute(const char *path, const char *name, const char *expected)
{
	char value[256] = "";

	check(getxattr(path, name, value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

static void facts_are_told(void **state)
{
	const char *anonymous = target_anonymous(&mount_here, &target);
	const char *sealed = target_memfd(&mount_here, &target, target.sealed, "sealed");
	char value[256] = "";
	struct stat stat;

	(void)state;
	expect_attribute(memfd(), "user.segfs.seals", "none");
	expect_attribute(sealed, "user.segfs.seals", "seal,shrink,grow,write");
	expect_attribute(target_memfd(&mount_here, &target, target.future, "future"), "user.segfs.seals",
			 "future-write");
	expect_attribute(memfd(), "user.segfs.source", "process");
	expect_attribute(memfd(), "user.segfs.users", "");
	expect_attribute(anonymous, "user.segfs.users", "");
	check(fstatat(AT_FDCWD, path_of("/proc/%d/fd/%d", target.pid, target.memfd), &stat, 0));
	snprintf(value, sizeof(value), "%lu", (unsigned long)stat.st_ino);
	expect_attribute(memfd(), "user.segfs.inode", value);
	check_error(ENODATA, getxattr(anonymous, "user.segfs.seals", value, sizeof(value)));
	check_error(ENODATA, getxattr(memfd(), "user.segfs.orphan", value, sizeof(value)));
	check_error(ENODATA, getxattr(memfd(), "user.segfs.lock", value, sizeof(value)));
	check_error(EPERM, setxattr(memfd(), "user.segfs.seals", "none", 4, 0));
	check_error(EPERM, setxattr(memfd(), "user.mine", "x", 1, 0));
}

/* --- that it is the memory --- */

static char *map(int fd, int protection)
{
	char *view = mmap(NULL, TARGET_SIZE, protection, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(view, MAP_FAILED);
	return view;
}

static void expect_bytes(const char *path, const char *expected, size_t size)
{
	_cleanup_close_ int fd = (int)check(open(path, O_RDONLY));
	char bytes[64];

	assert_int_equal(check(pread(fd, bytes, size, 0)), size);
	assert_memory_equal(bytes, expected, size);
}

static void bytes_are_the_process_s(void **state)
{
	char text[64];
	int fd;

	(void)state;
	expect_bytes(memfd(), TARGET_TEXT_MEMFD, sizeof(TARGET_TEXT_MEMFD));
	expect_bytes(target_anonymous(&mount_here, &target), TARGET_TEXT_ANONYMOUS,
		     sizeof(TARGET_TEXT_ANONYMOUS));
	expect_bytes(target_deleted(&mount_here, &target), TARGET_TEXT_DELETED, sizeof(TARGET_TEXT_DELETED));
	expect_bytes(target_memfd(&mount_here, &target, target.sealed, "sealed"), TARGET_TEXT_MEMFD,
		     sizeof(TARGET_TEXT_MEMFD));
	/* data written here are visible there */
	fd = (int)check(open(target_anonymous(&mount_here, &target), O_RDWR));
	assert_int_equal(check(pwrite(fd, "written", 7, 4096)), 7);
	close(fd);
	fd = (int)check(open(path_of("/proc/%d/mem", target.pid), O_RDONLY));
	assert_int_equal(check(pread(fd, text, 7, (off_t)(target.anonymous + 4096))), 7);
	assert_memory_equal(text, "written", 7);
	close(fd);
}

static void expect_same_pages(const char *path, char *own)
{
	int fd = (int)check(open(path, O_RDWR));
	char *view = map(fd, PROT_READ | PROT_WRITE);

	for (unsigned int i = 0; i < TARGET_PAGES; i++) {
		(i % 2 ? view : own)[i * 4096] = (char)(i + 1);
		assert_int_equal((i % 2 ? own : view)[i * 4096], i + 1);
		if (physical_page(own) != 0)
			assert_int_equal(physical_page(view + i * 4096), physical_page(own + i * 4096));
	}
	check(munmap(view, TARGET_SIZE));
	close(fd);
}

/* Of this process, so that both views can be compared. */
static void pages_are_the_same(void **state)
{
	char *view;
	int object;
	int fd;

	(void)state;
	if (!kernel_has("passthrough"))
		skip_missing("passthrough");
	object = (int)check(shm_open("segfs-test-pages", O_RDWR | O_CREAT | O_EXCL, 0600));
	fd = (int)check(memfd_create("pages", MFD_CLOEXEC));
	check(ftruncate(fd, TARGET_SIZE));
	check(ftruncate(object, TARGET_SIZE));
	view = map(fd, PROT_READ | PROT_WRITE);
	expect_same_pages(path_of("%s/process/%d/memfd-%d-pages", mount_here.path, getpid(), fd), view);
	check(munmap(view, TARGET_SIZE));
	close(fd);
	view = map(object, PROT_READ | PROT_WRITE);
	check(shm_unlink("segfs-test-pages"));
	expect_same_pages(path_of("%s/process/%d/deleted-%08lx-segfs-test-pages", mount_here.path, getpid(),
				  (unsigned long)view),
			  view);
	check(munmap(view, TARGET_SIZE));
	close(object);
	view = mmap(NULL, TARGET_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	expect_same_pages(path_of("%s/process/%d/anon-%08lx-%08lx", mount_here.path, getpid(),
				  (unsigned long)view, (unsigned long)(view + TARGET_SIZE)),
			  view);
	check(munmap(view, TARGET_SIZE));
}

static void another_process_shares(void **state)
{
	char number[16];
	char *view;
	int fd;

	(void)state;
	need_uncached_views();
	fd = (int)check(open(memfd(), O_RDONLY));
	view = map(fd, PROT_READ);
	snprintf(number, sizeof(number), "%d", getpid());
	expect_attribute(memfd(), "user.segfs.users", number);
	expect_attribute(memfd(), "user.segfs.attached", "1");
	expect_attribute(memfd(), "user.segfs.io-mode", usual_mode());
	check(munmap(view, TARGET_SIZE));
	close(fd);
}

/* --- what may be done --- */

static int read_only_for_anybody(void *unused)
{
	static const int ways[] = {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND};
	const char *paths[] = {
		target_memfd(&mount_here, &target, target.sealed, "sealed"),
		target_memfd(&mount_here, &target, target.future, "future"),
		target_memfd(&mount_here, &target, target.read_only, "read-only"),
	};
	char byte;
	int fd;

	(void)unused;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++)
			if (open(paths[i], ways[way]) >= 0 || errno != EPERM)
				return 1;
		fd = open(paths[i], O_RDONLY);
		if (fd < 0 || read(fd, &byte, 1) != 1 || byte != TARGET_TEXT_MEMFD[0])
			return 2;
		if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED ||
		    errno != EACCES)
			return 3;
		close(fd);
	}
	return 0;
}

static void seals_and_modes_hold(void **state)
{
	(void)state;
	assert_int_equal(read_only_for_anybody(NULL), 0);
	assert_int_equal(as_user(TEST_UID, TEST_GID, read_only_for_anybody, NULL), 0);
}

/* An existing open is refused as the process itself would be. */
static void a_seal_comes_later(void **state)
{
	int own = (int)check(memfd_create("later", MFD_ALLOW_SEALING));
	int fd;

	(void)state;
	check(ftruncate(own, 8192));
	fd = (int)check(
		open(path_of("%s/process/%d/memfd-%d-later", mount_here.path, getpid(), own), O_RDWR));
	assert_int_equal(check(pwrite(fd, "x", 1, 0)), 1);
	check(fcntl(own, F_ADD_SEALS, F_SEAL_WRITE));
	check_error(EPERM, pwrite(fd, "y", 1, 0));
	close(fd);
	close(own);
}

/* The kernel counts views through the mount. */
static void a_view_keeps_seals_off(void **state)
{
	char *view;
	int own;
	int fd;

	(void)state;
	if (!kernel_has("passthrough"))
		skip_missing("passthrough");
	own = (int)check(memfd_create("viewed", MFD_ALLOW_SEALING));
	check(ftruncate(own, TARGET_SIZE));
	fd = (int)check(
		open(path_of("%s/process/%d/memfd-%d-viewed", mount_here.path, getpid(), own), O_RDWR));
	view = map(fd, PROT_READ | PROT_WRITE);
	check_error(EBUSY, fcntl(own, F_ADD_SEALS, F_SEAL_WRITE));
	check(munmap(view, TARGET_SIZE));
	check(fcntl(own, F_ADD_SEALS, F_SEAL_WRITE));
	close(fd);
	close(own);
}

static int nothing_comes_or_goes(void *unused)
{
	const char *directory = target_path(&mount_here, &target, "");
	const char *file = memfd();

	(void)unused;
	if (open(path_of("%s/new", directory), O_RDWR | O_CREAT, 0600) >= 0 ||
	    (errno != EPERM && errno != EACCES))
		return 1;
	if (mkdir(path_of("%s/new", directory), 0700) == 0 ||
	    symlink("x", path_of("%s/new", directory)) == 0 ||
	    mkdir(path_of("%s/process/new", mount_here.path), 0700) == 0)
		return 2;
	if (unlink(file) == 0 || (errno != EPERM && errno != EACCES) ||
	    unlink(path_of("%s/comm", directory)) == 0 || rmdir(directory) == 0 ||
	    rename(file, path_of("%s/new", directory)) == 0)
		return 3;
	if (truncate(file, 0) == 0 || errno != EPERM || truncate(file, TARGET_SIZE + 1) == 0 ||
	    errno != EPERM)
		return 4;
	if (open(file, O_RDWR | O_TRUNC) >= 0 || errno != EPERM)
		return 5;
	if (chmod(file, 0666) == 0 || errno != EPERM || chown(file, 0, 0) == 0 || errno != EPERM)
		return 6;
	return 0;
}

static void nothing_can_be_made_or_removed(void **state)
{
	int fd = (int)check(open(memfd(), O_RDWR));
	char bytes[16] = "123456789";
	struct stat stat;

	(void)state;
	assert_int_equal(nothing_comes_or_goes(NULL), 0);
	assert_int_equal(as_user(TEST_UID, TEST_GID, nothing_comes_or_goes, NULL), 0);
	check_error(EPERM, unlink(memfd()));
	check_error(EPERM, unlink(target_path(&mount_here, &target, "comm")));
	check_error(EPERM, rmdir(target_path(&mount_here, &target, "")));
	check_error(EPERM, open(target_path(&mount_here, &target, "new"), O_RDWR | O_CREAT, 0600));
	check_error(EPERM, mkdir(target_path(&mount_here, &target, "new"), 0700));
	check_error(EPERM, ftruncate(fd, 1));
	check_error(EFBIG, pwrite(fd, bytes, 8, TARGET_SIZE));
	assert_int_equal(check(pwrite(fd, bytes, 8, TARGET_SIZE - 3)), 3);
	check_error(EPERM, fallocate(fd, 0, 0, TARGET_SIZE + 4096));
	check_error(EPERM, fallocate(fd, FALLOC_FL_KEEP_SIZE, TARGET_SIZE, 4096));
	check(fstat(fd, &stat));
	assert_int_equal(stat.st_size, TARGET_SIZE);
	close(fd);
}

/* --- who may --- */

static int owner_gets_in(void *unused)
{
	_cleanup_close_ int fd = open(memfd(), O_RDWR);
	char bytes[sizeof(TARGET_TEXT_MEMFD)];
	char *view;

	(void)unused;
	if (fd < 0 || read(fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
	    strcmp(bytes, TARGET_TEXT_MEMFD) != 0)
		return 1;
	view = mmap(NULL, TARGET_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (view == MAP_FAILED ? kernel_maps_uncached() || errno != ENODEV
			       : strcmp(view, TARGET_TEXT_MEMFD) != 0)
		return 2;
	if (open(target_anonymous(&mount_here, &target), O_RDWR) < 0 ||
	    open(target_deleted(&mount_here, &target), O_RDWR) < 0)
		return 3;
	if (count_entries(target_path(&mount_here, &target, ""), name_in(memfd())) != 1)
		return 4;
	return readlink(target_path(&mount_here, &target, "comm"), bytes, sizeof(bytes)) > 0 ? 0 : 5;
}

static bool is_own(const char *name, uid_t uid)
{
	struct stat stat;

	return lstat(path_of("/proc/%s", name), &stat) < 0 || stat.st_uid == uid;
}

static int sees_only_own(void *context)
{
	const uid_t uid = *(const uid_t *)context;
	_cleanup_closedir_ DIR *dir = opendir(path_of("%s/process", mount_here.path));
	const struct dirent *entry;
	int count = 0;

	if (!dir)
		return 1;
	/* from the start: the listing is generated anew */
	if (!readdir(dir))
		return 1;
	rewinddir(dir);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (!is_own(entry->d_name, uid))
			return 2;
		count += atoi(entry->d_name) == target.pid;
	}
	return count == (uid == TEST_UID) ? 0 : 3;
}

static int learns_nothing(void *unused)
{
	const char *directory = target_path(&mount_here, &target, "");
	struct stat stat;
	char byte;

	(void)unused;
	if (opendir(directory) || errno != ENOENT)
		return 1;
	if (lstat(memfd(), &stat) == 0 || errno != ENOENT || open(memfd(), O_RDONLY) >= 0 || errno != ENOENT)
		return 2;
	if (lstat(path_of("%s/memfd-99-none", directory), &stat) == 0 || errno != ENOENT)
		return 3;
	if (readlink(path_of("%s/comm", directory), &byte, 1) >= 0 || errno != ENOENT)
		return 4;
	return getxattr(directory, "user.segfs.source", &byte, 1) >= 0 || errno != ENOENT ? 5 : 0;
}

static void users_have_their_own(void **state)
{
	static const uid_t uids[] = {TEST_UID, OTHER_UID};
	uid_t uid;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uid = uids[i];
		assert_int_equal(as_user(uid, uid, sees_only_own, &uid), 0);
	}
	assert_int_equal(as_user(TEST_UID, TEST_GID, owner_gets_in, NULL), 0);
	assert_int_equal(as_user(OTHER_UID, OTHER_UID, learns_nothing, NULL), 0);
}

static void what_is_not_dumpable_is_root_s(void **state)
{
	struct target plain = target;
	struct stat stat;

	(void)state;
	target_start(&target, TEST_UID, TARGET_NOT_DUMPABLE);
	check(lstat(target_path(&mount_here, &target, ""), &stat));
	assert_int_equal(stat.st_uid, 0);
	assert_int_equal(as_user(TEST_UID, TEST_GID, learns_nothing, NULL), 0);
	expect_bytes(memfd(), TARGET_TEXT_MEMFD, sizeof(TARGET_TEXT_MEMFD));
	target_end(&target);
	target = plain;
}

/* A node's descriptor received from another process must not permit opening it again. */
static int opens_again(void *context)
{
	return open(path_of("/proc/self/fd/%d", *(int *)context), O_RDONLY) >= 0 ? 1
	       : errno == EACCES                                                 ? 0
										 : -errno;
}

static void a_descriptor_is_no_permission(void **state)
{
	int fd = (int)check(open(memfd(), O_PATH));
	char byte;

	(void)state;
	assert_int_equal(as_user(OTHER_UID, OTHER_UID, opens_again, &fd), 0);
	assert_int_equal(as_user(TEST_UID, TEST_GID, opens_again, &fd), 1);
	close(fd);
	/* existing opens remain */
	fd = (int)check(open(memfd(), O_RDONLY));
	assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
	assert_int_equal(as_user(OTHER_UID, OTHER_UID, opens_again, &fd), 0);
	close(fd);
}

/* --- names of others --- */

static void hostile_names_are_made_safe(void **state)
{
	char longest[250];
	const char *names[] = {
		"",  "/",    "../../../etc/passwd", "a\nb\tc\x01\x7f", "\xff\xfe", "x (deleted)", ".", "..",
		"-", longest};
	const char *expected[] = {
		"",  "_",    ".._.._.._etc_passwd", "a_b_c__", "\xff\xfe", "x (deleted)", ".", "..",
		"-", longest};
	const char *directory = path_of("%s/process/%d", mount_here.path, getpid());

	(void)state;
	memset(longest, 'l', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char name[NAME_MAX + 32];
		int fd = (int)check(memfd_create(names[i], MFD_CLOEXEC));

		check(pwrite(fd, "byte", 4, 0));
		snprintf(name, sizeof(name), "memfd-%d-%s", fd, expected[i]);
		name[NAME_MAX] = 0;
		assert_int_equal(count_entries(directory, name), 1);
		expect_bytes(path_of("%s/%s", directory, name), "byte", 4);
		close(fd);
	}
}

/* Files that resemble memory. */
static void only_memory_is_shown(void **state)
{
	const char *path = path_of("%s/memfd:x (deleted)", test_directory());
	int fd = (int)check(open(path, O_RDWR | O_CREAT, 0600));
	const char *directory = path_of("%s/process/%d", mount_here.path, getpid());
	int object = (int)check(shm_open("segfs-test-named", O_RDWR | O_CREAT | O_EXCL, 0600));
	char *view;
	struct stat stat;

	(void)state;
	check_error(ENOENT, lstat(path_of("%s/memfd-%d-x", directory, fd), &stat));
	check(unlink(path));
	check_error(ENOENT, lstat(path_of("%s/memfd-%d-x", directory, fd), &stat));
	close(fd);
	/* it has a name, so it is in posix/ */
	check(ftruncate(object, TARGET_SIZE));
	view = map(object, PROT_READ);
	check_error(
		ENOENT,
		lstat(path_of("%s/deleted-%08lx-segfs-test-named", directory, (unsigned long)view), &stat));
	check(shm_unlink("segfs-test-named"));
	check(lstat(path_of("%s/deleted-%08lx-segfs-test-named", directory, (unsigned long)view), &stat));
	check(munmap(view, TARGET_SIZE));
	close(object);
}

#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"

static char huge_pages_before[32]; /* number to restore at the end; "" = unchanged */

/* A mapping of one huge page. */
static char *map_huge(int fd, size_t size, int flags)
{
	char *view = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (view == MAP_FAILED)
		skip_missing("free huge pages");
	return view;
}

static size_t get_huge_pages(void)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	size_t kilobytes = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Hugepagesize: %zu kB", &kilobytes) == 1)
			break;
	if (kilobytes == 0 || read_text(HUGE_PAGES, huge_pages_before, sizeof(huge_pages_before)) <= 0)
		skip_missing("huge pages");
	write_text(HUGE_PAGES, path_of("%d\n", atoi(huge_pages_before) + 4));
	return kilobytes << 10;
}

static void use_huge_file(const char *path, char *view, size_t size)
{
	char value[16] = "";
	char bytes[4];
	int fd;

	memcpy(view, "huge", 4);
	fd = (int)check(open(path, O_RDWR));
	assert_int_equal(check(pread(fd, bytes, 4, 0)), 4);
	assert_memory_equal(bytes, "huge", 4);
	assert_int_equal(check(pwrite(fd, "HUGE", 4, 0)), 4);
	assert_memory_equal(view, "HUGE", 4);
	check_error(EFBIG, pwrite(fd, "x", 1, (off_t)size));
	check(fgetxattr(fd, "user.segfs.io-mode", value, sizeof(value) - 1));
	assert_string_equal(value, "relayed");
	close(fd);
}

static void huge_pages_are_relayed(void **state)
{
	const char *directory = path_of("%s/process/%d", mount_here.path, getpid());
	const size_t size = get_huge_pages();
	struct stat stat;
	char *view;
	int own = memfd_create("huge", MFD_HUGETLB | MFD_CLOEXEC);

	(void)state;
	if (own < 0)
		skip_missing("MFD_HUGETLB");
	check(ftruncate(own, (off_t)size));
	view = map_huge(own, size, MAP_SHARED);
	use_huge_file(path_of("%s/memfd-%d-huge", directory, own), view, size);
	check(munmap(view, size));
	close(own);
	view = map_huge(-1, size, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB);
	use_huge_file(
		path_of("%s/anon-%08lx-%08lx", directory, (unsigned long)view, (unsigned long)(view + size)),
		view, size);
	check(munmap(view, size));
	view = map_huge(-1, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
	view[0] = 1;
	check_error(ENOENT, lstat(path_of("%s/anon-%08lx-%08lx", directory, (unsigned long)view,
					  (unsigned long)(view + size)),
				  &stat));
	check(munmap(view, size));
}

/* --- */

static int set_up(void **state)
{
	const struct mount_spec spec = {0};

	(void)state;
	if (mount_start(&mount_here, &spec) < 0)
		return -1;
	target_start(&target, TEST_UID, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	target_end(&target);
	if (*huge_pages_before)
		write_text(HUGE_PAGES, huge_pages_before);
	return mount_stop(&mount_here);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds_are_listed),
		cmocka_unit_test(names_have_one_form),
		cmocka_unit_test(attributes_are_the_process_s),
		cmocka_unit_test(the_link_tells_the_name),
		cmocka_unit_test(facts_are_told),
		cmocka_unit_test(bytes_are_the_process_s),
		cmocka_unit_test(pages_are_the_same),
		cmocka_unit_test(another_process_shares),
		cmocka_unit_test(seals_and_modes_hold),
		cmocka_unit_test(a_seal_comes_later),
		cmocka_unit_test(a_view_keeps_seals_off),
		cmocka_unit_test(nothing_can_be_made_or_removed),
		cmocka_unit_test(users_have_their_own),
		cmocka_unit_test(what_is_not_dumpable_is_root_s),
		cmocka_unit_test(a_descriptor_is_no_permission),
		cmocka_unit_test(hostile_names_are_made_safe),
		cmocka_unit_test(only_memory_is_shown),
		cmocka_unit_test(huge_pages_are_relayed),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("process", tests, set_up, tear_down);
}
