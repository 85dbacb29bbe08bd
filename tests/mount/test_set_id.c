// SPDX-License-Identifier: MIT
/*
 * Set-user-id programs changed by another user: executing one right afterwards gives no identity of its
 * owner, in all I/O modes, as on a tmpfs. The kernel may cache attributes for a minute here.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/modes.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM_MAX (1024 * 1024)

static struct mount mount_here;
static bool on_tmpfs;
static char directory[PATH_MAX];
static char program[PATH_MAX]; /* prints its effective user id */
static char *bytes;            /* of the program */
static size_t size;
static int early = -1; /* opened for writing before the bits were set */

/* --- the program --- */

static const char *const originals[] = {"/usr/bin/id", "/bin/id"};

static void read_original(void)
{
	_cleanup_close_ int fd = -1;
	ssize_t length;

	for (size_t i = 0; i < sizeof(originals) / sizeof(originals[0]) && fd < 0; i++)
		fd = open(originals[i], O_RDONLY | O_CLOEXEC);
	bytes = malloc(PROGRAM_MAX);
	length = fd >= 0 && bytes ? read(fd, bytes, PROGRAM_MAX) : 0;
	if (length <= 0 || length == PROGRAM_MAX)
		skip_program("id(1), a program of less than a megabyte");
	size = (size_t)length;
}

static int write_program(int fd)
{
	return write(fd, bytes, size) == (ssize_t)size ? 0 : -EIO;
}

static int set_up(void **unused)
{
	_cleanup_close_ int fd = -1;

	(void)unused;
	fd = open(program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0777);
	if (fd < 0 || write_program(fd) < 0)
		return -1;
	early = open(program, O_WRONLY | O_CLOEXEC);
	/* the kernel caches that there are no bits to clear */
	if (early < 0 || pwrite(early, bytes, 1, 0) != 1)
		return -1;
	return chmod(program, 06777);
}

static int tear_down(void **unused)
{
	(void)unused;
	if (early >= 0)
		close(early);
	early = -1;
	return unlink(program);
}

/* Returns the effective user of the program, or -errno. */
static int execute(void *unused)
{
	char text[32] = "";
	int ends[2];
	int status;
	pid_t pid;

	(void)unused;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl(program, "id", "-u", NULL);
		_exit(errno);
	}
	close(ends[1]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -errno;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
	if (read(ends[0], text, sizeof(text) - 1) <= 0)
		return -EPIPE;
	return atoi(text) == 0 ? 0 : atoi(text) == TEST_UID ? 1 : -ERANGE;
}

static void let_go_of_early(void)
{
	check(close(early));
	early = -1;
	/* a file open for writing can't be executed */
	assert_true(on_tmpfs || wait_for(mount_handles(&mount_here) == 0));
}

static void expect_owner(void)
{
	struct stat stat;

	let_go_of_early();
	assert_int_equal(as_user(TEST_UID, TEST_GID, execute, NULL), 0);
	check(lstat(program, &stat));
	assert_int_equal(stat.st_mode, S_IFREG | 06777);
}

/* Right after the change, with no operation in between that would refresh the kernel's attributes. */
static void expect_nobody(void)
{
	struct stat stat;

	check(close(early));
	early = -1;
	assert_int_equal(as_user(TEST_UID, TEST_GID, execute, NULL), 1);
	check(lstat(program, &stat));
	assert_int_equal(stat.st_mode, S_IFREG | 0777);
}

/* --- changes --- */

