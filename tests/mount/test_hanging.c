// SPDX-License-Identifier: MIT
/* tests/run: alone: processes that do not answer are unknown users of whatever other tests ask about */
/*
 * Processes of one user that hang in execve(2) delay nobody else: inspecting them blocks for as long as they
 * hang.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/hanging.h"
#include "tests/lib/segments.h"
#include "tests/lib/target.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ATTACKER (TEST_UID + 1)
#define SOON                                                                                                 \
	(100 *                                                                                               \
	 (int)wait_seconds(10)) /* milliseconds in which every operation without hanging processes ends */

static struct mount mount_here;

static int start(void **unused)
{
	const struct mount_spec spec = {.config = "[mount]\nsources = posix, sysv, process\n"};

	(void)unused;
	if (geteuid() != 0)
		skip_program("root");
	return mount_start(&mount_here, &spec) < 0 || chmod(mount_here.path, 01777) < 0 || hanging_begin() < 0
		       ? -1
		       : 0;
}

static int stop(void **unused)
{
	(void)unused;
	hanging_end();
	return mount_stop(&mount_here);
}

static const char *in_mount(const char *name)
{
	return path_of("%s/%s", mount_here.path, name);
}

/* Runs a function in a child. Fails the case unless it ends soon; returns its result, 0 to 255. */
static int soon(uid_t uid, int (*call)(void *context), void *context, const char *what)
{
	struct timespec begin;
	struct timespec end;
	pid_t pid = (pid_t)check(fork());
	int status;

	if (pid == 0) {
		if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
			_exit(255);
		_exit(call(context));
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		clock_gettime(CLOCK_MONOTONIC, &end);
		if ((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >
		    SOON * (SANITIZED ? 10 : 1)) {
			kill(pid, SIGKILL);
			fail_msg("%s takes longer than %d ms", what, SOON);
		}
		usleep(500);
	}
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void make_file(void *name)
{
	int fd = open(in_mount(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		_exit(1);
	close(fd);
}

static int set_owner(void *name)
{
	return setxattr(in_mount(name), "user.segfs.lifetime", "owner", 5, 0) < 0 ? errno : 0;
}

static int read_version(void *unused)
{
	char text[64];

	(void)unused;
	return read_text(in_mount(".segfs/version"), text, sizeof(text)) > 0 ? 0 : 1;
}

/* A creator's identity is known without an inspection. */
static void lifetime_of_an_owner_that_hangs(void **unused)
{
	pid_t pid;

	(void)unused;
	pid = hanging_start(ATTACKER, ATTACKER, make_file, (void *)(uintptr_t) "owned");
	assert_int_equal(soon(ATTACKER, set_owner, (void *)(uintptr_t) "owned", "setting the lifetime"), 0);
	assert_int_equal(soon(TEST_UID, read_version, NULL, "reading the version"), 0);
	check(access(in_mount("owned"), F_OK));
	mount_kill_worker(&mount_here);
	check(access(in_mount("owned"), F_OK));
	hanging_end();
	assert_true(wait_for(access(in_mount("owned"), F_OK) < 0));
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(hanging_begin(), 0);
}

/* --- many of them --- */

#define HANGING 20
#define PENDING 100 /* or a tenth of them, on a slow machine */

/* Each attribute of files of the user who is to be served, one of each source. */
static struct {
	char path[256];
	const char *name;
} attributes[128];

static size_t n_attributes;

static const char *const control_files[] = {"version", "status", "config", "locks", "attached", "policies"};

static int call_attribute(void *context)
{
	const size_t *which = context;
	char value[4096];

	return getxattr(attributes[*which].path, path_of("user.segfs.%s", attributes[*which].name), value,
			sizeof(value)) < 0
		       ? errno
		       : 0;
}

static int call_control(void *name)
{
	char text[65536];

	return read_text(path_of("%s/.segfs/%s", mount_here.path, (const char *)name), text, sizeof(text)) >=
			       0
		       ? 0
		       : 1;
}

static int call_stat(void *name)
{
	struct stat found;

	return stat(in_mount(name), &found) < 0 ? errno : 0;
}

static int call_open(void *name)
{
	return open(in_mount(name), O_RDWR | O_CLOEXEC) < 0 ? errno : 0;
}

/*
 * Opens a second writer: all processes are scanned. On a busy machine some that may write to the file, root's
 * and the user's own, do not respond and count as writers for a moment: the limit leaves room for them.
 */
static int call_open_twice(void *name)
{
	return open(in_mount(name), O_RDWR | O_CLOEXEC) < 0 || open(in_mount(name), O_RDWR | O_CLOEXEC) < 0
		       ? errno
		       : 0;
}

static int call_create(void *name)
{
	return open(in_mount(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0 ? errno
	       : unlink(in_mount(name)) < 0                                          ? errno
										     : 0;
}

static int call_list(void *name)
{
	_cleanup_closedir_ DIR *dir = opendir(in_mount(name));
	int n = 0;

	if (!dir)
		return errno;
	errno = 0;
	while (readdir(dir))
		n++;
	return n >= 2 ? 0 : errno ? errno : 255;
}

static int make_mine(void *unused)
{
	const int objects = open("/dev/shm/mine", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const int fd = open(in_mount("mine"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const int two = open(in_mount("two"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)unused;
	return objects < 0 || fd < 0 || two < 0 ||
	       setxattr(in_mount("mine"), "user.segfs.writers", "1", 1, 0) < 0 ||
	       setxattr(in_mount("two"), "user.segfs.writers", "9", 1, 0) < 0;
}

#define KEY 0x5e6f0012u

static struct target target;

static void find_attributes_of(const char *path)
{
	char copy[sizeof(attributes[0].path)];

	snprintf(copy, sizeof(copy), "%s", path);
	for (size_t i = 0; attribute_names[i]; i++) {
		memcpy(attributes[n_attributes].path, copy, sizeof(copy));
		attributes[n_attributes].name = attribute_names[i];
		n_attributes += call_attribute(&n_attributes) == 0;
	}
}

static void find_attributes(void)
{
	int id = segment_make(KEY, 4096, 0600);
	struct shmid_ds segment = segment_stat(id);

	segment.shm_perm.uid = TEST_UID;
	check(shmctl(id, IPC_SET, &segment));
	target_start(&target, TEST_UID, 0);
	find_attributes_of(in_mount("mine"));
	find_attributes_of(in_mount("posix/mine"));
	find_attributes_of(in_mount(path_of("sysv/0x%08x", KEY)));
	find_attributes_of(target_memfd(&mount_here, &target, target.memfd, "plain"));
	assert_true(n_attributes > 30);
}

static pid_t pending[PENDING];

/* Requests of the user whose processes hang: they query mappings, over and over. */
static void start_pending(void)
{
	for (int i = 0; i < (int)rounds_of(PENDING); i++) {
		pending[i] = (pid_t)check(fork());
		if (pending[i] == 0) {
			char value[4096];

			if (setresgid(ATTACKER, ATTACKER, ATTACKER) < 0 ||
			    setresuid(ATTACKER, ATTACKER, ATTACKER) < 0)
				_exit(1);
			for (;;)
				getxattr(in_mount(i % 2 ? "theirs" : "posix/theirs"),
					 i % 2 ? "user.segfs.attached" : "user.segfs.orphan", value,
					 sizeof(value));
		}
	}
}

static void end_pending(void)
{
	for (int i = 0; i < PENDING; i++)
		if (pending[i] > 0)
			kill(pending[i], SIGKILL);
	for (int i = 0; i < PENDING; i++) {
		if (pending[i] > 0)
			waitpid(pending[i], NULL, 0);
		pending[i] = 0;
	}
}

static int make_theirs(void *unused)
{
	(void)unused;
	return open("/dev/shm/theirs", O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0 ||
	       open(in_mount("theirs"), O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0;
}

static void map_theirs(void *unused)
{
	int fd = open(in_mount("theirs"), O_RDWR | O_CLOEXEC);

	(void)unused;
	if (fd < 0 || fcntl(fd, F_SETFD, 0) < 0)
		_exit(1);
}

static void expect_service(uid_t uid)
{
	for (size_t i = 0; i < n_attributes; i++)
		assert_int_equal(soon(uid, call_attribute, &i, attributes[i].name), 0);
	for (size_t i = 0; i < sizeof(control_files) / sizeof(control_files[0]); i++)
		assert_int_equal(
			soon(uid, call_control, (void *)(uintptr_t)control_files[i], control_files[i]), 0);
	assert_int_equal(soon(uid, call_stat, (void *)(uintptr_t) "mine", "stat"), 0);
	assert_int_equal(soon(uid, call_open, (void *)(uintptr_t) "mine", "open"), 0);
	assert_int_equal(soon(uid, call_open_twice, (void *)(uintptr_t) "two", "open of the second writer"),
			 0);
	assert_int_equal(soon(uid, call_create, (void *)(uintptr_t) "new", "create"), 0);
	assert_int_equal(soon(uid, call_list, (void *)(uintptr_t) "", "ls"), 0);
	assert_int_equal(soon(uid, call_list, (void *)(uintptr_t) "process", "ls process"), 0);
}

/* A deferred request ends with its requester. */
static void expect_death(void)
{
	for (int i = 0; i < (int)rounds_of(PENDING); i += 7) {
		struct deadline deadline = deadline_in(SANITIZED ? 20 : wait_seconds(10) / 5);
		int status;

		check(kill(pending[i], SIGKILL));
		while (waitpid(pending[i], &status, WNOHANG) == 0)
			if (!deadline_wait(&deadline))
				fail_msg("a caller that was killed does not end");
		pending[i] = 0;
	}
}

static int end_many(void **unused)
{
	(void)unused;
	end_pending();
	hanging_end();
	target_end(&target);
	unlink("/dev/shm/mine");
	unlink("/dev/shm/theirs");
	segments_clean(NULL);
	return hanging_begin();
}

static void others_are_served(void **unused)
{
	(void)unused;
	assert_int_equal(as_user(TEST_UID, TEST_GID, make_mine, NULL), 0);
	assert_int_equal(as_user(ATTACKER, ATTACKER, make_theirs, NULL), 0);
	find_attributes();
	for (int i = 0; i < HANGING; i++)
		hanging_start(ATTACKER, ATTACKER, map_theirs, NULL);
	start_pending();
	for (int round = 0; round < (SANITIZED ? 1 : 3); round++)
		expect_service(TEST_UID);
	expect_service(0);
	/* the next worker has what was deferred, or these callers could not end */
	worker_replace(&mount_here);
	expect_service(TEST_UID);
	expect_death();
}

/*
 * Whether execve(2) has replaced the memory already, which has no arguments yet: from then on it holds the
 * lock that inspection needs. Reading the arguments does not need it.
 */
static bool is_locked(pid_t pid)
{
	char arguments[64];

	return read_text(path_of("/proc/%d/cmdline", pid), arguments, sizeof(arguments)) == 0;
}

/* Processes that can't be inspected are reported as unknown. */
static void what_is_not_known_is_told(void **unused)
{
	char text[65536];
	char value[64] = "";
	pid_t pid;

	(void)unused;
	assert_int_equal(as_user(ATTACKER, ATTACKER, make_theirs, NULL), 0);
	pid = hanging_start(ATTACKER, ATTACKER, map_theirs, NULL);
	assert_true(read_text(in_mount(".segfs/attached"), text, sizeof(text)) > 0);
	/* the kernel knows of a user of the file, whoever it is */
	assert_int_equal(check(getxattr(in_mount("theirs"), "user.segfs.attached", value, sizeof(value))), 1);
	assert_string_equal(value, "1");
	if (!is_locked(pid))
		skip_missing("an execve(2) that holds its lock while it closes files");
	/* otherwise a view keeps the handle of its file, and nobody is asked for views */
	if (kernel_has("passthrough"))
		assert_non_null(strstr(text, path_of("%d test_hanging - unknown - -\n", pid)));
}

/* --- file systems of users, which do not answer --- */

#define NUMBER 50 /* of a descriptor */

static char looked_at[PATH_MAX]; /* below the mount */

/* Any result is accepted. */
static int call_look(void *unused)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("%s", looked_at));
	struct stat found;

	(void)unused;
	while (dir && readdir(dir))
		;
	lstat(looked_at, &found);
	return 0;
}

static int call_remove(void *name)
{
	return rmdir(in_mount(name)) < 0 ? errno : 0;
}

static int call_rename(void *name)
{
	return rename(in_mount(name), path_of("%s.new", in_mount(name))) < 0 ? errno : 0;
}

static void expect_answers(const char *path)
{
	snprintf(looked_at, sizeof(looked_at), "%s", path);
	assert_int_equal(soon(ATTACKER, call_look, NULL, path), 0);
	assert_int_equal(soon(0, call_look, NULL, path), 0);
	assert_int_equal(soon(TEST_UID, read_version, NULL, "reading the version"), 0);
}

/* A process with an open and mapped file whose path resembles that of memory. */
static pid_t start_pretender(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	check(pipe2(ready, O_CLOEXEC));
	pid = (pid_t)check(fork());
	if (pid == 0) {
		int memfd;
		int object;

		if (setresgid(ATTACKER, ATTACKER, ATTACKER) < 0 ||
		    setresuid(ATTACKER, ATTACKER, ATTACKER) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
			_exit(1);
		memfd = open(hanging_path("memfd:x (deleted)"), O_RDWR);
		object = open(hanging_path("dev/shm/x (deleted)"), O_RDWR);
		if (memfd < 0 || object < 0 || dup2(memfd, NUMBER) < 0 ||
		    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0) == MAP_FAILED ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static pid_t pretender;

static void files_that_look_like_memory(void **unused)
{
	unsigned int held;

	(void)unused;
	pretender = start_pretender();
	hanging_detach();
	held = hanging_held();
	hanging_mute();
	expect_answers(path_of("%s/process/%d", mount_here.path, pretender));
	expect_answers(path_of("%s/process/%d/memfd-%d-x", mount_here.path, pretender, NUMBER));
	assert_int_equal(hanging_held(), held);
}

static int end_pretender(void **unused)
{
	(void)unused;
	if (pretender > 0)
		kill(pretender, SIGKILL);
	hanging_end();
	if (pretender > 0)
		waitpid(pretender, NULL, 0);
	pretender = 0;
	return hanging_begin();
}

/* A user may mount a file system on an own directory, as fusermount(1) does. */
static void mounts_among_objects(void **unused)
{
	const char *name = path_of("segfs_test.%d.mount", getpid());

	(void)unused;
	hanging_end();
	assert_int_equal(hanging_begin_at(path_of("/dev/shm/%s", name)), 0);
	hanging_mute();
	expect_answers(path_of("%s/posix/%s", mount_here.path, name));
	expect_answers(path_of("%s/posix", mount_here.path));
	assert_int_equal(soon(0, call_remove, (void *)(uintptr_t)path_of("posix/%s", name), "rmdir"), EXDEV);
	assert_int_equal(soon(0, call_rename, (void *)(uintptr_t)path_of("posix/%s", name), "rename"), EXDEV);
	assert_int_equal(hanging_held(), 0);
}

static int end_mounts(void **unused)
{
	(void)unused;
	hanging_end();
	unlink("/dev/shm/mine");
	return hanging_begin();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lifetime_of_an_owner_that_hangs),
		cmocka_unit_test_teardown(others_are_served, end_many),
		cmocka_unit_test_teardown(what_is_not_known_is_told, end_many),
		cmocka_unit_test_teardown(files_that_look_like_memory, end_pretender),
		cmocka_unit_test_teardown(mounts_among_objects, end_mounts),
	};

	segments_isolate();
	return cmocka_run_group_tests_name("hanging", tests, start, stop);
}
