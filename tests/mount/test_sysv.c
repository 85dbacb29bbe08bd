// SPDX-License-Identifier: MIT
/* tests/run: alone: drops the caches of the machine */
/*
 * System V segments as files: names, attributes, owners and modes; creating, sizing and removing them; and
 * changes past the mount, which must be visible at once.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/process.h"
#include "tests/lib/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define KEY  0xc0deu
#define PAGE 4096

static struct mount mount;
static bool keeps_locks; /* see fs_keeps_locks() */

static const char *at(const char *name)
{
	return path_of("%s/sysv/%s", mount.path, name);
}

static const char *at_key(uint32_t key)
{
	return path_of("%s/sysv/0x%08x", mount.path, key);
}

static const char *at_id(int id)
{
	return path_of("%s/sysv/id-%d", mount.path, id);
}

static struct stat stat_of(const char *path)
{
	struct stat found;

	check(stat(path, &found));
	return found;
}

/* --- names and attributes --- */

static void each_segment_has_one_name(void **state)
{
	int by_key = segment_make(KEY, PAGE, 0600);
	int high = segment_make(0xffffffffu, PAGE, 0600);
	int private = segment_make(0, PAGE, 0600);
	int leaving = segment_make(1, PAGE, 0600);
	void *memory = shmat(leaving, NULL, 0);

	(void)state;
	assert_string_equal(listing(at("")), path_of("0x00000001 0x0000c0de 0xffffffff id-%d ", private));
	assert_string_equal(attribute(at_key(KEY), "shmid"), path_of("%d", by_key));
	assert_string_equal(attribute(at_key(0xffffffffu), "shmid"), path_of("%d", high));
	assert_string_equal(attribute(at_id(private), "shmid"), path_of("%d", private));
	assert_string_equal(attribute(at_id(private), "key"), "0x00000000");
	/* a key in another notation */
	assert_string_equal(attribute(at("0xC0dE"), "shmid"), path_of("%d", by_key));
	check(shmctl(leaving, IPC_RMID, NULL));
	assert_string_equal(attribute(at("0x1"), "shmid"), "ENOENT");
	assert_string_equal(attribute(at_id(leaving), "removed"), "yes");
	assert_string_equal(attribute(at_id(private), "removed"), "no");
	assert_true(strstr(listing(at("")), path_of("id-%d ", leaving)));
	check(shmdt(memory));
	check_error(ENOENT, access(at_id(leaving), F_OK));
	assert_string_equal(listing(at("")), path_of("0x0000c0de 0xffffffff id-%d ", private));
}

static void no_other_name_is_found(void **state)
{
	static const char *const names[] = {"0x",         "0x0",    "0x00000000", "0x10000c0de",    "c0de",
					    "0xc0de ",    "0xc0dg", "id-",        "id--1",          "id-x",
					    "0X0000c0de", "49374",  "id-00",      "id-99999999999", "..."};
	int id = segment_make(KEY, PAGE, 0600);
	int private = segment_make(0, PAGE, 0600);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (access(at(names[i]), F_OK) == 0 || errno != ENOENT)
			fail_msg("%s", names[i]);
	check_error(ENOENT, access(at_id(id), F_OK));
	check_error(ENOENT, access(path_of("%s/sysv/id-0%d", mount.path, private), F_OK));
	check_error(ENOTDIR, access(path_of("%s/x", at_key(KEY)), F_OK));
	check_error(EPERM, mkdir(at("d"), 0700));
	check_error(EPERM, symlink("x", at("l")));
	check_error(EPERM, link(at_key(KEY), at("0x5")));
	check_error(EPERM, rename(at_key(KEY), at("0x5")));
	check_error(EXDEV, rename(at_key(KEY), path_of("%s/x", mount.path)));
	check_error(EPERM, mkfifo(at("0x5"), 0600));
	assert_int_equal(open(at(""), O_RDWR | O_TMPFILE, 0600), -1);
	check_error(EPERM, rmdir(path_of("%s/sysv", mount.path)));
}

static void expect_times(const struct stat *found, const struct shmid_ds *segment)
{
	assert_int_equal(found->st_atim.tv_sec, segment->shm_atime);
	assert_int_equal(found->st_mtim.tv_sec, segment->shm_dtime);
	assert_int_equal(found->st_ctim.tv_sec, segment->shm_ctime);
}

