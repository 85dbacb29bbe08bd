// SPDX-License-Identifier: MIT
/*
 * Results of fcntl(2) and flock(2): each case holds on a tmpfs, on a mount that leaves locks to the kernel,
 * and on one that keeps them, in each I/O mode.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/locker.h"
#include "tests/lib/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE 4096
#define END  INT64_MAX

static struct mount mount;
static bool on_tmpfs; /* the cases are run on the store itself */
static bool is_relayed;
static int fd; /* the test's own */
static const char *file;

static const char *at(const char *name)
{
	return path_of("%s/%s", on_tmpfs ? mount.store : mount.path, name);
}

static int set(int command, int type, int whence, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = (short)type, .l_whence = (short)whence, .l_start = start, .l_len = length};

	return fcntl(fd, command, &lock);
}

/* The conflict reported to a process without locks for an exclusive lock from `from` on. */
static void expect_next(off_t from, int type, off_t start, off_t length, pid_t pid)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from};

	check(fcntl(fd, F_GETLK, &lock));
	assert_int_equal(lock.l_type, type);
	if (type == F_UNLCK)
		return;
	assert_int_equal(lock.l_start, start);
	assert_int_equal(lock.l_len, length);
	assert_int_equal(lock.l_pid, pid);
}

static void expect_free(void)
{
	expect_next(0, F_UNLCK, 0, 0, 0);
	check(flock(fd, LOCK_EX | LOCK_NB));
	check(flock(fd, LOCK_UN));
}

/* --- ranges --- */

static void split_and_merge(void **unused)
{
	pid_t pid = locker_pid(0);

	(void)unused;
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 100), 0);
	expect_next(0, F_WRLCK, 0, 100, pid);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 40, 20), 0);
	expect_next(0, F_WRLCK, 0, 40, pid);
	expect_next(40, F_WRLCK, 60, 40, pid);
	/* others may lock the hole, and no more */
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 40, 20), 0);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 39, 1), -EAGAIN);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 60, 1), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 100), -EAGAIN);
	expect_next(0, F_WRLCK, 0, 40, pid);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 40, 20), 0);
	expect_next(0, F_WRLCK, 0, 100, pid);
	/* adjacent locks merge, locks of different types do not */
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 100, 0), 0);
	expect_next(0, F_WRLCK, 0, 0, pid);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 1000, 1), 0);
	expect_next(0, F_WRLCK, 0, 1000, pid);
	expect_next(1000, F_WRLCK, 1001, 0, pid);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 0, 0), 0);
	expect_free();
}

static void upgrade_and_downgrade(void **unused)
{
	pid_t pid = locker_pid(0);

	(void)unused;
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 100), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_RDLCK, 20, 10), 0);
	expect_next(0, F_WRLCK, 0, 20, pid);
	expect_next(20, F_RDLCK, 20, 10, pid);
	expect_next(30, F_WRLCK, 30, 70, pid);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_RDLCK, 20, 10), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 29, 1), -EAGAIN);
	expect_next(30, F_WRLCK, 30, 70, pid);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_UNLCK, 29, 1), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 29, 1), 0);
	expect_next(29, F_WRLCK, 29, 71, pid);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLKW, F_WRLCK, 10, 30), 0);
	expect_next(0, F_WRLCK, 0, 100, pid);
	/* an upgrade waits for the other readers, and keeps its lock until then */
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_RDLCK, 0, 100), 0);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_RDLCK, 50, 1), 0);
	locker_begin_lock(0, 0, F_SETLKW, F_WRLCK, 0, 100);
	assert_true(locker_waits(0));
	assert_int_equal(locker_lock(2, 0, F_SETLK, F_WRLCK, 0, 1), -EAGAIN);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_UNLCK, 50, 1), 0);
	assert_int_equal(locker_result(0), 0);
	expect_next(0, F_WRLCK, 0, 100, pid);
	/* a downgrade unblocks waiting readers */
	locker_begin_lock(1, 0, F_SETLKW, F_RDLCK, 99, 10);
	assert_true(locker_waits(1));
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_RDLCK, 0, 100), 0);
	assert_int_equal(locker_result(1), 0);
	expect_next(100, F_RDLCK, 99, 10, locker_pid(1));
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 0, 0), 0);
	expect_free();
}

