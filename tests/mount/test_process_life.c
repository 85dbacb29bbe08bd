// SPDX-License-Identifier: MIT
/*
 * process/ while processes end, fork, execute programs and get reused numbers, and while the worker is
 * killed.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/target.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#define LISTERS 20  /* more than the threads of the daemon */
#define PART    8   /* on a slow machine: one in so many is looked at, and looks */
#define SHORT   400 /* processes that start and end during inspections */
#define EXECS   60
#define KILLS   8

static struct mount mount_here;

/* --- ends --- */

static void what_is_open_stays(void **state)
{
	struct target target;
	const char *paths[3];
	int fds[3];
	int writer;
	const bool maps = kernel_maps_uncached();
	char *view = NULL;
	char text[64];
	struct stat stat;

	(void)state;
	target_start(&target, TEST_UID, 0);
	paths[0] = target_memfd(&mount_here, &target, target.memfd, "plain");
	paths[1] = target_anonymous(&mount_here, &target);
	paths[2] = target_deleted(&mount_here, &target);
	for (int i = 0; i < 3; i++)
		fds[i] = (int)check(open(paths[i], O_RDONLY));
	writer = (int)check(open(paths[1], O_RDWR));
	if (maps)
		view = mmap(NULL, TARGET_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	target_end(&target);
	for (int i = 0; i < 3; i++) {
		check_error(ENOENT, lstat(paths[i], &stat));
		check(fstat(fds[i], &stat));
		assert_int_equal(stat.st_size, TARGET_SIZE);
		assert_true(check(pread(fds[i], text, sizeof(text), 0)) == sizeof(text));
		/* as a removed file it can be opened again while it is open, but not written */
		close((int)check(open(path_of("/proc/self/fd/%d", fds[i]), O_RDONLY)));
		check_error(EPERM, open(path_of("/proc/self/fd/%d", fds[i]), O_RDWR));
	}
	if (maps)
		assert_string_equal(view, TARGET_TEXT_ANONYMOUS);
	assert_int_equal(check(pwrite(writer, "still", 5, 0)), 5);
	if (maps)
		assert_memory_equal(view, "still", 5);
	mount_kill_worker(&mount_here);
	assert_int_equal(check(pwrite(writer, "again", 5, 0)), 5);
	if (maps)
		assert_memory_equal(view, "again", 5);
	assert_int_equal(check(pread(fds[1], text, 5, 0)), 5);
	assert_memory_equal(text, "again", 5);
	check(fstat(fds[1], &stat));
	if (maps)
		check(munmap(view, TARGET_SIZE));
	close(writer);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	assert_true(wait_for(mount_handles(&mount_here) == 0));
}

static void one_that_is_not_waited_for_is_gone(void **state)
{
	struct target target;
	struct stat stat;
	siginfo_t info;

	(void)state;
	target_start(&target, TEST_UID, 0);
	check(lstat(target_path(&mount_here, &target, ""), &stat));
	close(target.control);
	check(waitid(P_PID, (id_t)target.pid, &info, WEXITED | WNOWAIT));
	check_error(ENOENT, lstat(target_path(&mount_here, &target, ""), &stat));
	check(waitpid(target.pid, NULL, 0));
}

/* Starts a process with a chosen number, which waits to be killed. */
static pid_t start_with_number(pid_t pid)
{
	struct clone_args arguments = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long child = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (child == 0) {
		for (;;)
			pause();
	}
	return (pid_t)child;
}

static void a_number_means_one_process(void **state)
{
	struct target target;
	struct stat before;
	struct stat after;
	int directory;
	int file;
	pid_t pid;

	(void)state;
	target_start(&target, 0, 0);
	directory = (int)check(open(target_path(&mount_here, &target, ""), O_RDONLY | O_DIRECTORY));
	file = (int)check(open(target_memfd(&mount_here, &target, target.memfd, "plain"), O_PATH));
	check(fstat(directory, &before));
	pid = target.pid;
	target_end(&target);
	target.pid = pid;
	if (start_with_number(pid) != pid)
		skip_missing("clone3(2) with set_tid");
	check(lstat(target_path(&mount_here, &target, ""), &after));
	assert_int_not_equal(after.st_ino, before.st_ino);
	check_error(ESTALE, fstatat(directory, "comm", &after, AT_SYMLINK_NOFOLLOW));
	check_error(ESTALE, fstat(directory, &after));
	check_error(ESTALE, open(path_of("/proc/self/fd/%d", file), O_RDONLY));
	kill(pid, SIGKILL);
	check(waitpid(pid, NULL, 0));
	close(directory);
	close(file);
}

/* --- others, and other programs --- */

static void a_program_is_executed(void **state)
{
	struct target target;
	const char *anonymous;
	struct stat before;
	struct stat after;
	char name[8] = "";
	char byte;
	int fd;

	(void)state;
	target_start(&target, TEST_UID, 0);
	anonymous = target_anonymous(&mount_here, &target);
	check(lstat(target_path(&mount_here, &target, ""), &before));
	fd = (int)check(open(anonymous, O_RDONLY));
	target_exec(&target);
	/* the same process with another program's memory */
	check(lstat(target_path(&mount_here, &target, ""), &after));
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(check(readlink(target_path(&mount_here, &target, "comm"), name, sizeof(name))), 3);
	assert_string_equal(name, "cat");
	check_error(ENOENT, lstat(anonymous, &after));
	check_error(ENOENT, lstat(target_deleted(&mount_here, &target), &after));
	check(lstat(target_memfd(&mount_here, &target, target.memfd, "plain"), &after));
	assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
	assert_int_equal(byte, TARGET_TEXT_ANONYMOUS[0]);
	close(fd);
	target_end(&target);
}

static void a_child_shares(void **state)
{
	int fd = (int)check(memfd_create("shared", 0));
	pid_t child = (pid_t)check(fork());
	const char *own = path_of("%s/process/%d/memfd-%d-shared", mount_here.path, getpid(), fd);
	const char *other = path_of("%s/process/%d/memfd-%d-shared", mount_here.path, (int)child, fd);
	char numbers[2][64] = {"", ""};
	char expected[16];
	struct stat first;
	struct stat second;

	(void)state;
	if (child == 0) {
		for (;;)
			pause();
	}
	check(ftruncate(fd, TARGET_SIZE));
	check(getxattr(own, "user.segfs.inode", numbers[0], sizeof(numbers[0]) - 1));
	check(getxattr(other, "user.segfs.inode", numbers[1], sizeof(numbers[1]) - 1));
	assert_string_equal(numbers[0], numbers[1]);
	check(lstat(own, &first));
	check(lstat(other, &second));
	assert_int_not_equal(first.st_ino, second.st_ino);
	memset(numbers, 0, sizeof(numbers));
	check(getxattr(own, "user.segfs.users", numbers[0], sizeof(numbers[0]) - 1));
	snprintf(expected, sizeof(expected), "%d", (int)child);
	assert_string_equal(numbers[0], expected);
	check(getxattr(other, "user.segfs.users", numbers[1], sizeof(numbers[1]) - 1));
	snprintf(expected, sizeof(expected), "%d", getpid());
	assert_string_equal(numbers[1], expected);
	kill(child, SIGKILL);
	check(waitpid(child, NULL, 0));
	close(fd);
}

/* --- under load --- */

/* ... or of one that stays in execve(2) for too long. */
static bool is_of_gone(int error)
{
	return error == ENOENT || error == ESTALE || error == ETIMEDOUT;
}

/* Inspects a process's directory as find(1) and cat(1) would. */
static void look_into_directory(struct job *job, int root, const char *name)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		dir = fdopendir(fd);
	job_must(job, dir || is_of_gone(errno));
	errno = 0;
	while (dir && (entry = readdir(dir))) {
		_cleanup_close_ int file = -1;
		struct stat stat;
		char byte;

		job_must(job,
			 fstatat(fd, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 || is_of_gone(errno));
		if (entry->d_type == DT_REG) {
			file = openat(fd, entry->d_name, O_RDONLY | O_CLOEXEC);
			job_must(job, file >= 0 || is_of_gone(errno));
			job_must(job, file < 0 || read(file, &byte, 1) >= 0);
		}
		errno = 0;
	}
	job_must(job, errno == 0 || is_of_gone(errno));
}

/* On a slow machine a part of what is done under load must do; it is said at the start. */
static bool is_slow(void)
{
	return wait_seconds(10) > 10;
}

static void look_at_all(struct job *job, void *unused)
{
	const unsigned int each = is_slow() ? PART : 1;

	(void)unused;
	while (!job->stop) {
		_cleanup_closedir_ DIR *dir = opendir(path_of("%s/process", mount_here.path));
		const struct dirent *entry;
		unsigned int n = (unsigned int)job->steps;

		job_must(job, dir);
		while (!job->stop && (entry = readdir(dir)))
			if (entry->d_name[0] != '.' && n++ % each == 0)
				look_into_directory(job, dirfd(dir), entry->d_name);
		job->steps++;
	}
}

static void start_listers(struct job *listers[LISTERS], unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		listers[i] = job_start(look_at_all, NULL);
		assert_non_null(listers[i]);
	}
}

