// SPDX-License-Identifier: MIT
/*
 * On external files the daemon acts with the requester's credentials: what a user is refused natively is
 * refused through the mount, also if owner, mode or the file behind a name have changed since the kernel
 * checked.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/preload.h"
#include "tests/lib/segments.h"
#include "tests/preload/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define USER  TEST_UID
#define OTHER (TEST_UID + 1)
#define GROUP 54321u /* of which the user is a member */
#define KEY   0x5e6f0001u

static struct mount mount;
static struct hold *hold;
static pid_t tester;

/* A name of the test's own, natively and through the mount. */
static const char *native(const char *name)
{
	return path_of("/dev/shm/segfs_test.%d.%s", tester, name);
}

static const char *at(const char *name)
{
	return path_of("%s/posix/segfs_test.%d.%s", mount.path, tester, name);
}

static void make(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	_cleanup_close_ int fd = (int)check(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	check(ftruncate(fd, 4096));
	check(fchown(fd, uid, gid));
	check(fchmod(fd, mode));
}

/* --- what was open before --- */

/* A user's call on an open file. Returns 0 or -errno. */
struct by_fd {
	const char *name;
	int (*call)(int fd);
};

static int change_mode(int fd)
{
	return fchmod(fd, 0666);
}

static int change_group(int fd)
{
	return fchown(fd, (uid_t)-1, GROUP);
}

static int set_times(int fd)
{
	const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};

	return futimens(fd, times);
}

static int touch(int fd)
{
	return futimens(fd, NULL);
}

static int set_attribute(int fd)
{
	return fsetxattr(fd, "user.segfs_test", "x", 1, 0);
}

static int get_attribute(int fd)
{
	char value[8];

	return fgetxattr(fd, "user.segfs_test", value, sizeof(value)) < 0 ? -1 : 0;
}

static int remove_attribute(int fd)
{
	return fremovexattr(fd, "user.segfs_test");
}

static int set_acl(int fd)
{
	static const unsigned char acl[] = {2,    0,    0, 0, 1,    0,    6,    0,    0xff, 0xff,
					    0xff, 0xff, 4, 0, 6,    0,    0xff, 0xff, 0xff, 0xff,
					    0x20, 0,    6, 0, 0xff, 0xff, 0xff, 0xff};

	return fsetxattr(fd, "system.posix_acl_access", acl, sizeof(acl), 0);
}

static int resize(int fd)
{
	return ftruncate(fd, 8192);
}

static int write_byte(int fd)
{
	return pwrite(fd, "w", 1, 0) == 1 ? 0 : -1;
}

static int open_again(int fd)
{
	return open(path_of("/proc/self/fd/%d", fd), O_RDWR | O_CLOEXEC);
}

static const struct by_fd by_fd[] = {
	{"fchmod", change_mode},
	{"fchown", change_group},
	{"futimens", set_times},
	{"futimens now", touch},
	{"fsetxattr", set_attribute},
	{"fgetxattr", get_attribute},
	{"fremovexattr", remove_attribute},
	{"ACL", set_acl},
	{"ftruncate", resize},
	{"pwrite", write_byte},
	{"open", open_again},
};

#define N_BY_FD (sizeof(by_fd) / sizeof(by_fd[0]))

struct old_opens {
	int fd[2]; /* of the native file, and of the one through the mount */
	bool ready;
	int result[2][N_BY_FD]; /* in shared memory */
};

/* Becomes the user, a member of GROUP. */
static int become_user(void)
{
	const gid_t groups[] = {GROUP};

	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setgroups(1, groups) < 0 || setgid(TEST_GID) < 0 ||
			       setuid(USER) < 0
		       ? -1
		       : 0;
}

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/*
 * The user opens both files, `change` is applied to both, and the user's calls must then give equal results.
 */