static void attributes_are_those_of_the_segment(void **state)
{
	int id = segment_make(KEY, 12345, 0640);
	struct shmid_ds segment;
	struct stat found;
	void *memory;

	(void)state;
	found = stat_of(at_key(KEY));
	segment = segment_stat(id);
	assert_int_equal(found.st_mode, S_IFREG | 0640);
	assert_int_equal(found.st_uid, 0);
	assert_int_equal(found.st_gid, 0);
	assert_int_equal(found.st_size, 12345);
	assert_int_equal(found.st_nlink, 1);
	expect_times(&found, &segment);
	assert_int_equal(found.st_atim.tv_sec, 0);
	memory = shmat(id, NULL, 0);
	found = stat_of(at_key(KEY));
	segment = segment_stat(id);
	assert_int_not_equal(found.st_atim.tv_sec, 0);
	expect_times(&found, &segment);
	assert_string_equal(attribute(at_key(KEY), "nattch"), "1");
	assert_string_equal(attribute(at_key(KEY), "last-pid"), path_of("%d", getpid()));
	check(shmdt(memory));
	found = stat_of(at_key(KEY));
	segment = segment_stat(id);
	expect_times(&found, &segment);
	assert_string_equal(attribute(at_key(KEY), "nattch"), "0");
	assert_string_equal(attribute(at_key(KEY), "key"), "0x0000c0de");
	assert_string_equal(attribute(at_key(KEY), "creator-pid"), path_of("%d", getpid()));
	assert_string_equal(attribute(at_key(KEY), "creator-uid"), "0");
	assert_string_equal(attribute(at_key(KEY), "source"), "sysv");
	assert_string_equal(attribute(at_key(KEY), "locked"), "no");
	if (shmctl(id, SHM_LOCK, NULL) == 0)
		assert_string_equal(attribute(at_key(KEY), "locked"), "yes");
	segment.shm_perm.uid = 7;
	segment.shm_perm.gid = 8;
	segment.shm_perm.mode = 0604;
	check(shmctl(id, IPC_SET, &segment));
	found = stat_of(at_key(KEY));
	assert_int_equal(found.st_mode, S_IFREG | 0604);
	assert_int_equal(found.st_uid, 7);
	assert_int_equal(found.st_gid, 8);
	assert_string_equal(attribute(at_key(KEY), "creator-uid"), "0");
}

static void every_attribute_answers_by_name(void **state)
{
	static const char *const names[] = {"shmid",       "key",     "nattch",  "creator-pid", "last-pid",
					    "creator-uid", "locked",  "removed", "orphan",      "idle-since",
					    "attached",    "io-mode", "source",  "resident"};
	char value[64];

	(void)state;
	segment_make(KEY, PAGE, 0600);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *wanted = path_of("user.segfs.%s", names[i]);

		check(getxattr(at_key(KEY), wanted, value, sizeof(value)));
		check_error(EPERM, setxattr(at_key(KEY), wanted, "1", 1, 0));
		check_error(EPERM, removexattr(at_key(KEY), wanted));
	}
	assert_int_equal(listxattr(at_key(KEY), NULL, 0), 0);
}

static void policies_are_not_to_be_had(void **state)
{
	static const char *const names[] = {"lock", "writers", "commit", "size-policy", "lifetime"};
	static const char *const values[] = {"mandatory", "1", "yes", "fixed", "last-close"};

	(void)state;
	segment_make(KEY, PAGE, 0600);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		check_error(EOPNOTSUPP, setxattr(at_key(KEY), path_of("user.segfs.%s", names[i]), values[i],
						 strlen(values[i]), 0));
		assert_string_equal(attribute(at_key(KEY), names[i]), "ENODATA");
		check_error(EOPNOTSUPP, setxattr(at(""), path_of("user.segfs.%s", names[i]), values[i],
						 strlen(values[i]), 0));
	}
	check_error(EOPNOTSUPP, setxattr(at_key(KEY), "user.mine", "1", 1, 0));
	check_error(EOPNOTSUPP, setxattr(at_key(KEY), "trusted.mine", "1", 1, 0));
	assert_int_equal(getxattr(at_key(KEY), "user.mine", NULL, 0), -1);
	assert_int_equal(errno, ENODATA);
	assert_int_equal(getxattr(at_key(KEY), "system.posix_acl_access", NULL, 0), -1);
	assert_true(errno == ENODATA || errno == EOPNOTSUPP);
}