/* A whole-file lock is converted by dropping it first. */
static void flock_conversions(void **unused)
{
	(void)unused;
	assert_int_equal(locker_flock(0, 0, LOCK_SH), 0);
	assert_int_equal(locker_flock(1, 0, LOCK_SH), 0);
	assert_int_equal(locker_flock(0, 0, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	/* and has lost it */
	assert_int_equal(locker_flock(1, 0, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(locker_flock(0, 0, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
	locker_begin_flock(0, 0, LOCK_SH);
	assert_true(locker_waits(0));
	assert_int_equal(locker_flock(1, 0, LOCK_SH), 0);
	assert_int_equal(locker_result(0), 0);
	assert_int_equal(locker_flock(0, 0, LOCK_UN), 0);
	assert_int_equal(locker_flock(1, 0, LOCK_UN), 0);
	expect_free();
}

/* The two kinds are independent of each other. */
static void kinds_are_apart(void **unused)
{
	(void)unused;
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 0), 0);
	assert_int_equal(locker_flock(1, 0, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(locker_lock(1, 0, F_OFD_SETLK, F_RDLCK, 0, 1), -EAGAIN);
	/* a process conflicts with its own description */
	assert_int_equal(locker_lock(0, 0, F_OFD_SETLK, F_RDLCK, 0, 1), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 0, 0), 0);
	assert_int_equal(locker_flock(1, 0, LOCK_UN), 0);
	expect_free();
}

static void bad_ranges(void **unused)
{
	struct flock lock = {.l_type = F_WRLCK, .l_pid = 1};
	static const int commands[] = {F_SETLK, F_SETLKW, F_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK};

	(void)unused;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int command = commands[i];

		check_error(EINVAL, set(command, F_WRLCK, 9, 0, 1));
		check_error(EINVAL, set(command, 9, SEEK_SET, 0, 1));
		check_error(EINVAL, set(command, F_WRLCK, SEEK_SET, -1, 1));
		check_error(EINVAL, set(command, F_WRLCK, SEEK_SET, 5, -6));
		check_error(EINVAL, set(command, F_WRLCK, SEEK_END, -SIZE - 1, 1));
		check_error(EOVERFLOW, set(command, F_WRLCK, SEEK_SET, END, 2));
		check_error(EOVERFLOW, set(command, F_WRLCK, SEEK_SET, 2, END));
		check_error(EOVERFLOW, set(command, F_WRLCK, SEEK_END, END - SIZE + 1, 1));
	}
	/* the largest ranges without overflow */
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		check(set(commands[i], F_WRLCK, SEEK_SET, END, 1));
		check(set(commands[i], F_WRLCK, SEEK_SET, 5, -5));
		check(set(commands[i], F_WRLCK, SEEK_SET, 1, END));
		check(set(commands[i], F_WRLCK, SEEK_END, -SIZE, END));
		if (commands[i] != F_GETLK && commands[i] != F_OFD_GETLK)
			check(set(commands[i], F_UNLCK, SEEK_SET, 0, 0));
	}
	check_error(EINVAL, set(F_GETLK, F_UNLCK, SEEK_SET, 0, 0));
	check_error(EINVAL, fcntl(fd, F_OFD_SETLK, &lock));
	check_error(EINVAL, fcntl(fd, F_OFD_GETLK, &lock));
	check_error(EINVAL, flock(fd, 0));
	check_error(EINVAL, flock(fd, LOCK_SH | LOCK_EX));
	check_error(EINVAL, flock(fd, LOCK_NB));
	expect_free();
}

static void positions(void **unused)
{
	pid_t pid = getpid();
	_cleanup_close_ int other = fd;

	(void)unused;
	fd = (int)check(open(file, O_RDWR | O_CLOEXEC));
	check(lseek(fd, 1000, SEEK_SET));
	check(set(F_SETLK, F_WRLCK, SEEK_CUR, 10, 5));
	check(set(F_SETLK, F_WRLCK, SEEK_CUR, -10, -5));
	check(set(F_SETLK, F_WRLCK, SEEK_END, 10, 5));
	check(ftruncate(fd, 100));
	check(set(F_SETLK, F_RDLCK, SEEK_END, -10, 10));
	check(ftruncate(fd, SIZE));
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 90), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_RDLCK, 90, 10), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 90, 1), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 99, 1), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 100, 885), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 985, 1), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 989, 1), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 990, 20), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 1010, 5), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, SIZE, 10), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, SIZE + 10, 1), -EAGAIN);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, SIZE + 15, 0), 0);
	assert_int_equal(pid, getpid());
	close(take_fd(&fd));
	fd = take_fd(&other);
	locker_close(0, 0);
	expect_free();
}