static void compare_old_opens(void (*change)(const char *path))
{
	struct old_opens *opens = shared(sizeof(*opens));
	const char *files[2] = {native("native"), native("mounted")};
	const char *paths[2] = {native("native"), at("mounted")};
	int ready[2];
	int go[2];
	char byte;
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		make(files[i], USER, TEST_GID, 0600);
		if (kernel_has("tmpfs-user-xattr"))
			check(setxattr(files[i], "user.segfs_test", "x", 1, 0));
	}
	check(pipe2(ready, O_CLOEXEC));
	check(pipe2(go, O_CLOEXEC));
	pid = (pid_t)check(fork());
	if (pid == 0) {
		bool good = become_user() == 0;

		for (int i = 0; i < 2 && good; i++)
			good = (opens->fd[i] = open(paths[i], O_RDWR | O_CLOEXEC)) >= 0 &&
			       fchmod(opens->fd[i], 0640) == 0;
		if (!good || write(ready[1], "", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		for (int i = 0; i < 2; i++)
			for (size_t n = 0; n < N_BY_FD; n++)
				opens->result[i][n] = by_fd[n].call(opens->fd[i]) < 0 ? -errno : 0;
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	for (int i = 0; i < 2; i++)
		change(files[i]);
	assert_int_equal(write(go[1], "", 1), 1);
	check(waitpid(pid, NULL, 0));
	close(ready[0]);
	close(go[1]);
	for (size_t n = 0; n < N_BY_FD; n++)
		if (opens->result[0][n] != opens->result[1][n])
			fail_msg("%s: natively %d, through the mount %d", by_fd[n].name, opens->result[0][n],
				 opens->result[1][n]);
	munmap(opens, sizeof(*opens));
	for (int i = 0; i < 2; i++)
		check(unlink(files[i]));
}

static void give_away(const char *path)
{
	check(chown(path, OTHER, OTHER));
	check(chmod(path, 0600));
}

static void take_the_mode(const char *path)
{
	check(chmod(path, 0));
}

static void leave_it(const char *path)
{
	(void)path;
}

static void old_opens_have_the_rights_of_now(void **state)
{
	(void)state;
	compare_old_opens(leave_it);
	compare_old_opens(give_away);
	compare_old_opens(take_the_mode);
}

/* --- names --- */

/* Starts a user's call on a name, which is held right before the daemon carries it out. */
static int start_held(enum hold_call call, int (*function)(void), pid_t *pid)
{
	atomic_store(&hold->reached, 0);
	atomic_store(&hold->go, 0);
	atomic_store(&hold->error, 0);
	atomic_store(&hold->call, (int)call);
	*pid = fork();
	if (*pid == 0) {
		/* the child must not keep files that the test closes */
		close_range(3, ~0u, 0);
		if (become_user() < 0)
			_exit(255);
		_exit(function() < 0 ? errno : 0);
	}
	return *pid > 0 && wait_for(atomic_load(&hold->reached)) ? 0 : -1;
}

static int end_held(pid_t pid)
{
	int status;

	atomic_store(&hold->go, 1);
	check(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int unlink_it(void)
{
	return unlink(at("dir/name"));
}

static int rename_it(void)
{
	return rename(at("dir/name"), at("dir/new"));
}

static int replace_it(void)
{
	return rename(at("dir/own"), at("dir/name"));
}

/*
 * In a sticky directory a name is replaced by another user's file between the kernel's check and the
 * operation.
 */
static void check_sticky(enum hold_call call, int (*function)(void))
{
	struct stat found;
	pid_t pid;

	check(mkdir(native("dir"), 0700));
	check(chmod(native("dir"), 01777));
	make(native("dir/name"), USER, TEST_GID, 0600);
	make(native("dir/own"), USER, TEST_GID, 0600);
	make(native("dir/others"), OTHER, OTHER, 0600);
	assert_int_equal(start_held(call, function, &pid), 0);
	check(rename(native("dir/others"), native("dir/name")));
	assert_int_equal(end_held(pid), EPERM);
	check(stat(native("dir/name"), &found));
	assert_int_equal(found.st_uid, OTHER);
	check(unlink(native("dir/name")));
	check(unlink(native("dir/own")));
	check(rmdir(native("dir")));
}

static int rmdir_it(void)
{
	return rmdir(at("dir/below"));
}

/* The same for a directory. */
static void check_sticky_directory(void)
{
	struct stat found;
	pid_t pid;

	check(mkdir(native("dir"), 0700));
	check(chmod(native("dir"), 01777));
	check(mkdir(native("dir/below"), 0700));
	check(chown(native("dir/below"), USER, TEST_GID));
	assert_int_equal(start_held(HOLD_UNLINKAT, rmdir_it, &pid), 0);
	check(chown(native("dir/below"), OTHER, OTHER));
	assert_int_equal(end_held(pid), EPERM);
	check(stat(native("dir/below"), &found));
	check(rmdir(native("dir/below")));
	check(rmdir(native("dir")));
}

static void others_names_in_sticky_directories_stay(void **state)
{
	(void)state;
	check_sticky(HOLD_UNLINKAT, unlink_it);
	check_sticky_directory();
	check_sticky(HOLD_RENAMEAT2, rename_it);
	check_sticky(HOLD_RENAMEAT2, replace_it);
}

static int create_it(void)
{
	return open(at("dir/made"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
}

static int mknod_it(void)
{
	return mknod(at("dir/made"), S_IFREG | 0400, 0);
}

static int mkdir_it(void)
{
	return mkdir(at("dir/made"), 0700);
}

static int link_it(void)
{
	return link(at("dir/own"), at("dir/made"));
}

/* A created file whose reply fails is removed again; but not a file by which another user replaced it. */
static void check_undone(int (*function)(void), bool replaced)
{
	struct stat found;
	pid_t pid;

	check(mkdir(native("dir"), 0700));
	check(chmod(native("dir"), 01777));
	make(native("dir/own"), USER, TEST_GID, 0600);
	assert_int_equal(start_held(HOLD_IDENTIFY, function, &pid), 0);
	if (replaced) {
		check(function == mkdir_it ? rmdir(native("dir/made")) : unlink(native("dir/made")));
		if (function == mkdir_it)
			check(mkdir(native("dir/made"), 0700));
		else
			make(native("dir/made"), OTHER, OTHER, 0600);
		check(chown(native("dir/made"), OTHER, OTHER));
	}
	atomic_store(&hold->error, ENOMEM);
	assert_int_equal(end_held(pid), ENOMEM);
	if (replaced) {
		check(lstat(native("dir/made"), &found));
		assert_int_equal(found.st_uid, OTHER);
		check(function == mkdir_it ? rmdir(native("dir/made")) : unlink(native("dir/made")));
	} else {
		check_error(ENOENT, lstat(native("dir/made"), &found));
	}
	check(unlink(native("dir/own")));
	check(rmdir(native("dir")));
}

static void others_names_stay_when_a_creation_is_undone(void **state)
{
	static int (*const functions[])(void) = {create_it, mknod_it, mkdir_it, link_it};

	(void)state;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		check_undone(functions[i], false);
		check_undone(functions[i], true);
	}
}

/* A worker dies over it: its successor finds the file, which its owner may not write. */
static void a_creation_that_is_carried_out_again(void **state)
{
	static int (*const functions[])(void) = {create_it, mknod_it, mkdir_it};
	struct stat found;
	pid_t pid;

	(void)state;
	check(mkdir(native("dir"), 0700));
	check(chmod(native("dir"), 01777));
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		assert_int_equal(start_held(HOLD_IDENTIFY, functions[i], &pid), 0);
		mount_kill_worker(&mount);
		assert_int_equal(end_held(pid), 0);
		check(lstat(native("dir/made"), &found));
		assert_int_equal(found.st_uid, USER);
		check(functions[i] == mkdir_it ? rmdir(native("dir/made")) : unlink(native("dir/made")));
	}
	check(rmdir(native("dir")));
}

static int symlink_it(void)
{
	return symlink("own", at("dir/made"));
}

static int mkfifo_it(void)
{
	return mkfifo(at("dir/made"), 0600);
}

/* The directory is given away between the kernel's check and the operation. */
static void nothing_is_made_in_directories_of_others(void **state)
{
	static const struct {
		enum hold_call call;
		int (*function)(void);
	} makes[] = {
		{HOLD_MAKE, create_it},      {HOLD_MAKE, mknod_it},      {HOLD_MAKE, mkdir_it},
		{HOLD_MAKE, link_it},        {HOLD_MAKE, symlink_it},    {HOLD_MAKE, mkfifo_it},
		{HOLD_RENAMEAT2, rename_it}, {HOLD_UNLINKAT, unlink_it},
	};
	struct stat found;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < sizeof(makes) / sizeof(makes[0]); i++) {
		check(mkdir(native("dir"), 0700));
		check(chown(native("dir"), USER, TEST_GID));
		make(native("dir/own"), USER, TEST_GID, 0600);
		make(native("dir/name"), USER, TEST_GID, 0600);
		assert_int_equal(start_held(makes[i].call, makes[i].function, &pid), 0);
		check(chown(native("dir"), OTHER, OTHER));
		assert_int_equal(end_held(pid), EACCES);
		check_error(ENOENT, lstat(native("dir/made"), &found));
		check_error(ENOENT, lstat(native("dir/new"), &found));
		check(unlink(native("dir/own")));
		check(unlink(native("dir/name")));
		check(rmdir(native("dir")));
	}
}

static int truncate_it(void)
{
	return truncate(at("name"), 1);
}

static int chmod_it(void)
{
	return chmod(at("name"), 0666);
}

/* The file's owner changes in between. */
static void check_given(enum hold_call call, int (*function)(void), int error)
{
	struct stat found;
	pid_t pid;

	make(native("name"), USER, TEST_GID, 0600);
	assert_int_equal(start_held(call, function, &pid), 0);
	check(chown(native("name"), OTHER, OTHER));
	assert_int_equal(end_held(pid), error);
	check(stat(native("name"), &found));
	assert_int_equal(found.st_size, 4096);
	assert_int_equal(found.st_mode & 07777, 0600);
	check(unlink(native("name")));
}

static void files_that_are_given_away_stay(void **state)
{
	(void)state;
	check_given(HOLD_OPEN, truncate_it, EACCES);
	check_given(HOLD_CHMOD, chmod_it, EPERM);
}

/* --- what goes while it is in use --- */

#define OPENS 64

/*
 * The last close of a file comes during a truncation: the daemon's descriptor must not be reused for another
 * file.
 */
static void a_file_that_is_closed_meanwhile(void **state)
{
	int fds[OPENS];
	struct stat found;
	pid_t pid;
	int fd;

	(void)state;
	make(native("name"), USER, TEST_GID, 0600);
	make(native("native"), 0, 0, 0600);
	fd = (int)check(open(at("name"), O_RDWR | O_CLOEXEC));
	assert_int_equal(start_held(HOLD_OPEN, truncate_it, &pid), 0);
	check(close(fd));
	assert_true(wait_for(mount_handles(&mount) == 0));
	/* mediated: the daemon has a descriptor for each, with the lowest free numbers */
	for (int i = 0; i < OPENS; i++)
		fds[i] = (int)check(open(at("native"), O_WRONLY | O_APPEND | O_CLOEXEC));
	assert_int_equal(end_held(pid), 0);
	check(stat(native("native"), &found));
	assert_int_equal(found.st_size, 4096);
	check(stat(native("name"), &found));
	assert_int_equal(found.st_size, 1);
	for (int i = 0; i < OPENS; i++)
		close(fds[i]);
	check(unlink(native("name")));
	check(unlink(native("native")));
}

/* An open that fails as the only one ends a lifetime that depends on opens. */
static void an_open_that_fails_is_a_close(void **state)
{
	const char *path = path_of("%s/brief", mount.path);

	(void)state;
	check(mknod(path, S_IFREG | 0600, 0));
	check(setxattr(path, "user.segfs.lifetime", "last-close", 10, 0));
	atomic_store(&hold->go, 1);
	atomic_store(&hold->error, EIO);
	atomic_store(&hold->call, HOLD_FTRUNCATE);
	check_error(EIO, open(path, O_RDWR | O_TRUNC | O_CLOEXEC));
	assert_true(wait_for(access(path, F_OK) < 0 && errno == ENOENT));
}

/* --- what members of groups and the privileged may do natively --- */

static int as_member(int (*function)(void))
{
	int status;
	pid_t pid = (pid_t)check(fork());

	if (pid == 0) {
		if (become_user() < 0)
			_exit(255);
		_exit(function() < 0 ? errno : 0);
	}
	check(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_in_dir(void)
{
	_cleanup_close_ int fd = open(at("dir/made"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 || mkdir(at("dir/below"), 0700) < 0 || symlink("x", at("dir/link")) < 0 ||
			       mkfifo(at("dir/fifo"), 0600) < 0 ||
			       link(at("dir/made"), at("dir/linked")) < 0 ||
			       rename(at("dir/made"), at("dir/moved")) < 0 || unlink(at("dir/moved")) < 0 ||
			       unlink(at("dir/linked")) < 0 || unlink(at("dir/link")) < 0 ||
			       unlink(at("dir/fifo")) < 0 || rmdir(at("dir/below")) < 0
		       ? -1
		       : 0;
}

static int give_to_group(void)
{
	return chown(at("name"), (uid_t)-1, GROUP);
}

static int read_and_write(void)
{
	_cleanup_close_ int fd = open(at("name"), O_RDWR | O_CLOEXEC);
	char byte;

	return fd < 0 || pread(fd, &byte, 1, 0) != 1 || pwrite(fd, &byte, 1, 0) != 1 ||
			       truncate(at("name"), 5) < 0
		       ? -1
		       : 0;
}

static void groups_count(void **state)
{
	struct stat found;

	(void)state;
	check(mkdir(native("dir"), 0700));
	check(chown(native("dir"), 0, GROUP));
	check(chmod(native("dir"), 0770));
	assert_int_equal(as_member(make_in_dir), 0);
	check(rmdir(native("dir")));
	make(native("name"), USER, TEST_GID, 0600);
	assert_int_equal(as_member(give_to_group), 0);
	check(stat(native("name"), &found));
	assert_int_equal(found.st_gid, GROUP);
	check(chown(native("name"), 0, GROUP));
	check(chmod(native("name"), 0660));
	assert_int_equal(as_member(read_and_write), 0);
	check(chmod(native("name"), 0606));
	assert_int_equal(as_member(read_and_write), EACCES);
	check(unlink(native("name")));
}

/* A file that may be executed but not read. */
static int run_it(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execl(at("program"), "true", (char *)NULL);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	errno = WEXITSTATUS(status);
	return errno ? -1 : 0;
}

static void programs_that_may_not_be_read_run(void **state)
{
	const char *const copy[] = {"cp", "/bin/true", native("program"), NULL};

	(void)state;
	assert_int_equal(run_program(copy), 0);
	check(chmod(native("program"), 0711));
	assert_int_equal(as_member(run_it), 0);
	check(chmod(native("program"), 0744));
	assert_int_equal(as_member(run_it), EACCES);
	check(unlink(native("program")));
}

/* 0 if no process is reported, EEXIST otherwise. */
static int look_for_mappers(void)
{
	char value[64];
	ssize_t length = getxattr(at("name"), "user.segfs.mapped-pids", value, sizeof(value));

	errno = length < 0 ? errno : EEXIST;
	return length == 0 ? 0 : -1;
}

/* Mappings by other users' processes are reported only to users who may inspect these. */
static void processes_of_others_stay_unknown(void **state)
{
	_cleanup_close_ int fd = -1;
	void *view;

	(void)state;
	make(native("name"), 0, 0, 0644);
	fd = (int)check(open(native("name"), O_RDWR | O_CLOEXEC));
	view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	assert_int_equal(as_member(look_for_mappers), 0);
	assert_string_equal(attribute(at("name"), "mapped"), "1");
	assert_string_equal(attribute(at("name"), "mapped-pids"), path_of("%d", getpid()));
	check(munmap(view, 4096));
	check(unlink(native("name")));
}

/* --- System V segments --- */

static int remove_segment(void)
{
	return unlink(path_of("%s/sysv/0x%08x", mount.path, KEY));
}

static int make_segment(void)
{
	return shmget((key_t)KEY, 4096, IPC_CREAT | IPC_EXCL | 0600);
}

static int chmod_segment(void)
{
	return chmod(path_of("%s/sysv/0x%08x", mount.path, KEY), 0640);
}

static int set_segment(void)
{
	int id = shmget((key_t)KEY, 0, 0);
	struct shmid_ds segment;

	if (shmctl(id, IPC_STAT, &segment) < 0)
		return -1;
	segment.shm_perm.mode = 0640;
	return shmctl(id, IPC_SET, &segment);
}

/* The creator may use IPC_RMID even if there is another owner. */
static void creators_may_remove_segments(void **state)
{
	struct shmid_ds segment;
	int id;

	(void)state;
	assert_int_equal(as_member(make_segment), 0);
	id = (int)check(shmget((key_t)KEY, 0, 0));
	segment = segment_stat(id);
	segment.shm_perm.uid = OTHER;
	check(shmctl(id, IPC_SET, &segment));
	/*
	 * the kernel checks chmod(2) against the file's owner, not the daemon: what IPC_SET permits the
	 * creator is available by shmctl(2) only
	 */
	assert_int_equal(as_member(chmod_segment), EPERM);
	assert_int_equal(as_member(set_segment), 0);
	assert_int_equal(segment_stat(id).shm_perm.mode & 0777, 0640);
	assert_int_equal(as_member(remove_segment), 0);
	assert_false(segment_exists(id));
	/* and nobody else */
	id = segment_make(KEY, 4096, 0666);
	assert_int_equal(as_member(remove_segment), EPERM);
	assert_true(segment_exists(id));
}

/*
 * Natively such an open waits for the lease holder for up to /proc/sys/fs/lease-break-time; no thread of the
 * daemon does.
 */
static void the_holder_of_a_lease_is_not_waited_for(void **state)
{
	_cleanup_close_ int fd = -1;

	(void)state;
	make(native("name"), USER, TEST_GID, 0600);
	fd = (int)check(open(native("name"), O_RDONLY | O_CLOEXEC));
	check(fcntl(fd, F_SETSIG, SIGCONT));
	check(fcntl(fd, F_SETLEASE, F_RDLCK));
	/* a mediated open, and truncate(2) */
	check_error(EAGAIN, open(at("name"), O_WRONLY | O_APPEND | O_CLOEXEC));
	check_error(EAGAIN, truncate(at("name"), 1));
	check(fcntl(fd, F_SETLEASE, F_UNLCK));
	check(close((int)check(open(at("name"), O_WRONLY | O_APPEND | O_CLOEXEC))));
	check(unlink(native("name")));
}

static int set_up(void **unused)
{
	struct mount_spec spec = {.preload = preload_path("holdcall")};

	(void)unused;
	hold = preload_plan("holdcall", "HOLD_CALL", sizeof(*hold));
	preload_with_sanitizers("");
	return hold ? mount_start(&mount, &spec) : -1;
}

static int tear_down(void **unused)
{
	(void)unused;
	segments_clean(NULL);
	return mount_stop(&mount);
}

/* Removes what a failed case has left. */
static int clean(void **unused)
{
	static const char *const names[] = {"native",   "mounted",    "name",     "program",  "dir/name",
					    "dir/own",  "dir/others", "dir/new",  "dir/made", "dir/link",
					    "dir/fifo", "dir/linked", "dir/moved"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(native(names[i]));
	rmdir(native("dir/below"));
	rmdir(native("dir/made"));
	rmdir(native("dir"));
	return segments_clean(unused);
}

static void clean_at_end(void)
{
	if (getpid() == tester)
		clean(NULL);
}

#define CASE(function) cmocka_unit_test_teardown(function, clean)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(old_opens_have_the_rights_of_now),
		CASE(others_names_in_sticky_directories_stay),
		CASE(others_names_stay_when_a_creation_is_undone),
		CASE(a_creation_that_is_carried_out_again),
		CASE(nothing_is_made_in_directories_of_others),
		CASE(files_that_are_given_away_stay),
		CASE(a_file_that_is_closed_meanwhile),
		CASE(an_open_that_fails_is_a_close),
		CASE(groups_count),
		CASE(programs_that_may_not_be_read_run),
		CASE(processes_of_others_stay_unknown),
		CASE(creators_may_remove_segments),
		CASE(the_holder_of_a_lease_is_not_waited_for),
	};

	if (geteuid() != 0)
		skip_program("root");
	segments_isolate();
	tester = getpid();
	atexit(clean_at_end);
	return cmocka_run_group_tests(cases, set_up, tear_down);
}