/* Attachments by segfs itself are not reported. */
static void looking_leaves_no_trace(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	char before_last[32];
	struct stat before;
	struct stat after;
	char byte;
	int fd;

	(void)state;
	snprintf(before_last, sizeof(before_last), "%s", attribute(at_key(KEY), "last-pid"));
	before = stat_of(at_key(KEY));
	for (int i = 0; i < 3; i++) {
		fd = (int)check(open(at_key(KEY), O_RDWR | O_CLOEXEC));
		assert_int_equal(pread(fd, &byte, 1, 0), 1);
		assert_string_equal(attribute(at_key(KEY), "nattch"), "0");
		assert_int_equal(segment_stat(id).shm_nattch, 0);
		close(fd);
	}
	after = stat_of(at_key(KEY));
	assert_int_equal(after.st_atim.tv_sec, before.st_atim.tv_sec);
	assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	assert_string_equal(attribute(at_key(KEY), "last-pid"), before_last);
	/* also after that worker, and after the kernel has forgotten the name */
	mount_kill_worker(&mount);
	after = stat_of(at_key(KEY));
	assert_int_equal(after.st_atim.tv_sec, before.st_atim.tv_sec);
	assert_string_equal(attribute(at_key(KEY), "last-pid"), before_last);
	assert_int_equal(write_text("/proc/sys/vm/drop_caches", "2\n"), 0);
	after = stat_of(at_key(KEY));
	assert_int_equal(after.st_atim.tv_sec, before.st_atim.tv_sec);
	assert_string_equal(attribute(at_key(KEY), "last-pid"), before_last);
	/* changes by others are visible at once */
	segment_fill(id, PAGE, 'x');
	assert_string_equal(attribute(at_key(KEY), "last-pid"), path_of("%d", getpid()));
	assert_int_equal(stat_of(at_key(KEY)).st_atim.tv_sec, segment_stat(id).shm_atime);
}

/* --- owners and modes --- */

struct attempt {
	const char *path;
	int (*call)(const struct attempt *attempt);
	long argument;
};

static int run_attempt(void *context)
{
	const struct attempt *attempt = context;

	return attempt->call(attempt) < 0 ? -errno : 0;
}

static int as_stranger(int (*call)(const struct attempt *attempt), const char *path, long argument)
{
	struct attempt attempt = {path, call, argument};

	return as_user(TEST_UID, TEST_GID, run_attempt, &attempt);
}

static int do_chmod(const struct attempt *attempt)
{
	return chmod(attempt->path, (mode_t)attempt->argument);
}

static int do_chown(const struct attempt *attempt)
{
	return chown(attempt->path, (uid_t)attempt->argument, (gid_t)-1);
}

static int do_unlink(const struct attempt *attempt)
{
	return unlink(attempt->path);
}

static int do_open(const struct attempt *attempt)
{
	return open(attempt->path, (int)attempt->argument);
}

static int do_truncate(const struct attempt *attempt)
{
	_cleanup_close_ int fd = open(attempt->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	return fd < 0 ? -1 : ftruncate(fd, attempt->argument);
}

static void strangers_may_do_nothing(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);

	(void)state;
	assert_int_equal(as_stranger(do_chmod, at_key(KEY), 0666), -EPERM);
	assert_int_equal(as_stranger(do_chown, at_key(KEY), TEST_UID), -EPERM);
	assert_int_equal(as_stranger(do_unlink, at_key(KEY), 0), -EPERM);
	assert_int_equal(as_stranger(do_open, at_key(KEY), O_RDONLY), -EACCES);
	assert_int_equal(as_stranger(do_open, at_key(KEY), O_RDWR), -EACCES);
	assert_true(segment_exists(id));
	assert_int_equal(segment_stat(id).shm_perm.mode & 0777, 0600);
	check(chmod(at_key(KEY), 0604));
	assert_int_equal(as_stranger(do_open, at_key(KEY), O_RDONLY), 0);
	assert_int_equal(as_stranger(do_open, at_key(KEY), O_RDWR), -EACCES);
	check(chmod(at_key(KEY), 0606));
	assert_int_equal(as_stranger(do_open, at_key(KEY), O_RDWR), 0);
	/* by whomever it was changed, and at once */
	for (int i = 0; i < 20; i++) {
		struct shmid_ds segment = segment_stat(id);

		segment.shm_perm.mode = i % 2 ? 0666 : 0600;
		check(shmctl(id, IPC_SET, &segment));
		assert_int_equal(as_stranger(do_open, at_key(KEY), O_RDONLY), i % 2 ? 0 : -EACCES);
	}
}