static void modes_of_opens(void **unused)
{
	_cleanup_close_ int reader = (int)check(open(file, O_RDONLY | O_CLOEXEC));
	_cleanup_close_ int writer = (int)check(open(file, O_WRONLY | O_CLOEXEC));
	_cleanup_close_ int path = (int)check(open(file, O_PATH | O_CLOEXEC));
	struct flock shared = {.l_type = F_RDLCK};
	struct flock exclusive = {.l_type = F_WRLCK};
	static const int commands[] = {F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW};

	(void)unused;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		check_error(EBADF, fcntl(reader, commands[i], &exclusive));
		check_error(EBADF, fcntl(writer, commands[i], &shared));
		check_error(EBADF, fcntl(path, commands[i], &shared));
		check_error(EBADF, fcntl(-1, commands[i], &shared));
	}
	/* every descriptor may test and unlock */
	check(fcntl(reader, F_GETLK, &exclusive));
	assert_int_equal(exclusive.l_type, F_UNLCK);
	check(fcntl(writer, F_GETLK, &shared));
	assert_int_equal(shared.l_type, F_UNLCK);
	check(fcntl(reader, F_SETLK, &exclusive));
	check(fcntl(writer, F_SETLK, &shared));
	/* and use flock(2) */
	check(flock(reader, LOCK_EX | LOCK_NB));
	check_error(EWOULDBLOCK, flock(writer, LOCK_SH | LOCK_NB));
	check(flock(reader, LOCK_UN));
	check(flock(writer, LOCK_SH | LOCK_NB));
	check_error(EBADF, flock(path, LOCK_SH));
}

/* --- who has them --- */

static void forked(void **unused)
{
	const struct locker_command fork_it = {.action = LOCKER_FORK, .argument = 5};

	(void)unused;
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(locker_lock(0, 0, F_OFD_SETLK, F_WRLCK, 20, 10), 0);
	assert_int_equal(locker_flock(0, 0, LOCK_EX), 0);
	assert_true(locker_call(0, &fork_it).result > 0);
	/* process locks are not inherited, description locks are shared */
	assert_int_equal(locker_lock(5, 0, F_SETLK, F_WRLCK, 0, 1), -EAGAIN);
	assert_int_equal(locker_lock(5, 0, F_SETLK, F_UNLCK, 0, 10), 0);
	expect_next(0, F_WRLCK, 0, 10, locker_pid(0));
	assert_int_equal(locker_lock(5, 0, F_OFD_SETLK, F_RDLCK, 20, 10), 0);
	assert_int_equal(locker_lock(5, 0, F_OFD_SETLK, F_WRLCK, 20, 10), 0);
	assert_int_equal(locker_flock(5, 0, LOCK_EX | LOCK_NB), 0);
	locker_close(5, 0);
	expect_next(0, F_WRLCK, 0, 10, locker_pid(0));
	check_error(EWOULDBLOCK, flock(fd, LOCK_SH | LOCK_NB));
	locker_exit(5);
	expect_next(0, F_WRLCK, 0, 10, locker_pid(0));
	/* the description outlives the process that set its locks */
	assert_true(locker_call(0, &fork_it).result > 0);
	locker_kill(0);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 0, 20), 0);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 29, 1), -EAGAIN);
	check_error(EWOULDBLOCK, flock(fd, LOCK_SH | LOCK_NB));
	locker_kill(5);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 29, 1), 0);
	locker_close(1, 0);
	expect_free();
}

