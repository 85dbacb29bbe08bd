// SPDX-License-Identifier: MIT
/*
 * The policy `writers`: the limit of opens for writing, including views; and the attribute `attached`. In
 * direct, mediated and relayed mode.
 */
#include "tests/lib/job.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"
#include "tests/mount/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define RACE_ROUNDS 1500 /* rounds of a race for one place */
/* ... for several: if there are writers already, each open scans all processes */
#define RACE_ROUNDS_OF_MORE 150
#define CLOSE_ROUNDS        50

/* --- another process --- */

/* A process that holds a segment open, or a view of it, and waits. */
struct holder {
	pid_t pid;
	int control; /* 'c' = close the descriptor, 'u' = unmap the view, 'x' = exit */
	int error;   /* of its open, 0 = it is open */
};

__attribute__((noreturn)) static void hold(int control, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	int error = fd < 0 ? errno : 0;
	int protection = (flags & O_ACCMODE) == O_RDWR ? PROT_READ | PROT_WRITE : PROT_READ;
	void *view = MAP_FAILED;
	char command;

	if (fd >= 0 && (flags & O_ACCMODE) != O_WRONLY)
		view = mmap(NULL, PAGE, protection, MAP_SHARED, fd, 0);
	if (write(control, &error, sizeof(error)) != sizeof(error))
		_exit(1);
	while (read(control, &command, 1) == 1 && command != 'x') {
		if (command == 'c')
			close(fd);
		if (command == 'u')
			munmap(view, PAGE);
		if (write(control, &error, sizeof(error)) != sizeof(error))
			_exit(1);
	}
	_exit(0);
}

static struct holder hold_start(const char *path, int flags)
{
	struct holder holder = {0};
	int ends[2];

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	fflush(NULL);
	holder.pid = (pid_t)check(fork());
	if (holder.pid == 0) {
		close(ends[0]);
		hold(ends[1], path, flags);
	}
	close(ends[1]);
	holder.control = ends[0];
	assert_int_equal(read(holder.control, &holder.error, sizeof(holder.error)), sizeof(holder.error));
	return holder;
}

static void hold_command(const struct holder *holder, char command)
{
	int error;

	assert_int_equal(write(holder->control, &command, 1), 1);
	assert_int_equal(read(holder->control, &error, sizeof(error)), sizeof(error));
}

/* signal: 0 = it exits by itself. */
static void hold_end(struct holder *holder, int signal)
{
	int status = 0;

	if (signal)
		check(kill(holder->pid, signal));
	else
		assert_int_equal(write(holder->control, "x", 1), 1);
	check(waitpid(holder->pid, &status, 0));
	close(holder->control);
	assert_true(signal ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Opens as soon as a place is free. */
static int open_soon(const char *path, int flags)
{
	int fd = -1;

	assert_true(wait_for((fd = open(path, flags | O_CLOEXEC, 0600)) >= 0 || errno != EBUSY));
	return (int)check(fd);
}

static void send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec part = {.iov_base = (char[1]){'f'}, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	if (!header)
		fail();
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	assert_int_equal(check(sendmsg(socket, &message, 0)), 1);
}

/* --- writers --- */

static const int writing_flags[] = {O_WRONLY, O_RDWR, O_RDWR | O_APPEND, O_WRONLY | O_TRUNC,
				    O_RDWR | O_CREAT};

static void expect_no_place(const char *path)
{
	for (size_t i = 0; i < sizeof(writing_flags) / sizeof(writing_flags[0]); i++)
		check_error(EBUSY, open(path, writing_flags[i] | O_CLOEXEC, 0600));
}

static void one_writer(void **unused)
{
	char byte = 'w';
	int readers[3];
	int fd = make("file", PAGE);

	(void)unused;
	assert_int_equal(check(pwrite(fd, &byte, 1, 0)), 1);
	/* it is the only one already */
	check(fset(fd, "writers", "1"));
	expect_no_place(at_mount("file"));
	/* a refused O_TRUNC has no effect */
	assert_int_equal(size_of("file"), PAGE);
	for (size_t i = 0; i < 3; i++)
		readers[i] = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
	expect_no_place(at_mount("file"));
	/* operations that need no open for writing do not count */
	check(truncate(at_mount("file"), (off_t)PAGE * 2));
	check(chmod(at_mount("file"), 0600));
	close(fd);
	close_all_but(3);
	for (size_t i = 0; i < sizeof(writing_flags) / sizeof(writing_flags[0]); i++) {
		fd = open_soon(at_mount("file"), writing_flags[i]);
		expect_no_place(at_mount("file"));
		close(fd);
	}
	/* readers do not count */
	for (size_t i = 0; i < 3; i++)
		close(readers[i]);
	fd = open_soon(at_mount("file"), O_RDWR);
	check(close((int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC))));
	expect_no_place(at_mount("file"));
	check(fset(fd, "writers", "0"));
	check(close((int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC))));
	close(fd);
	check(unlink(at_mount("file")));
}