static void end_soon(void)
{
	int fd = memfd_create("soon", 0);
	char *view = mmap(NULL, TARGET_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	_exit(fd >= 0 && view != MAP_FAILED ? 0 : 1);
}

static void start_and_end_many(struct job *job, void *unused)
{
	(void)unused;
	while (job->steps < SHORT) {
		pid_t pids[8];
		int status;

		for (int i = 0; i < 8; i++) {
			pids[i] = fork();
			if (pids[i] == 0)
				end_soon();
			job_must(job, pids[i] > 0);
		}
		for (int i = 0; i < 8; i++) {
			job_must(job, waitpid(pids[i], &status, 0) == pids[i]);
			job_must(job, status == 0);
			job->steps++;
		}
	}
}

static void processes_come_and_go(void **state)
{
	struct job *listers[LISTERS] = {NULL};

	(void)state;
	start_listers(listers, 4);
	assert_int_equal(job_run(start_and_end_many, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_true(job_goes_on(listers[i], 1));
	assert_int_equal(jobs_end(listers, 4), 0);
	assert_true(wait_for(mount_handles(&mount_here) == 0));
}

static void open_and_exec(void)
{
	for (int i = 0; i < 40; i++)
		if (open(path_of("%s/file", mount_here.path), O_RDWR | O_CREAT | O_CLOEXEC, 0644) < 0)
			_exit(1);
	execl("/bin/true", "true", NULL);
	_exit(1);
}

/*
 * In execve(2) a process closes files of the mount, and its memory cannot be inspected until the reply: an
 * inspection waits for a process that waits for the daemon.
 */
static void execute_many(struct job *job, void *context)
{
	_Atomic pid_t *executing = context;

	while (job->steps < EXECS) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			open_and_exec();
		job_must(job, pid > 0);
		*executing = pid;
		job_must(job, waitpid(pid, &status, 0) == pid);
		job_must(job, status == 0);
		job->steps++;
	}
}

static void look_at_one(struct job *job, void *context)
{
	const _Atomic pid_t *executing = context;

	while (!job->stop) {
		_cleanup_close_ int root =
			open(path_of("%s/process", mount_here.path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char number[16];

		job_must(job, root >= 0);
		snprintf(number, sizeof(number), "%d", (int)*executing);
		look_into_directory(job, root, number);
		job->steps++;
	}
}

static void programs_are_executed_meanwhile(void **state)
{
	_Atomic pid_t *executing =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const int n_listers = is_slow() ? LISTERS / PART : LISTERS;
	struct job *listers[LISTERS] = {NULL};
	struct job *executer;

	(void)state;
	assert_ptr_not_equal(executing, MAP_FAILED);
	for (int i = 0; i < n_listers; i++) {
		listers[i] = job_start(look_at_one, executing);
		assert_non_null(listers[i]);
	}
	executer = job_start(execute_many, executing);
	assert_non_null(executer);
	for (int i = 0; i < EXECS / 4; i++)
		assert_true(executer->steps >= EXECS || job_goes_on(executer, 1));
	assert_int_equal(jobs_end(&executer, 1), 0);
	assert_int_equal(jobs_end(listers, (unsigned int)n_listers), 0);
	check(munmap((void *)(uintptr_t)executing, 4096));
	assert_true(wait_for(mount_handles(&mount_here) == 0));
	check(unlink(path_of("%s/file", mount_here.path)));
}

static void the_worker_dies_meanwhile(void **state)
{
	struct job *listers[LISTERS] = {NULL};
	struct job *starter;

	(void)state;
	start_listers(listers, 3);
	starter = job_start(start_and_end_many, NULL);
	assert_non_null(starter);
	for (int i = 0; i < KILLS; i++) {
		worker_replace(&mount_here);
		for (int lister = 0; lister < 3; lister++)
			assert_true(job_goes_on(listers[lister], 1));
	}
	assert_int_equal(jobs_end(&starter, 1), 0);
	assert_int_equal(jobs_end(listers, 3), 0);
	assert_true(wait_for(mount_handles(&mount_here) == 0));
}

/* --- */

static int set_up(void **state)
{
	const struct mount_spec spec = {0};

	(void)state;
	return mount_start(&mount_here, &spec);
}

static int tear_down(void **state)
{
	(void)state;
	return mount_stop(&mount_here);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_open_stays),
		cmocka_unit_test(one_that_is_not_waited_for_is_gone),
		cmocka_unit_test(a_number_means_one_process),
		cmocka_unit_test(a_program_is_executed),
		cmocka_unit_test(a_child_shares),
		cmocka_unit_test(processes_come_and_go),
		cmocka_unit_test(programs_are_executed_meanwhile),
		cmocka_unit_test(the_worker_dies_meanwhile),
	};

	if (geteuid() != 0)
		skip_program("root");
	if (is_slow())
		print_message("TEST_WAIT is set: under load one process in %d is looked at, by one in %d\n",
			      PART, PART);
	return cmocka_run_group_tests_name("process life", tests, set_up, tear_down);
}