static void closed(void **unused)
{
	const struct locker_command duplicate = {.action = LOCKER_DUP, .argument = 2};

	(void)unused;
	/* a process loses its locks when any descriptor of the file is closed */
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 10), 0);
	locker_open(0, 1, file, O_RDONLY);
	locker_close(0, 1);
	expect_free();
	/* a description with its last descriptor */
	assert_int_equal(locker_lock(0, 0, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(locker_flock(0, 0, LOCK_EX), 0);
	assert_true(locker_call(0, &duplicate).result >= 0);
	locker_close(0, 0);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 9, 1), -EAGAIN);
	assert_int_equal(locker_flock(1, 0, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	locker_close(0, 2);
	assert_int_equal(locker_lock(1, 0, F_SETLK, F_WRLCK, 9, 1), 0);
	assert_int_equal(locker_flock(1, 0, LOCK_EX | LOCK_NB), 0);
	locker_close(1, 0);
	expect_free();
}

/* dup2(2) closes as well. */
static void closed_by_dup2(void **unused)
{
	_cleanup_close_ int over = (int)check(open(file, O_RDONLY | O_CLOEXEC));

	(void)unused;
	check(set(F_SETLK, F_WRLCK, SEEK_SET, 0, 10));
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 10), -EAGAIN);
	assert_int_equal(check(dup2(STDERR_FILENO, over)), over);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 0, 0), 0);
	expect_free();
}

struct executed {
	const char *file;
	int input;  /* the program runs until its end */
	bool loses; /* exec closes a descriptor of the file */
};

/* Executes another program while holding locks of all kinds. */
static void become_cat(struct job *job, void *context)
{
	const struct executed *executed = context;
	struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
	/* otherwise exec closes it and drops the lock */
	int closed_before = close(fd);
	int kept = open(executed->file, O_RDWR); /* NOLINT(android-cloexec-open) */
	int lost = executed->loses ? open(executed->file, O_RDWR | O_CLOEXEC) : -1;

	job_must(job, closed_before == 0 && kept >= 0 && (lost >= 0 || !executed->loses));
	job_must(job, fcntl(kept, F_SETLK, &lock) == 0);
	job_must(job, flock(kept, LOCK_EX | LOCK_NB) == 0);
	job_must(job, dup2(executed->input, STDIN_FILENO) == STDIN_FILENO);
	execlp("cat", "cat", NULL);
	job_must(job, false);
}

static bool is_program(pid_t pid, const char *name)
{
	char text[64];

	return read_text(path_of("/proc/%d/comm", pid), text, sizeof(text)) > 0 &&
	       strncmp(text, name, strlen(name)) == 0;
}

static void run_cat(bool loses)
{
	struct executed executed = {.file = file, .loses = loses};
	int ends[2];
	struct job *job;
	pid_t pid;

	check(pipe2(ends, O_CLOEXEC));
	executed.input = ends[0];
	job = job_start(become_cat, &executed);
	assert_non_null(job);
	pid = job->pid;
	close(ends[0]);
	assert_true(wait_for(is_program(pid, "cat") || atomic_load(&job->failed)));
	/* its loader has closed all files once it reads */
	assert_true(wait_for(job_is_in_call(job, SYS_read)));
	if (loses)
		expect_next(0, F_UNLCK, 0, 0, 0);
	else
		expect_next(0, F_WRLCK, 0, 10, pid);
	check_error(EWOULDBLOCK, flock(fd, LOCK_SH | LOCK_NB));
	close(ends[1]);
	assert_int_equal(job_end(&job), 0);
	expect_free();
}

static void executed(void **unused)
{
	(void)unused;
	run_cat(false);
	run_cat(true);
}