static void owners_may(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	struct shmid_ds before = segment_stat(id);

	(void)state;
	check(chown(at_key(KEY), TEST_UID, TEST_GID));
	assert_int_equal(segment_stat(id).shm_perm.uid, TEST_UID);
	assert_int_equal(segment_stat(id).shm_perm.gid, TEST_GID);
	assert_int_equal(segment_stat(id).shm_perm.mode & 0777, 0600);
	assert_int_equal(as_stranger(do_chmod, at_key(KEY), 0660), 0);
	assert_int_equal(segment_stat(id).shm_perm.mode & 0777, 0660);
	assert_int_equal(as_stranger(do_chown, at_key(KEY), 0), -EPERM);
	assert_int_equal(as_stranger(do_open, at_key(KEY), O_RDWR), 0);
	check(chown(at_key(KEY), (uid_t)-1, 9));
	assert_int_equal(segment_stat(id).shm_perm.uid, TEST_UID);
	assert_int_equal(segment_stat(id).shm_perm.gid, 9);
	assert_int_equal(segment_stat(id).shm_perm.cuid, before.shm_perm.cuid);
	check(chmod(at_key(KEY), 06755));
	assert_int_equal(stat_of(at_key(KEY)).st_mode & 0777, segment_stat(id).shm_perm.mode & 0777);
	check_error(EPERM, utimensat(AT_FDCWD, at_key(KEY), NULL, 0));
	assert_int_equal(as_stranger(do_unlink, at_key(KEY), 0), 0);
	assert_false(segment_exists(id));
	check_error(ENOENT, access(at_key(KEY), F_OK));
}

static void root_removes(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	int private = segment_make(0, PAGE, 0600);

	(void)state;
	check(chown(at_id(private), TEST_UID, TEST_GID));
	check(unlink(at_key(KEY)));
	check(unlink(at_id(private)));
	assert_false(segment_exists(id));
	assert_false(segment_exists(private));
	check_error(ENOENT, unlink(at_key(KEY)));
	assert_string_equal(listing(at("")), "");
}

static void removed_while_attached(void **state)
{
	int id = segment_make(KEY, PAGE, 0600);
	char *memory = shmat(id, NULL, 0);
	char byte = 0;
	int fd;

	(void)state;
	memory[0] = 'r';
	check(unlink(at_key(KEY)));
	check_error(ENOENT, access(at_key(KEY), F_OK));
	assert_string_equal(attribute(at_id(id), "removed"), "yes");
	assert_string_equal(attribute(at_id(id), "key"), "0x00000000");
	assert_string_equal(attribute(at_id(id), "nattch"), "1");
	assert_int_equal(stat_of(at_id(id)).st_size, PAGE);
	assert_string_equal(listing(at("")), path_of("id-%d ", id));
	fd = (int)check(open(at_id(id), O_RDONLY | O_CLOEXEC));
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 'r');
	close(fd);
	assert_int_equal(segment_stat(id).shm_nattch, 1);
	check(shmdt(memory));
	assert_false(segment_exists(id));
	assert_string_equal(listing(at("")), "");
}

/* --- making them --- */

static void truncate_makes_one(void **state)
{
	const char *const argv[] = {"truncate", "-s", "1M", at("0xc0de"), NULL};
	int id;

	(void)state;
	umask(027);
	assert_int_equal(run_program(argv), 0);
	umask(022);
	id = (int)check(shmget((key_t)KEY, 0, 0));
	assert_int_equal(segment_stat(id).shm_segsz, 1 << 20);
	assert_int_equal(segment_stat(id).shm_perm.mode & 0777, 0640);
	assert_int_equal(segment_stat(id).shm_perm.uid, 0);
	assert_int_equal(stat_of(at_key(KEY)).st_size, 1 << 20);
	/* the same size is accepted */
	assert_int_equal(run_program(argv), 0);
	assert_int_equal(segments_count(), 1);
	segment_fill(id, 1 << 20, 'y');
}