static void a_view_is_a_writer(void **unused)
{
	struct holder holder;
	void *view;
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "1"));
	/* of this process, by munmap */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	close(fd);
	expect_no_place(at_mount("file"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	munmap(view, PAGE);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	/* of another process, by munmap, exit and SIGKILL */
	for (int way = 0; way < 3; way++) {
		close_all_but(0);
		holder = hold_start(at_mount("file"), O_RDWR);
		assert_int_equal(holder.error, 0);
		hold_command(&holder, 'c');
		expect_no_place(at_mount("file"));
		if (way == 0) {
			hold_command(&holder, 'u');
			check(close(open_soon(at_mount("file"), O_RDWR)));
		}
		hold_end(&holder, way == 2 ? SIGKILL : 0);
		check(close(open_soon(at_mount("file"), O_RDWR)));
	}
	/* of a read-only open: a view that can't become writable does not count */
	holder = hold_start(at_mount("file"), O_RDONLY);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	hold_end(&holder, 0);
	check(unlink(at_mount("file")));
}

static void two_writers(void **unused)
{
	struct holder holders[2];
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "2"));
	holders[0] = hold_start(at_mount("file"), O_RDWR);
	holders[1] = hold_start(at_mount("file"), O_WRONLY);
	assert_int_equal(holders[0].error, 0);
	assert_int_equal(holders[1].error, 0);
	expect_no_place(at_mount("file"));
	/* a limit below the present number is refused */
	check_error(EBUSY, set(at_mount("file"), "writers", "1"));
	expect_field(at_mount("file"), "writers", "2");
	expect_no_place(at_mount("file"));
	check(set(at_mount("file"), "writers", "3"));
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	expect_no_place(at_mount("file"));
	check_error(EBUSY, set(at_mount("file"), "writers", "2"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	check_error(EBUSY, set(at_mount("file"), "writers", "2"));
	close(fd);
	assert_true(wait_for(set(at_mount("file"), "writers", "2") == 0 || errno != EBUSY));
	expect_no_place(at_mount("file"));
	hold_end(&holders[1], SIGKILL);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	hold_end(&holders[0], 0);
	check(unlink(at_mount("file")));
}

static void copies_of_one_open(void **unused)
{
	int sockets[2];
	char byte;
	int status;
	pid_t child;
	int fd;
	int copy;

	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "1"));
	/* dup: one writer until the last descriptor is closed */
	fd = (int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC));
	copy = (int)check(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	close(fd);
	expect_no_place(at_mount("file"));
	/* fork */
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		close(sockets[0]);
		_exit(read(sockets[1], &byte, 1) == 0 ? 0 : 1);
	}
	close(sockets[1]);
	close(copy);
	expect_no_place(at_mount("file"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	close(sockets[0]);
	check(waitpid(child, &status, 0));
	assert_int_equal(status, 0);
	/* in flight: no process has it */
	fd = open_soon(at_mount("file"), O_RDWR);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	send_fd(sockets[0], fd);
	close(fd);
	expect_no_place(at_mount("file"));
	worker_replace(&mount);
	expect_no_place(at_mount("file"));
	/* closing the socket closes descriptors that nobody received */
	close(sockets[0]);
	close(sockets[1]);
	check(close(open_soon(at_mount("file"), O_RDWR)));
	check(unlink(at_mount("file")));
}

static struct race {
	atomic_int inside;
	atomic_int most;
	atomic_ulong taken;
	char path[PATH_MAX];
} * race;

static void compete(struct job *job, void *context)
{
	(void)context;
	while (!atomic_load(&job->stop)) {
		int fd = open(race->path, O_RDWR | O_CLOEXEC);
		int inside;

		job_must(job, fd >= 0 || errno == EBUSY);
		if (fd < 0)
			continue;
		inside = atomic_fetch_add(&race->inside, 1) + 1;
		if (inside > atomic_load(&race->most))
			atomic_store(&race->most, inside);
		atomic_fetch_add(&race->taken, 1);
		atomic_fetch_add(&job->steps, 1);
		atomic_fetch_sub(&race->inside, 1);
		close(fd);
	}
}

static void a_race_for_the_last_place(void **unused)
{
	(void)unused;
	make_closed("file", PAGE);
	for (int writers = 1; writers <= 2; writers++) {
		struct job *jobs[3] = {NULL};
		const int n = writers + 1;
		bool went_on = true;

		race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(race, MAP_FAILED);
		snprintf(race->path, sizeof(race->path), "%s", at_mount("file"));
		close_all_but(0);
		check(set(at_mount("file"), "writers", path_of("%d", writers)));
		for (int i = 0; i < n; i++)
			jobs[i] = job_start(compete, NULL);
		went_on = wait_for(atomic_load(&race->taken) >=
				   (writers == 1 ? RACE_ROUNDS : RACE_ROUNDS_OF_MORE));
		/* each of them succeeds now and then */
		for (int i = 0; i < n; i++)
			went_on = went_on && wait_for(atomic_load(&jobs[i]->steps) > 0);
		for (int i = 0; i < n; i++)
			assert_int_equal(job_end(&jobs[i]), 0);
		assert_true(went_on);
		assert_in_range(atomic_load(&race->most), 1, writers);
		munmap(race, sizeof(*race));
	}
	check(unlink(at_mount("file")));
}

/* A death of the worker in the middle neither loses a writer nor counts one twice. */
static void a_race_and_dying_workers(void **unused)
{
	struct job *jobs[2];
	bool went_on = true;

	(void)unused;
	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(race, MAP_FAILED);
	snprintf(race->path, sizeof(race->path), "%s", at_mount("file"));
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "1"));
	for (int i = 0; i < 2; i++)
		jobs[i] = job_start(compete, NULL);
	for (int i = 0; i < 10 && went_on; i++) {
		unsigned long taken = atomic_load(&race->taken);

		went_on = wait_for(atomic_load(&race->taken) >= taken + 20);
		worker_replace(&mount);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	assert_true(went_on);
	assert_int_equal(atomic_load(&race->most), 1);
	munmap(race, sizeof(*race));
	check(close(open_soon(at_mount("file"), O_RDWR)));
	check(unlink(at_mount("file")));
}