/* Locks do not depend on names of the file. */
static void names(void **unused)
{
	_cleanup_close_ int other = -1;

	(void)unused;
	check(link(file, at("second")));
	locker_open(1, 1, at("second"), O_RDWR);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(locker_flock(0, 0, LOCK_EX), 0);
	assert_int_equal(locker_lock(1, 1, F_SETLK, F_WRLCK, 0, 10), -EAGAIN);
	assert_int_equal(locker_flock(1, 1, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	check(rename(at("second"), at("third")));
	check(unlink(file));
	assert_int_equal(locker_lock(1, 1, F_SETLK, F_WRLCK, 0, 10), -EAGAIN);
	/* another file of that name has its own locks */
	other = (int)check(open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	check(flock(other, LOCK_EX | LOCK_NB));
	check(unlink(at("third")));
	/* and a file without a name keeps its locks */
	assert_int_equal(locker_lock(1, 1, F_SETLK, F_WRLCK, 0, 10), -EAGAIN);
	assert_int_equal(locker_flock(1, 1, LOCK_EX | LOCK_NB), -EWOULDBLOCK);
	locker_kill(0);
	assert_int_equal(locker_lock(1, 1, F_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(locker_flock(1, 1, LOCK_EX | LOCK_NB), 0);
}

/*
 * A view pins the description and its locks. Except for a view of the backing file: in direct mode it pins
 * the backing file's description only.
 */
static void views_and_flock(void **unused)
{
	int first = (int)check(open(file, O_RDWR | O_CLOEXEC));
	void *view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, first, 0);

	(void)unused;
	assert_ptr_not_equal(view, MAP_FAILED);
	check(flock(first, LOCK_EX));
	check(close(first));
	if (on_tmpfs || is_relayed)
		check_error(EWOULDBLOCK, flock(fd, LOCK_EX | LOCK_NB));
	else
		expect_free();
	check(munmap(view, SIZE));
	expect_free();
}

static void passed_on(void **unused)
{
	int first = (int)check(open(file, O_RDWR | O_CLOEXEC));
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 'x';
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int pair[2];

	(void)unused;
	check(flock(first, LOCK_EX));
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	control.header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), &first, sizeof(first));
	check(sendmsg(pair[0], &message, 0));
	check(close(first));
	/* in flight it is held */
	check_error(EWOULDBLOCK, flock(fd, LOCK_EX | LOCK_NB));
	assert_int_equal(check(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC)), 1);
	memcpy(&first, CMSG_DATA(&control.header), sizeof(first));
	check_error(EWOULDBLOCK, flock(fd, LOCK_EX | LOCK_NB));
	check(close(first));
	check(close(pair[0]));
	check(close(pair[1]));
	expect_free();
}

/* --- threads --- */

struct threads {
	int fd;
	atomic_int result; /* of the thread's call, -1 = it has none yet */
	atomic_int tid;
};

static void *wait_in_thread(void *context)
{
	struct threads *threads = context;
	struct flock lock = {.l_type = F_WRLCK, .l_len = 10};

	atomic_store(&threads->tid, (int)gettid());
	atomic_store(&threads->result, fcntl(threads->fd, F_SETLKW, &lock) == 0 ? 0 : errno);
	return NULL;
}

static bool thread_waits(struct threads *threads)
{
	char text[256];

	return atomic_load(&threads->tid) &&
	       read_text(path_of("/proc/self/task/%d/syscall", atomic_load(&threads->tid)), text,
			 sizeof(text)) > 0 &&
	       strtol(text, NULL, 10) == SYS_fcntl;
}

/* One thread waits; other threads of the process go on, and their locks are also its own. */
static void threads_share(void **unused)
{
	struct threads threads = {.fd = fd, .result = -1};
	pthread_t thread;

	(void)unused;
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 5), 0);
	check(set(F_SETLK, F_WRLCK, SEEK_SET, 5, 5));
	assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, &threads), 0);
	assert_true(wait_for(thread_waits(&threads)));
	check(set(F_SETLK, F_RDLCK, SEEK_SET, 5, 5));
	check(set(F_SETLK, F_WRLCK, SEEK_SET, 20, 5));
	assert_int_equal(atomic_load(&threads.result), -1);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 0, 5), 0);
	assert_true(wait_for(atomic_load(&threads.result) == 0));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_RDLCK, 7, 1), -EAGAIN);
	check(set(F_SETLK, F_UNLCK, SEEK_SET, 0, 0));
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 100), 0);
	locker_close(0, 0);
	expect_free();
}