static void made_by_its_owner(void **state)
{
	int id;

	(void)state;
	assert_int_equal(as_stranger(do_truncate, at_key(KEY), PAGE), 0);
	id = (int)check(shmget((key_t)KEY, 0, 0));
	assert_int_equal(segment_stat(id).shm_perm.uid, TEST_UID);
	assert_int_equal(segment_stat(id).shm_perm.gid, TEST_GID);
	assert_int_equal(segment_stat(id).shm_perm.cuid, TEST_UID);
	assert_int_equal(segment_stat(id).shm_perm.cgid, TEST_GID);
	assert_int_equal(segment_stat(id).shm_perm.mode & 0777, 0644);
	assert_int_equal(segment_stat(id).shm_nattch, 0);
	assert_string_equal(attribute(at_key(KEY), "creator-uid"), path_of("%d", TEST_UID));
	assert_int_equal(as_stranger(do_unlink, at_key(KEY), 0), 0);
}

static void expect_bytes_both_ways(int fd, const char *path)
{
	int id = (int)check(shmget((key_t)KEY, 0, 0));
	char *memory = shmat(id, NULL, 0);
	char bytes[4] = "";
	int other = (int)check(open(path, O_RDWR | O_CLOEXEC));

	memcpy(memory, "abc", 3);
	assert_int_equal(pread(fd, bytes, 3, 0), 3);
	assert_memory_equal(bytes, "abc", 3);
	assert_int_equal(pwrite(fd, "def", 3, PAGE - 3), 3);
	assert_memory_equal(memory + PAGE - 3, "def", 3);
	assert_int_equal(pread(other, bytes, 3, PAGE - 3), 3);
	assert_memory_equal(bytes, "def", 3);
	check(close(other));
	check(shmdt(memory));
}

static void open_and_ftruncate_make_one(void **state)
{
	int fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	struct stat found;
	struct stat by_path;
	char byte;

	(void)state;
	check(fstat(fd, &found));
	assert_int_equal(found.st_size, 0);
	assert_int_equal(found.st_mode, S_IFREG | 0600);
	assert_int_equal(segments_count(), 0);
	assert_int_equal(pread(fd, &byte, 1, 0), 0);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(segments_count(), 0);
	check_error(EINVAL, ftruncate(fd, 0));
	check(ftruncate(fd, PAGE));
	assert_int_equal(segments_count(), 1);
	check(fstat(fd, &found));
	by_path = stat_of(at_key(KEY));
	assert_int_equal(found.st_size, PAGE);
	assert_int_equal(found.st_ino, by_path.st_ino);
	expect_bytes_both_ways(fd, at_key(KEY));
	check_error(EPERM, ftruncate(fd, 2 * PAGE));
	check(ftruncate(fd, PAGE));
	check_error(EFBIG, pwrite(fd, "x", 1, PAGE));
	check(fchmod(fd, 0640));
	assert_int_equal(stat_of(at_key(KEY)).st_mode & 0777, 0640);
	check(close(fd));
	assert_int_equal(segments_count(), 1);
}

/*
 * A view of the open that created the segment either maps the segment's pages or fails; it never maps others.
 */
static void a_view_of_the_maker_is_true_or_refused(void **state)
{
	int fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	char *memory;
	char *view;

	(void)state;
	if (!kernel_has("passthrough") && kernel_has("mmap-direct-io")) {
		close(fd);
		skip_missing("passthrough");
	}
	view = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_equal(view, MAP_FAILED);
	assert_int_equal(errno, ENODEV);
	check(ftruncate(fd, PAGE));
	memory = shmat((int)check(shmget((key_t)KEY, 0, 0)), NULL, 0);
	memcpy(memory, "true", 5);
	for (int i = 0; i < 2; i++) {
		view = mmap(NULL, PAGE, i ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
		if (view == MAP_FAILED) {
			assert_int_equal(errno, ENODEV);
			continue;
		}
		assert_string_equal(view, "true");
		assert_int_equal(physical_page(view), physical_page(memory));
		check(munmap(view, PAGE));
	}
	/* all other opens map the segment's pages */
	close(fd);
	fd = (int)check(open(at_key(KEY), O_RDWR | O_CLOEXEC));
	view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!kernel_has("passthrough")) {
		assert_ptr_equal(view, MAP_FAILED);
	} else {
		assert_ptr_not_equal(view, MAP_FAILED);
		assert_string_equal(view, "true");
		assert_int_equal(physical_page(view), physical_page(memory));
		check(munmap(view, PAGE));
	}
	check(close(fd));
	check(shmdt(memory));
}