/* --- attached --- */

static bool is_attached(const char *path, const char *expected)
{
	char value[64] = "";

	check(getxattr(path, OWN "attached", value, sizeof(value) - 1));
	return strcmp(value, expected) == 0;
}

static void attached(void **unused)
{
	struct holder holders[2];
	int copy;
	int fd;

	(void)unused;
	make_closed("file", PAGE);
	assert_true(is_attached(at_mount("file"), "0"));
	holders[0] = hold_start(at_mount("file"), O_RDWR);
	assert_true(is_attached(at_mount("file"), "1"));
	holders[1] = hold_start(at_mount("file"), O_RDONLY);
	assert_true(is_attached(at_mount("file"), "2"));
	fd = (int)check(open(at_mount("file"), O_RDONLY | O_CLOEXEC));
	copy = (int)check(dup(fd));
	assert_true(is_attached(at_mount("file"), "3"));
	/* neither O_PATH nor a stat counts */
	close((int)check(open(at_mount("file"), O_PATH | O_CLOEXEC)));
	check(truncate(at_mount("file"), PAGE));
	assert_true(is_attached(at_mount("file"), "3"));
	worker_replace(&mount);
	assert_true(is_attached(at_mount("file"), "3"));
	close(fd);
	assert_true(is_attached(at_mount("file"), "3"));
	close(copy);
	assert_true(wait_for(is_attached(at_mount("file"), "2")));
	hold_end(&holders[0], 0);
	assert_true(wait_for(is_attached(at_mount("file"), "1")));
	hold_end(&holders[1], SIGKILL);
	assert_true(wait_for(is_attached(at_mount("file"), "0")));
	check(unlink(at_mount("file")));
}

static void a_view_is_attached(void **unused)
{
	struct holder holders[2];

	(void)unused;
	make_closed("file", PAGE);
	holders[0] = hold_start(at_mount("file"), O_RDWR);
	holders[1] = hold_start(at_mount("file"), O_RDONLY);
	hold_command(&holders[0], 'c');
	hold_command(&holders[1], 'c');
	assert_true(is_attached(at_mount("file"), "2"));
	worker_replace(&mount);
	assert_true(is_attached(at_mount("file"), "2"));
	hold_command(&holders[1], 'u');
	assert_true(wait_for(is_attached(at_mount("file"), "1")));
	hold_end(&holders[0], SIGKILL);
	assert_true(wait_for(is_attached(at_mount("file"), "0")));
	hold_end(&holders[1], 0);
	check(unlink(at_mount("file")));
}

/* A place is free when close(2) or munmap(2) has returned, whether or not the kernel asks about a close. */
static void free_when_close_returns(void **unused)
{
	(void)unused;
	make_closed("file", PAGE);
	check(set(at_mount("file"), "writers", "1"));
	for (int i = 0; i < CLOSE_ROUNDS; i++) {
		struct holder holder;

		for (int own = 0; own < 10; own++)
			check(close((int)check(open(at_mount("file"), O_RDWR | O_CLOEXEC))));
		holder = hold_start(at_mount("file"), O_RDWR);
		assert_int_equal(holder.error, 0);
		hold_command(&holder, i % 2 ? 'c' : 'u');
		check_error(EBUSY, open(at_mount("file"), O_WRONLY | O_CLOEXEC));
		hold_command(&holder, i % 2 ? 'u' : 'c');
		check(close((int)check(open(at_mount("file"), O_WRONLY | O_CLOEXEC))));
		if (i % 10 == 0)
			assert_true(is_attached(at_mount("file"), "0"));
		hold_end(&holder, 0);
	}
	check(unlink(at_mount("file")));
}

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest cases[] = {CASE(one_writer),
						  CASE(two_writers),
						  CASE(copies_of_one_open),
						  CASE(a_race_for_the_last_place),
						  CASE(a_race_and_dying_workers),
						  CASE(attached),
						  CASE(a_view_is_a_writer),
						  CASE(a_view_is_attached),
						  CASE(free_when_close_returns)};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_each_mode(cases, sizeof(cases) / sizeof(cases[0]), start, stop) +
	       run_in_mode("usual-mand", cases, sizeof(cases) / sizeof(cases[0]), start, stop);
}