/* The descriptor is closed while a thread waits through it: it gets EBADF, and no lock stays. */
static void closed_while_waiting(void **unused)
{
	struct threads threads = {.result = -1};
	pthread_t thread;

	(void)unused;
	threads.fd = (int)check(open(file, O_RDWR | O_CLOEXEC));
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 5), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, &threads), 0);
	assert_true(wait_for(thread_waits(&threads)));
	check(close(threads.fd));
	assert_int_equal(atomic_load(&threads.result), -1);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_UNLCK, 0, 5), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(atomic_load(&threads.result), EBADF);
	assert_int_equal(locker_lock(0, 0, F_SETLK, F_WRLCK, 0, 100), 0);
	locker_close(0, 0);
	expect_free();
}

/* --- waiting --- */

enum way {
	BY_PROCESS,
	BY_DESCRIPTION,
	BY_FLOCK,
	WAYS,
};

static void begin_waiting(int locker, enum way way)
{
	if (way == BY_FLOCK)
		locker_begin_flock(locker, 0, LOCK_EX);
	else
		locker_begin_lock(locker, 0, way == BY_PROCESS ? F_SETLKW : F_OFD_SETLKW, F_WRLCK, 0, 10);
	assert_true(locker_waits(locker));
}

static int take(int locker, enum way way)
{
	if (way == BY_FLOCK)
		return locker_flock(locker, 0, LOCK_EX | LOCK_NB);
	return locker_lock(locker, 0, way == BY_PROCESS ? F_SETLK : F_OFD_SETLK, F_WRLCK, 5, 10);
}

static void give_up(int locker, enum way way)
{
	if (way == BY_FLOCK)
		assert_int_equal(locker_flock(locker, 0, LOCK_UN), 0);
	else
		assert_int_equal(
			locker_lock(locker, 0, way == BY_PROCESS ? F_SETLK : F_OFD_SETLK, F_UNLCK, 0, 0), 0);
}

/* The thread sanitizer calls handlers when a call returns, which one that waits for a lock does not. */
static void need_signals_in_calls(void)
{
	if (THREAD_SANITIZED)
		skip_missing("handlers that are called within system calls");
}

static void interrupted(void **unused)
{
	(void)unused;
	need_signals_in_calls();
	for (enum way way = 0; way < WAYS; way++) {
		struct locker_answer answer;

		assert_int_equal(take(0, way), 0);
		begin_waiting(1, way);
		begin_waiting(2, way);
		locker_signal(1, LOCKER_INTERRUPT);
		answer = locker_end(1);
		assert_int_equal(answer.result, -EINTR);
		assert_int_equal(answer.caught, (int)way + 1);
		assert_false(locker_has_answer(2));
		/* it holds nothing, and waits for nothing */
		give_up(0, way);
		assert_int_equal(locker_result(2), 0);
		give_up(2, way);
		assert_int_equal(take(0, way), 0);
		give_up(0, way);
		expect_free();
	}
}

static void restarted(void **unused)
{
	(void)unused;
	need_signals_in_calls();
	for (enum way way = 0; way < WAYS; way++) {
		struct locker_answer answer;

		assert_int_equal(take(0, way), 0);
		begin_waiting(1, way);
		for (int i = 0; i < 3; i++) {
			locker_signal(1, LOCKER_RESTART);
			assert_true(locker_waits(1));
		}
		give_up(0, way);
		answer = locker_end(1);
		assert_int_equal(answer.result, 0);
		assert_in_range(answer.caught, 1, 9);
		assert_int_equal(take(0, way), -EAGAIN);
		give_up(1, way);
		expect_free();
	}
}

/* A stop that ends is no reason to return. */
static void stopped(void **unused)
{
	(void)unused;
	for (enum way way = 0; way < WAYS; way++) {
		assert_int_equal(take(0, way), 0);
		begin_waiting(1, way);
		check(kill(locker_pid(1), SIGSTOP));
		assert_true(wait_for(is_stopped(locker_pid(1))));
		check(kill(locker_pid(1), SIGCONT));
		assert_true(locker_waits(1));
		give_up(0, way);
		assert_int_equal(locker_result(1), 0);
		give_up(1, way);
		expect_free();
	}
}