static int open_program(int flags)
{
	int fd = open(program, O_WRONLY | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

static int change_by_write(void *unused)
{
	_cleanup_close_ int fd = open_program(0);

	(void)unused;
	return fd < 0 ? fd : pwrite(fd, "x", 1, (off_t)size) == 1 ? 0 : -errno;
}

static int change_by_append(void *unused)
{
	_cleanup_close_ int fd = open_program(O_APPEND);

	(void)unused;
	return fd < 0 ? fd : write(fd, "x", 1) == 1 ? 0 : -errno;
}

static int change_by_early_open(void *unused)
{
	(void)unused;
	return pwrite(early, "x", 1, (off_t)size) == 1 ? 0 : -errno;
}

static int change_by_truncate(void *unused)
{
	(void)unused;
	return truncate(program, (off_t)size + 1) < 0 ? -errno : 0;
}

static int change_by_ftruncate(void *unused)
{
	_cleanup_close_ int fd = open_program(0);

	(void)unused;
	return fd < 0 ? fd : ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int change_by_open(void *unused)
{
	_cleanup_close_ int fd = open_program(O_TRUNC);

	(void)unused;
	return fd < 0 ? fd : write_program(fd);
}

/* Only the open clears the bits. */
static int change_by_open_only(void *unused)
{
	_cleanup_close_ int fd = open_program(O_TRUNC);

	(void)unused;
	return fd < 0 ? fd : 0;
}

static int change_by_allocation(void *unused)
{
	_cleanup_close_ int fd = open_program(0);

	(void)unused;
	return fd < 0 ? fd : fallocate(fd, 0, (off_t)size, 10) < 0 ? -errno : 0;
}

static int change_by_copy(void *unused)
{
	_cleanup_close_ int from = open(program, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int fd = open_program(0);
	off_t start = 0;
	off_t end = (off_t)size;

	(void)unused;
	if (fd < 0 || from < 0)
		return -EIO;
	return copy_file_range(from, &start, fd, &end, 16, 0) == 16 ? 0 : -errno;
}

static const struct change {
	const char *name;
	int (*function)(void *unused);
} changes[] = {
	{"write", change_by_write},
	{"write that appends", change_by_append},
	{"write through an earlier open", change_by_early_open},
	{"truncate", change_by_truncate},
	{"ftruncate to the same size", change_by_ftruncate},
	{"open with O_TRUNC, and write", change_by_open},
	{"fallocate", change_by_allocation},
	{"copy_file_range", change_by_copy},
};

static void change_and_execute(const struct change *change, bool kill)
{
	print_message("# %s\n", change->name);
	/* the kernel has cached the bits */
	assert_int_equal(as_user(TEST_UID, TEST_GID, execute, NULL), -ETXTBSY);
	assert_int_equal(as_user(TEST_UID, TEST_GID, change->function, NULL), 0);
	if (kill)
		mount_kill_worker(&mount_here);
	expect_nobody();
	check(tear_down(NULL));
	check(set_up(NULL));
}

static void others_who_change_it_take_the_bits(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		change_and_execute(&changes[i], false);
}

static void the_next_worker_knows(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]) && !on_tmpfs; i++)
		change_and_execute(&changes[i], true);
}

/* The open leaves nothing to execute; what the owner writes later is not a set-user-id program. */
static void an_open_that_truncates_takes_the_bits(void **unused)
{
	(void)unused;
	assert_int_equal(as_user(TEST_UID, TEST_GID, change_by_open_only, NULL), 0);
	assert_int_equal(pwrite(early, bytes, size, 0), (long long)size);
	expect_nobody();
}

static void changed_owner(void **unused)
{
	(void)unused;
	check(chown(program, 0, TEST_GID));
	expect_nobody();
	check(chmod(program, 06777));
	check(chown(program, -1U, -1U));
	early = open(program, O_RDONLY);
	expect_nobody();
}

static void untouched_it_is_the_owner(void **unused)
{
	(void)unused;
	expect_owner();
}

static void root_may_change_it(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		assert_int_equal(changes[i].function(NULL), 0);
	expect_owner();
}

static int chown_to_nobody(void *unused)
{
	(void)unused;
	return chown(program, -1U, -1U) < 0 ? -errno : 0;
}

/* Other users can't clear its bits without changing it. */
static void others_can_only_change_it(void **unused)
{
	(void)unused;
	check(chmod(program, 06755));
	assert_int_equal(as_user(TEST_UID, TEST_GID, chown_to_nobody, NULL), -EPERM);
	check(chmod(program, 06777));
	assert_int_equal(as_user(TEST_UID, TEST_GID, chown_to_nobody, NULL), -EPERM);
	expect_owner();
}

/* --- at the same time --- */

#define ROUNDS  150
#define RUNNERS 5  /* in each */
#define TRIES   30 /* of each, while the file is busy */

enum { RAN_AS_NOBODY = 0, RAN_AS_OWNER = 1, RAN_CHANGED_AS_OWNER = 2, RAN_NOT = 3 };

/* The program is this one; its last byte tells whether it was changed, which is impossible while it runs. */
static int run_as_program(void)
{
	_cleanup_close_ int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char last = 0;

	if (geteuid() != 0)
		return RAN_AS_NOBODY;
	if (fd < 0 || pread(fd, &last, 1, lseek(fd, 0, SEEK_END) - 1) != 1)
		return RAN_NOT;
	return last == 'x' ? RAN_CHANGED_AS_OWNER : RAN_AS_OWNER;
}

static int copy_self(void)
{
	_cleanup_close_ int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int fd = open(program, O_WRONLY | O_TRUNC | O_CLOEXEC);
	char part[4096];
	ssize_t length;

	do {
		length = read(from, part, sizeof(part));
		if (length < 0 || write(fd, part, (size_t)length) != length)
			return -EIO;
	} while (length > 0);
	return write(fd, "o", 1) == 1 && fchmod(fd, 06777) == 0 ? 0 : -EIO;
}

static void become_nobody(void)
{
	if (setgid(TEST_GID) < 0 || setuid(TEST_UID) < 0)
		_exit(RAN_NOT);
}

static pid_t start_writer(int fd, long microseconds)
{
	pid_t pid = fork();
	struct timespec start;
	struct timespec now;
	struct stat stat;

	if (pid != 0)
		return pid;
	become_nobody();
	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < microseconds);
	_exit(fstat(fd, &stat) == 0 && pwrite(fd, "x", 1, stat.st_size - 1) == 1 ? 0 : 1);
}