/*
 * The open that created it stays an open of this segment, also if reopened, and when the segment is removed.
 */
static void the_maker_keeps_it(void **state)
{
	int fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	int again;
	int next;
	struct stat found;
	char byte = 0;

	(void)state;
	check(ftruncate(fd, PAGE + 1));
	assert_int_equal(pwrite(fd, "m", 1, PAGE), 1);
	again = (int)check(open(path_of("/proc/self/fd/%d", fd), O_RDWR | O_CLOEXEC));
	assert_int_equal(pread(again, &byte, 1, PAGE), 1);
	assert_int_equal(byte, 'm');
	check(close(again));
	check(unlink(at_key(KEY)));
	next = segment_make(KEY, 2 * PAGE, 0644);
	check(fstat(fd, &found));
	assert_int_equal(found.st_size, PAGE + 1);
	assert_int_equal(found.st_nlink, 0);
	assert_int_equal(found.st_mode, S_IFREG | 0600);
	assert_int_not_equal(found.st_ino, stat_of(at_key(KEY)).st_ino);
	assert_int_equal(pread(fd, &byte, 1, PAGE), 1);
	assert_int_equal(pwrite(fd, "M", 1, PAGE), 1);
	check_error(EPERM, ftruncate(fd, 2 * PAGE));
	check(close(fd));
	assert_int_equal(stat_of(at_key(KEY)).st_size, 2 * PAGE);
	assert_true(segment_exists(next));
	/* its memory is freed */
	assert_true(wait_for(segments_pages() == 2));
}

static void fallocate_makes_one(void **state)
{
	int fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	(void)state;
	check_error(EOPNOTSUPP, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PAGE));
	check(fallocate(fd, 0, 0, 3 * PAGE + 1));
	assert_int_equal(stat_of(at_key(KEY)).st_size, 3 * PAGE + 1);
	expect_bytes_both_ways(fd, at_key(KEY));
	check_error(EPERM, fallocate(fd, 0, 0, 4 * PAGE));
	check_error(EPERM, fallocate(fd, FALLOC_FL_KEEP_SIZE, 4 * PAGE, PAGE));
	check(fallocate(fd, 0, 0, PAGE));
	check(close(fd));
	assert_int_equal(segments_count(), 1);
}

/* The kernel asks about a close only if it may drop a lock. */
static void close_without_size(int fd)
{
	if (keeps_locks)
		check_error(EINVAL, close(fd));
	else
		check(close(fd));
}

static void without_a_size_nothing_is_left(void **state)
{
	int fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	(void)state;
	close_without_size(fd);
	assert_true(wait_for(access(at_key(KEY), F_OK) < 0 && errno == ENOENT));
	assert_string_equal(listing(at("")), "");
	assert_int_equal(segments_count(), 0);
	assert_int_equal(mount_verify(&mount, 0), 0);
	/* and the key is free */
	segment_make(KEY, PAGE, 0600);
	assert_int_equal(stat_of(at_key(KEY)).st_size, PAGE);
}