static void waiters_killed(void **unused)
{
	(void)unused;
	for (enum way way = 0; way < WAYS; way++) {
		assert_int_equal(take(0, way), 0);
		locker_start(5);
		locker_open(5, 0, file, O_RDWR);
		begin_waiting(5, way);
		begin_waiting(2, way);
		locker_kill(5);
		assert_false(locker_has_answer(2));
		give_up(0, way);
		assert_int_equal(locker_result(2), 0);
		give_up(2, way);
		expect_free();
	}
}

static void owners_killed(void **unused)
{
	(void)unused;
	for (enum way way = 0; way < WAYS; way++) {
		locker_start(5);
		locker_open(5, 0, file, O_RDWR);
		assert_int_equal(take(5, way), 0);
		begin_waiting(1, way);
		locker_kill(5);
		assert_int_equal(locker_result(1), 0);
		/* it exits, while another waits for a lock of the same kind */
		begin_waiting(2, way);
		give_up(1, way);
		assert_int_equal(locker_result(2), 0);
		give_up(2, way);
		locker_start(5);
		locker_open(5, 0, file, O_RDWR);
		assert_int_equal(take(5, way), 0);
		begin_waiting(1, way);
		locker_exit(5);
		assert_int_equal(locker_result(1), 0);
		give_up(1, way);
		expect_free();
	}
}

/* Closing grants locks to waiters. */
static void owners_close(void **unused)
{
	(void)unused;
	for (enum way way = 0; way < WAYS; way++) {
		locker_open(0, 1, file, O_RDWR);
		if (way == BY_FLOCK)
			assert_int_equal(locker_flock(0, 1, LOCK_EX), 0);
		else
			assert_int_equal(
				locker_lock(0, 1, way == BY_PROCESS ? F_SETLK : F_OFD_SETLK, F_WRLCK, 0, 1),
				0);
		begin_waiting(1, way);
		locker_close(0, 1);
		assert_int_equal(locker_result(1), 0);
		give_up(1, way);
		expect_free();
	}
}

/* --- groups --- */

static int start(const char *mode)
{
	struct mount_spec spec = {.tag = mode};

	on_tmpfs = strcmp(mode, "tmpfs") == 0;
	is_relayed = strncmp(mode, "relayed", strlen("relayed")) == 0;
	if (!on_tmpfs)
		spec.options = mode_options(mode);
	return mount_start(&mount, &spec);
}

static int begin_case(void **unused)
{
	static char path[PATH_MAX];

	(void)unused;
	snprintf(path, sizeof(path), "%s", at("file"));
	file = path;
	fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, SIZE) < 0)
		return -1;
	lockers_start(3);
	for (int i = 0; i < 3; i++)
		locker_open(i, 0, file, O_RDWR);
	return 0;
}

static int end_case(void **unused)
{
	(void)unused;
	lockers_end();
	close(fd);
	unlink(file);
	return mount_verify(&mount, 0);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, begin_case, end_case)

int main(void)
{
	static const char *const modes[] = {"tmpfs",        "direct-mand", "mediated-mand",
					    "relayed-mand", "direct",      "relayed"};
	static const struct CMUnitTest cases[] = {
		CASE(split_and_merge),
		CASE(upgrade_and_downgrade),
		CASE(flock_conversions),
		CASE(kinds_are_apart),
		CASE(bad_ranges),
		CASE(positions),
		CASE(modes_of_opens),
		CASE(forked),
		CASE(closed),
		CASE(closed_by_dup2),
		CASE(executed),
		CASE(names),
		CASE(views_and_flock),
		CASE(passed_on),
		CASE(threads_share),
		CASE(closed_while_waiting),
		CASE(interrupted),
		CASE(restarted),
		CASE(stopped),
		CASE(waiters_killed),
		CASE(owners_killed),
		CASE(owners_close),
	};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		failed += run_in_mode(modes[i], cases, sizeof(cases) / sizeof(cases[0]), start, stop);
	return failed;
}