static pid_t start_runner(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	become_nobody();
	for (int i = 0; i < TRIES; i++)
		execl(program, "raced", NULL);
	_exit(RAN_NOT);
}

static int status_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void race(long microseconds)
{
	int fd = (int)check(open(program, O_WRONLY | O_CLOEXEC));
	pid_t writer = start_writer(fd, microseconds);
	pid_t runners[RUNNERS];
	int status[RUNNERS];

	check(close(fd));
	for (int i = 0; i < RUNNERS; i++)
		runners[i] = start_runner();
	assert_int_equal(status_of(writer), 0);
	for (int i = 0; i < RUNNERS; i++)
		status[i] = status_of(runners[i]);
	for (int i = 0; i < RUNNERS; i++)
		assert_in_range(status[i] == RAN_CHANGED_AS_OWNER ? 99 : status[i], 0, RAN_NOT);
}

/* An execution comes before the change, or has no identity of the owner. */
static void changed_while_it_is_executed(void **unused)
{
	(void)unused;
	/* sanitizers would execute themselves again */
	if (SANITIZED)
		return;
	let_go_of_early();
	for (int i = 0; i < (int)rounds_of(ROUNDS); i++) {
		assert_int_equal(copy_self(), 0);
		race(i * 2);
	}
}

/* --- where --- */

static int start(const char *mode)
{
	static char options[128];
	struct mount_spec spec = {.tag = mode, .options = options};

	on_tmpfs = strcmp(mode, "tmpfs") == 0;
	snprintf(directory, sizeof(directory), "%s", path_of("%s/%s", test_directory(), mode));
	snprintf(program, sizeof(program), "%s", path_of("%s/program", directory));
	if (on_tmpfs)
		return mkdir(directory, 0755) < 0 || mount("test", directory, "tmpfs", 0, "mode=0755") < 0
			       ? -1
			       : 0;
	snprintf(options, sizeof(options), "suid,attr_timeout=60,entry_timeout=60,%s", mode_options(mode));
	return mount_start(&mount_here, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return on_tmpfs ? umount2(directory, MNT_DETACH) : mount_stop(&mount_here);
}

static void unmount_tmpfs(void)
{
	umount2(path_of("%s/tmpfs", test_directory()), MNT_DETACH);
}

int main(int argc, char *argv[])
{
	static const char *const modes[] = {
		"tmpfs", "direct", "direct-mand", "mediated", "mediated-mand", "relayed", "relayed-mand",
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(untouched_it_is_the_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_who_change_it_take_the_bits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_next_worker_knows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_open_that_truncates_takes_the_bits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_owner, set_up, tear_down),
		cmocka_unit_test_setup_teardown(root_may_change_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_can_only_change_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_while_it_is_executed, set_up, tear_down),
	};
	int failed = 0;

	if (argc == 1 && strcmp(argv[0], "raced") == 0)
		return run_as_program();
	if (geteuid() != 0)
		skip_program("root");
	read_original();
	test_directory();
	atexit(unmount_tmpfs);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		failed += run_in_mode(modes[i], tests, sizeof(tests) / sizeof(tests[0]), start, stop);
	free(bytes);
	return failed;
}