static void names_that_make_nothing(void **state)
{
	static const char *const names[] = {"name", "id-5", "0x0", "0x123456789", "0xg"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		check_error(EINVAL, open(at(names[i]), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	check_error(EINVAL, open(at_key(KEY), O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
	assert_string_equal(listing(at("")), "");
}

static void exclusively(void **state)
{
	int fd;

	(void)state;
	segment_make(KEY, PAGE, 0600);
	check_error(EEXIST, open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	check_error(EPERM, ftruncate(fd, 2 * PAGE));
	check(ftruncate(fd, PAGE));
	check(close(fd));
	check_error(EEXIST, open(at("0xC0DE"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}

static void two_reserve_one_key(void **state)
{
	int first = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	int second;
	char byte;

	(void)state;
	check_error(EEXIST, open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	second = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	/* another key is unaffected */
	close_without_size((int)check(open(at_key(KEY + 1), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
	check(ftruncate(second, PAGE));
	check_error(EPERM, ftruncate(first, 2 * PAGE));
	check(ftruncate(first, PAGE));
	assert_int_equal(pwrite(first, "1", 1, 0), 1);
	assert_int_equal(pread(second, &byte, 1, 0), 1);
	assert_int_equal(byte, '1');
	check(close(first));
	check(close(second));
	assert_int_equal(segments_count(), 1);
}

static void a_native_one_between_reservation_and_size(void **state)
{
	int fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	int id = segment_make(KEY, 2 * PAGE, 0600);
	char byte;

	(void)state;
	segment_fill(id, 2 * PAGE, 'n');
	check_error(EEXIST, ftruncate(fd, PAGE));
	check_error(EEXIST, ftruncate(fd, 2 * PAGE));
	assert_int_equal(pread(fd, &byte, 1, 0), 0);
	assert_int_equal(stat_of(at_key(KEY)).st_size, 2 * PAGE);
	close_without_size(fd);
	assert_true(segment_exists(id));
	fd = (int)check(open(at_key(KEY), O_RDWR | O_CLOEXEC));
	assert_int_equal(pread(fd, &byte, 1, PAGE), 1);
	assert_int_equal(byte, 'n');
	check(close(fd));
}

static void limits_are_told(void **state)
{
	struct shminfo limits;
	int fd;

	(void)state;
	check(shmctl(0, IPC_INFO, (struct shmid_ds *)(void *)&limits));
	fd = (int)check(open(at_key(KEY), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	segments_limit("shmmax", PAGE);
	check_error(ENOSPC, ftruncate(fd, PAGE + 1));
	segments_limit("shmmax", limits.shmmax);
	segments_limit("shmall", 1);
	check_error(ENOSPC, ftruncate(fd, PAGE + 1));
	segments_limit("shmall", limits.shmall);
	segment_make(1, PAGE, 0600);
	segments_limit("shmmni", 1);
	check_error(ENOSPC, ftruncate(fd, PAGE));
	segments_limit("shmmni", limits.shmmni);
	assert_int_equal(segments_count(), 1);
	/* a failure loses nothing */
	check(ftruncate(fd, PAGE));
	check(close(fd));
	assert_int_equal(segments_count(), 2);
	check_error(ENOENT, access(at_key(3), F_OK));
}

static void sizes_never_change(void **state)
{
	int id = segment_make(KEY, 2 * PAGE, 0600);
	char bytes[16];
	int fd;

	(void)state;
	segment_fill(id, 2 * PAGE, 's');
	check_error(EPERM, truncate(at_key(KEY), PAGE));
	check_error(EPERM, truncate(at_key(KEY), 0));
	check_error(EPERM, truncate(at_key(KEY), 3 * PAGE));
	check(truncate(at_key(KEY), 2 * PAGE));
	check_error(EPERM, open(at_key(KEY), O_RDWR | O_TRUNC | O_CLOEXEC));
	check_error(EPERM, open(at_key(KEY), O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600));
	fd = (int)check(open(at_key(KEY), O_RDWR | O_CLOEXEC));
	check_error(EFBIG, pwrite(fd, "x", 1, 2 * PAGE));
	check_error(EFBIG, pwrite(fd, "x", 1, 1 << 30));
	assert_int_equal(pwrite(fd, "0123456789", 10, 2 * PAGE - 4), 4);
	assert_int_equal(pread(fd, bytes, 16, 2 * PAGE - 6), 6);
	assert_memory_equal(bytes, "ss0123", 6);
	assert_int_equal(pread(fd, bytes, 16, 2 * PAGE), 0);
	assert_int_equal(pread(fd, bytes, 16, 1 << 30), 0);
	check_error(EPERM, fallocate(fd, 0, 0, 3 * PAGE));
	check_error(EPERM, ftruncate(fd, 1));
	check(close(fd));
	fd = (int)check(open(at_key(KEY), O_WRONLY | O_APPEND | O_CLOEXEC));
	check_error(EFBIG, write(fd, "x", 1));
	check(close(fd));
	assert_int_equal(stat_of(at_key(KEY)).st_size, 2 * PAGE);
	assert_int_equal(segment_stat(id).shm_segsz, 2 * PAGE);
}

/* --- past the mount --- */

static void the_next_look_shows_it(void **state)
{
	ino_t last = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		size_t size = (size_t)PAGE * (size_t)(1 + i % 7) + (size_t)i;
		int id = segment_make(KEY, size, 0600 | (i & 077));
		char byte = 0;
		struct stat found;
		struct stat by_fd;
		int fd;

		if (i % 3 == 0)
			segment_fill(id, size, (char)('a' + i % 26));
		if (i % 2 == 0)
			assert_string_equal(listing(at("")), "0x0000c0de ");
		found = stat_of(at_key(KEY));
		assert_int_equal(found.st_size, size);
		assert_int_equal(found.st_mode & 0777, 0600 | (i & 077));
		assert_int_not_equal(found.st_ino, last);
		last = found.st_ino;
		fd = (int)check(open(at_key(KEY), O_RDONLY | O_CLOEXEC));
		assert_int_equal(pread(fd, &byte, 1, (off_t)size - 1), 1);
		assert_int_equal(byte, i % 3 == 0 ? 'a' + i % 26 : 0);
		check(shmctl(id, IPC_SET,
			     &(struct shmid_ds){.shm_perm = {.uid = (uid_t)i, .gid = 3, .mode = 0600}}));
		check(fstat(fd, &by_fd));
		assert_int_equal(by_fd.st_uid, i);
		assert_int_equal(by_fd.st_mode & 0777, 0600);
		assert_int_equal(by_fd.st_ino, found.st_ino);
		if (i % 5 == 0)
			assert_string_equal(listing(at("")), "0x0000c0de ");
		check(shmctl(id, IPC_RMID, NULL));
		check(fstat(fd, &by_fd));
		assert_int_equal(by_fd.st_nlink, 0);
		assert_int_equal(by_fd.st_size, size);
		check_error(ENOENT, stat(at_key(KEY), &found));
		assert_string_equal(listing(at("")), "");
		check(close(fd));
	}
}

static void a_listing_begins_anew(void **state)
{
	_cleanup_closedir_ DIR *dir = opendir(at(""));
	int seen = 0;

	(void)state;
	assert_non_null(dir);
	while (readdir(dir))
		seen++;
	assert_int_equal(seen, 2);
	for (uint32_t key = 1; key <= 500; key++)
		segment_make(key, 1, 0600);
	rewinddir(dir);
	seen = 0;
	while (readdir(dir))
		seen++;
	assert_int_equal(seen, 502);
	segments_clean(NULL);
	rewinddir(dir);
	seen = 0;
	while (readdir(dir))
		seen++;
	assert_int_equal(seen, 2);
}

static int set_up(void **unused)
{
	(void)unused;
	return mount_start(&mount, &(struct mount_spec){.options = keeps_locks ? "mand" : NULL});
}

static int tear_down(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, segments_clean)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(each_segment_has_one_name),
		CASE(no_other_name_is_found),
		CASE(attributes_are_those_of_the_segment),
		CASE(every_attribute_answers_by_name),
		CASE(policies_are_not_to_be_had),
		CASE(looking_leaves_no_trace),
		CASE(strangers_may_do_nothing),
		CASE(owners_may),
		CASE(root_removes),
		CASE(removed_while_attached),
		CASE(truncate_makes_one),
		CASE(made_by_its_owner),
		CASE(open_and_ftruncate_make_one),
		CASE(a_view_of_the_maker_is_true_or_refused),
		CASE(the_maker_keeps_it),
		CASE(fallocate_makes_one),
		CASE(without_a_size_nothing_is_left),
		CASE(names_that_make_nothing),
		CASE(exclusively),
		CASE(two_reserve_one_key),
		CASE(a_native_one_between_reservation_and_size),
		CASE(limits_are_told),
		CASE(sizes_never_change),
		CASE(the_next_look_shows_it),
		CASE(a_listing_begins_anew),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	segments_isolate();
	failed = cmocka_run_group_tests_name("leaves locks to the kernel", cases, set_up, tear_down);
	keeps_locks = true;
	return failed + cmocka_run_group_tests_name("keeps locks", cases, set_up, tear_down);
}
