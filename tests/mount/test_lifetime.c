// SPDX-License-Identifier: MIT
/*
 * Segments whose life is limited: until their last close, until their owner ends, until nobody has had them open for some time.
 * In direct, mediated and relayed mode, in memory and on disk, with workers that die and a segfs that is started again.
 *
 * The kernel may remember names for an hour here: that one is gone is seen only because the kernel is told.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIFETIME "user.segfs.lifetime"
#define PAGE 4096
#define LOOKS 40 /* milliseconds for which what is to stay is looked at */
#define TTL 200   /* milliseconds, of a short life */

static struct mount mounted;
static struct mount_spec spec;
static char config[2 * PATH_MAX];
static char options[128];
static const char *place; /* where a case makes its files: "" in memory, "disk/" on disk */

static const char *at_mount(const char *name)
{
	return path_of("%s/%s%s", mounted.path, place, name);
}

static const char *at_store(const char *name)
{
	return path_of("%s/%s%s", mounted.store, place, name);
}

static int set(const char *name, const char *value)
{
	return setxattr(at_mount(name), LIFETIME, value, strlen(value), 0);
}

static void expect_lifetime(const char *name, const char *expected)
{
	char value[64] = "";

	check(getxattr(at_mount(name), LIFETIME, value, sizeof(value) - 1));
	assert_string_equal(value, expected);
}

static int make(const char *name)
{
	int fd = (int)check(open(at_mount(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));

	assert_int_equal(check(pwrite(fd, "content", 7, 0)), 7);
	return fd;
}

/* Its RELEASE has come. */
static void close_to(int fd, int handles)
{
	check(close(fd));
	assert_true(wait_for(mount_handles(&mounted) <= handles));
}

static void make_closed(const char *name)
{
	close_to(make(name), 0);
}

static int open_file(const char *name)
{
	return (int)check(open(at_mount(name), O_RDWR | O_CLOEXEC));
}

/* In the mount, as well as in the store. */
static bool is_gone(const char *name)
{
	struct stat stat_;

	return lstat(at_mount(name), &stat_) < 0 && errno == ENOENT && lstat(at_store(name), &stat_) < 0 && errno == ENOENT;
}

static bool stays_for(const char *name, unsigned int milliseconds)
{
	struct stat stat_;

	for (unsigned int i = 0; i < milliseconds; i++) {
		const struct deadline now = deadline_in(1);

		if (lstat(at_store(name), &stat_) < 0)
			return false;
		deadline_wait(&now);
	}
	return lstat(at_mount(name), &stat_) == 0;
}

#define assert_gone(name) assert_true(wait_for(is_gone(name)))
#define assert_stays(name) assert_true(stays_for(name, LOOKS))

/* Nobody has anything open. */
static void start_again(void)
{
	assert_int_equal(mount_stop_keep(&mounted), 0);
	assert_int_equal(mount_start(&mounted, &spec), 0);
}

static long long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* As by an outage, but that the machine goes on. */
static void kill_both(void)
{
	pid_t worker = worker_pid(&mounted);

	check(kill(mounted.supervisor, SIGSTOP));
	worker_kill(&mounted, worker);
	check(kill(mounted.supervisor, SIGKILL));
	check(waitpid(mounted.supervisor, NULL, 0));
	check(umount2(mounted.path, MNT_DETACH));
}

static void start_after_outage(void)
{
	assert_int_equal(mount_start(&mounted, &spec), 0);
}

static void perhaps_replace_worker(bool really)
{
	if (really)
		worker_replace(&mounted);
}

/* After a case nothing is left of what it opened, nor, where it has failed, of what it made. */
static int verify(void **unused)
{
	/* what is the machine's own is not the test's to remove */
	const char *const argv[] = {"find",   at_mount("."), "-mindepth", "1", "-maxdepth", "1",
				    "!",      "-name", ".segfs", "!", "-name", "disk",
				    "!",      "-name", "posix", "!", "-name", "sysv",
				    "!",      "-name", "process", "-exec",   "rm", "-rf",
				    "{}",     "+", NULL};

	(void)unused;
	run_program(argv);
	return mount_verify(&mounted, 0) == 0 && no_lost_descriptors(&mounted) && no_lost_backing_ids(&mounted) ? 0 : -1;
}

/* --- until the last close ---------------------------------------------------------------------------------------- */

static void at_last_close(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");
		int other;

		check(set("file", "last-close"));
		other = open_file("file");
		close_to(fd, 1);
		assert_stays("file");
		perhaps_replace_worker(killed);
		assert_stays("file");
		close(other);
		assert_gone("file");
		/* the name is free */
		close_to(make("file"), 0);
		expect_lifetime("file", "persistent");
		check(unlink(at_mount("file")));
	}
}

static void at_a_close_without_worker(void **unused)
{
	int fd = make("file");
	pid_t worker;

	(void)unused;
	check(set("file", "last-close"));
	worker = worker_stop(&mounted);
	worker_kill(&mounted, worker);
	/* FLUSH waits for the next worker's answer, RELEASE comes behind it */
	close(fd);
	worker_wait_next(&mounted, worker);
	assert_gone("file");
}

static void never_opened_stays(void **unused)
{
	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "last-close"));
	check(mknod(at_mount("dir/made"), S_IFREG | 0600, 0));
	make_closed("set");
	check(set("set", "last-close"));
	assert_stays("dir/made");
	worker_replace(&mounted);
	assert_stays("dir/made");
	assert_stays("set");
	start_again();
	expect_lifetime("dir/made", "last-close");
	assert_stays("dir/made");
	assert_stays("set");
	/* neither a path nor what needs no open is one */
	close((int)check(open(at_mount("set"), O_PATH | O_CLOEXEC)));
	check(truncate(at_mount("set"), PAGE));
	check(chmod(at_mount("set"), 0600));
	assert_stays("set");
	close((int)check(open(at_mount("dir/made"), O_RDONLY | O_CLOEXEC)));
	close((int)check(open(at_mount("set"), O_WRONLY | O_CLOEXEC)));
	assert_gone("dir/made");
	assert_gone("set");
	/* made by an open it ends with that */
	close(make("dir/made"));
	assert_gone("dir/made");
	check(rmdir(at_mount("dir")));
}

static void copies_of_one_open(void **unused)
{
	int sockets[2];
	int lifeline[2];
	int status;
	int copy;

	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");
		pid_t child;
		char byte;
		char control[CMSG_SPACE(sizeof(int))] = {0};
		struct iovec part = {.iov_base = &byte, .iov_len = 1};
		struct msghdr message = {
			.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);

		check(set("file", "last-close"));
		/* dup */
		copy = (int)check(fcntl(fd, F_DUPFD_CLOEXEC, 0));
		close(fd);
		assert_stays("file");
		perhaps_replace_worker(killed);
		/* fork */
		check(pipe2(lifeline, O_CLOEXEC));
		fflush(NULL);
		child = (pid_t)check(fork());
		if (child == 0) {
			close(lifeline[1]);
			_exit(read(lifeline[0], &byte, 1) == 0 && pread(copy, &byte, 1, 0) == 1 && byte == 'c' ? 0 : 1);
		}
		close(lifeline[0]);
		/* in flight */
		check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
		assert_non_null(header);
		if (header) {
			header->cmsg_level = SOL_SOCKET;
			header->cmsg_type = SCM_RIGHTS;
			header->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(header), &copy, sizeof(copy));
		}
		byte = 'f';
		assert_int_equal(check(sendmsg(sockets[0], &message, 0)), 1);
		close(copy);
		assert_stays("file");
		perhaps_replace_worker(killed);
		assert_stays("file");
		close(lifeline[1]);
		check(waitpid(child, &status, 0));
		assert_int_equal(status, 0);
		assert_stays("file");
		if (killed) {
			/* taken, and closed */
			assert_int_equal(check(recvmsg(sockets[1], &message, MSG_CMSG_CLOEXEC)), 1);
			header = CMSG_FIRSTHDR(&message);
			assert_non_null(header);
			copy = -1;
			if (header)
				memcpy(&copy, CMSG_DATA(header), sizeof(copy));
			assert_stays("file");
			close(copy);
			assert_gone("file");
		}
		close(sockets[0]);
		close(sockets[1]);
		assert_gone("file");
	}
}

static void a_view_keeps_it(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");
		char *view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		assert_ptr_not_equal(view, MAP_FAILED);
		check(set("file", "last-close"));
		close(fd);
		assert_stays("file");
		perhaps_replace_worker(killed);
		assert_stays("file");
		assert_int_equal(*view, 'c');
		munmap(view, PAGE);
		assert_gone("file");
	}
}

static void a_file_that_gets_its_name_later(void **unused)
{
	(void)unused;
	for (int inherited = 0; inherited < 2; inherited++) {
		for (int killed = 0; killed < 2; killed++) {
			int fd;

			check(mkdir(at_mount("dir"), 0755));
			if (inherited)
				check(set("dir", "last-close"));
			fd = (int)check(open(at_mount("dir"), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
			if (!inherited)
				check(fsetxattr(fd, LIFETIME, "last-close", 10, 0));
			perhaps_replace_worker(killed);
			check(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD, at_mount("dir/file"),
				     AT_SYMLINK_FOLLOW));
			assert_stays("dir/file");
			perhaps_replace_worker(killed);
			assert_stays("dir/file");
			close(fd);
			assert_gone("dir/file");
			check(rmdir(at_mount("dir")));
		}
	}
}

static void all_names_go(void **unused)
{
	static const char *const names[] = {"file", "other", "dir/third", "dir/deep/fourth"};

	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");

		check(mkdir(at_mount("dir"), 0755));
		check(mkdir(at_mount("dir/deep"), 0755));
		for (size_t i = 1; i < 4; i++)
			check(link(at_mount("file"), at_mount(names[i])));
		check(set("dir/third", "last-close"));
		perhaps_replace_worker(killed);
		close(fd);
		for (size_t i = 0; i < 4; i++)
			assert_gone(names[i]);
		check(rmdir(at_mount("dir/deep")));
		check(rmdir(at_mount("dir")));
	}
}

/* The first name is gone before the last close, and comes again with another file. */
static void renamed_before_the_close(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");

		check(set("file", "last-close"));
		check(mkdir(at_mount("dir"), 0755));
		check(rename(at_mount("file"), at_mount("dir/renamed")));
		close_to(make("file"), 1);
		perhaps_replace_worker(killed);
		check(rename(at_mount("dir"), at_mount("moved")));
		close(fd);
		assert_gone("moved/renamed");
		assert_stays("file");
		check(unlink(at_mount("file")));
		check(rmdir(at_mount("moved")));
	}
}

static void names_of_all_kinds(void **unused)
{
	char longest[NAME_MAX + 1];
	const char *const names[] = {
		"line\nbreak", "\n", " ", "-", "file (deleted)", "\\012", "%s", "\xff\xfe", "\"quoted\"", longest,
	};

	(void)unused;
	memset(longest, 'n', NAME_MAX);
	longest[NAME_MAX] = 0;
	for (int deep = 0; deep < 2; deep++) {
		char dir[PATH_MAX] = "";

		if (deep)
			snprintf(dir, sizeof(dir), "%s/", longest);
		if (deep)
			check(mkdir(at_mount(longest), 0755));
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			char name[2 * NAME_MAX + 2];
			int fd;

			snprintf(name, sizeof(name), "%s%s", dir, names[i]);
			fd = make(name);
			check(set(name, "last-close"));
			close(fd);
			assert_gone(name);
		}
		if (deep)
			check(rmdir(at_mount(longest)));
	}
	/* one whose name is as if another one had been removed */
	{
		int fd = make("file");

		close_to(make("file (deleted)"), 1);
		check(set("file", "last-close"));
		close(fd);
		assert_gone("file");
		assert_stays("file (deleted)");
		check(unlink(at_mount("file (deleted)")));
	}
}

static void another_file_has_the_name(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		for (int way = 0; way < 3; way++) {
			int fd = make("file");
			char byte;

			check(set("file", "last-close"));
			if (way == 0) {
				close_to(make("other"), 1);
				check(rename(at_mount("other"), at_mount("file")));
			} else if (way == 1) {
				check(unlink(at_mount("file")));
				close_to(make("file"), 1);
			} else {
				close_to(make("other"), 1);
				check(renameat2(AT_FDCWD, at_mount("other"), AT_FDCWD, at_mount("file"), RENAME_EXCHANGE));
			}
			perhaps_replace_worker(killed);
			assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
			close(fd);
			assert_true(wait_for(mount_handles(&mounted) == 0));
			if (way == 2)
				assert_gone("other");
			assert_stays("file");
			expect_lifetime("file", "persistent");
			check(unlink(at_mount("file")));
		}
	}
}

static void look_for(struct job *job, void *context)
{
	const char *path = context;
	struct stat stat_;

	job_must(job, lstat(path, &stat_) == 0);
	atomic_fetch_add(&job->steps, 1);
	while (!atomic_load(&job->stop))
		if (lstat(path, &stat_) < 0) {
			job_must(job, errno == ENOENT);
			atomic_fetch_add(&job->steps, 1);
			return;
		}
}

/* It is in the cache of the kernel, for one that looks at it by the same name over and over. */
static void others_hear_of_the_end(void **unused)
{
	char path[PATH_MAX];
	struct job *job;
	bool heard;
	int fd;

	(void)unused;
	make_closed("file");
	snprintf(path, sizeof(path), "%s", at_mount("file"));
	check(set("file", "last-close"));
	job = job_start(look_for, path);
	assert_non_null(job);
	heard = wait_for(atomic_load(&job->steps) == 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	heard = heard && wait_for(atomic_load(&job->steps) == 2);
	assert_int_equal(job_end(&job), 0);
	assert_true(heard);
	assert_gone("file");
}

/* Whoever works in a directory, and makes and removes names there, is in nobody's way. */
static void work_in_directory(struct job *job, void *context)
{
	const char *dir = context;

	while (!atomic_load(&job->stop)) {
		const char *path = path_of("%s/work", dir);
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		job_must(job, fd >= 0);
		job_must(job, rename(path, path_of("%s/work-2", dir)) == 0);
		job_must(job, unlink(path_of("%s/work-2", dir)) == 0);
		job_must(job, close(fd) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void many_ends_in_a_busy_directory(void **unused)
{
	char path[PATH_MAX];
	struct job *job;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "last-close"));
	snprintf(path, sizeof(path), "%s", at_mount("dir"));
	job = job_start(work_in_directory, path);
	assert_non_null(job);
	for (int i = 0; i < 100; i++)
		close(make(path_of("dir/file-%d", i)));
	for (int i = 0; i < 100; i++)
		assert_gone(path_of("dir/file-%d", i));
	assert_true(job_goes_on(job, 10));
	assert_int_equal(job_end(&job), 0);
	check(rmdir(at_mount("dir")));
}

static void rename_forever(struct job *job, void *context)
{
	const char *dir = context;
	char names[2][PATH_MAX];

	for (int i = 0; i < 2; i++)
		snprintf(names[i], sizeof(names[i]), "%s/%d/file", dir, i);
	for (int i = 0; !atomic_load(&job->stop); i++)
		if (rename(names[i % 2], names[(i + 1) % 2]) == 0)
			atomic_fetch_add(&job->steps, 1);
		else
			job_must(job, errno == ENOENT);
}

/* Who renames a segment all the time does not save it. */
static void renamed_while_it_ends(void **unused)
{
	char path[PATH_MAX];
	struct job *job;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(mkdir(at_mount("dir/0"), 0755));
	check(mkdir(at_mount("dir/1"), 0755));
	snprintf(path, sizeof(path), "%s", at_mount("dir"));
	job = job_start(rename_forever, path);
	assert_non_null(job);
	for (int i = 0; i < 50; i++) {
		int fd = make("dir/0/file");

		check(fsetxattr(fd, LIFETIME, "last-close", 10, 0));
		assert_true(job_goes_on(job, 1));
		close(fd);
		assert_true(wait_for(is_gone("dir/0/file") && is_gone("dir/1/file") && is_gone("dir/0/file")));
	}
	assert_int_equal(job_end(&job), 0);
	check(rmdir(at_mount("dir/0")));
	check(rmdir(at_mount("dir/1")));
	check(rmdir(at_mount("dir")));
}

static void replace_at_once(struct job *job, void *context)
{
	const char *dir = context;
	char from[PATH_MAX];
	char to[PATH_MAX];

	snprintf(from, sizeof(from), "%s/other", dir);
	snprintf(to, sizeof(to), "%s/file", dir);
	while (!atomic_load(&job->stop))
		if (rename(from, to) == 0)
			atomic_fetch_add(&job->steps, 1);
		else
			job_must(job, errno == ENOENT);
}

/* Another file that gets the name at the very moment of the end is not what ends. */
static void replaced_while_it_ends(void **unused)
{
	char path[PATH_MAX];
	struct job *job;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	snprintf(path, sizeof(path), "%s", at_mount("dir"));
	job = job_start(replace_at_once, path);
	assert_non_null(job);
	for (int i = 0; i < 500; i++) {
		unsigned long before = atomic_load(&job->steps);
		int fd = make("dir/file");

		check(fsetxattr(fd, LIFETIME, "last-close", 10, 0));
		check(mknod(at_mount("dir/prepared"), S_IFREG | 0600, 0));
		if (i % 2)
			check(rename(at_mount("dir/prepared"), at_mount("dir/other")));
		close(fd);
		if (i % 2 == 0)
			check(rename(at_mount("dir/prepared"), at_mount("dir/other")));
		assert_true(wait_for(atomic_load(&job->steps) > before && mount_handles(&mounted) == 0));
		assert_true(stays_for("dir/file", 1));
		check(unlink(at_mount("dir/file")));
	}
	assert_int_equal(job_end(&job), 0);
	check(rmdir(at_mount("dir")));
}

static void no_longer_limited(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		int fd = make("file");

		check(set("file", "last-close"));
		perhaps_replace_worker(killed);
		if (killed)
			check(removexattr(at_mount("file"), LIFETIME));
		else
			check(set("file", "persistent"));
		close_to(fd, 0);
		assert_stays("file");
		/* neither does it count for later that it has been open */
		check(set("file", "last-close"));
		assert_stays("file");
		perhaps_replace_worker(killed);
		assert_stays("file");
		check(set("file", "persistent"));
		check(set("file", "ttl:200ms"));
		check(set("file", "persistent"));
		assert_true(stays_for("file", 400));
		check(unlink(at_mount("file")));
	}
}

/* --- until its owner ends ---------------------------------------------------------------------------------------- */

/* A process that makes a file and waits. */
struct owner {
	pid_t pid;
	int control; /* 'x' = exit; 'e' = become another program, which ends at the end of file; 'f' = have a child */
	pid_t child; /* after 'f': it has the file open, and exits with its owner's command 'x' sent to it */
};

enum making { BY_OPEN, BY_MKNOD, BY_THREAD };

static void *make_in_thread(void *argument)
{
	int fd = open(argument, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd >= 0 && close(fd) == 0 ? argument : NULL;
}

static int make_by(const char *path, enum making making)
{
	pthread_t thread;
	void *made = NULL;
	int fd = -1;

	switch (making) {
	case BY_OPEN:
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		return fd >= 0 && write(fd, "content", 7) == 7 ? fd : -1;
	case BY_MKNOD:
		return mknod(path, S_IFREG | 0600, 0) == 0 ? 0 : -1;
	case BY_THREAD:
		if (pthread_create(&thread, NULL, make_in_thread, (void *)(uintptr_t)path) == 0)
			pthread_join(thread, &made);
		return made ? 0 : -1;
	}
	return -1;
}

__attribute__((noreturn)) static void own(int control, const char *path, enum making making)
{
	int fd = make_by(path, making);
	char command = fd >= 0 ? 'y' : 'n';
	char bytes[8] = "";
	pid_t child;

	while (write(control, &command, 1) == 1 && read(control, &command, 1) == 1 && command != 'x') {
		if (command == 'e') {
			/* the descriptor that is left is the one to wait on */
			dup2(control, STDIN_FILENO);
			dup2(control, STDOUT_FILENO);
			execlp("cat", "cat", (char *)NULL);
			_exit(1);
		}
		if (command == 'f') {
			child = fork();
			if (child == 0) {
				/* the parent ends first */
				if (read(control, &command, 1) != 1 || command != 'c')
					_exit(2);
				command = pwrite(fd, "C", 1, 0) == 1 && pread(fd, bytes, 7, 0) == 7 &&
							  strcmp(bytes, "Content") == 0
						  ? 'y'
						  : 'n';
				if (write(control, &command, 1) != 1)
					_exit(3);
				_exit(read(control, &command, 1) == 1 ? 0 : 4);
			}
			_exit(child > 0 ? 0 : 1);
		}
	}
	_exit(0);
}

static struct owner owner_start(const char *name, enum making making)
{
	char path[PATH_MAX];
	struct owner owner = {0};
	int ends[2];
	char answer = 0;

	snprintf(path, sizeof(path), "%s", at_mount(name));
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	fflush(NULL);
	owner.pid = (pid_t)check(fork());
	if (owner.pid == 0) {
		close(ends[0]);
		own(ends[1], path, making);
	}
	close(ends[1]);
	owner.control = ends[0];
	assert_int_equal(read(owner.control, &answer, 1), 1);
	assert_int_equal(answer, 'y');
	return owner;
}

/* It is collected: nothing has its number any more. */
static void owner_end(struct owner *owner, int signal)
{
	if (signal)
		check(kill(owner->pid, signal));
	else
		assert_int_equal(write(owner->control, "x", 1), 1);
	check(waitpid(owner->pid, NULL, 0));
	close(owner->control);
}

static void until_its_owner_ends(void **unused)
{
	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	for (int making = BY_OPEN; making <= BY_THREAD; making++) {
		for (int way = 0; way < 4; way++) {
			struct owner owner = owner_start("dir/file", (enum making)making);

			expect_lifetime("dir/file", "owner");
			assert_stays("dir/file");
			perhaps_replace_worker(way >= 2);
			assert_stays("dir/file");
			/* others come and go */
			close(open_file("dir/file"));
			assert_stays("dir/file");
			owner_end(&owner, way % 2 ? SIGKILL : 0);
			assert_gone("dir/file");
		}
	}
	check(rmdir(at_mount("dir")));
}

static void bound_to_its_owner_later(void **unused)
{
	(void)unused;
	for (int way = 0; way < 4; way++) {
		struct owner owner = owner_start("file", way % 2 ? BY_MKNOD : BY_OPEN);

		perhaps_replace_worker(way >= 2);
		/* by another process, which is not the owner */
		check(set("file", "owner"));
		assert_stays("file");
		perhaps_replace_worker(way >= 2);
		owner_end(&owner, SIGKILL);
		assert_gone("file");
	}
}

static void an_owner_becomes_another_program(void **unused)
{
	struct owner owner;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	owner = owner_start("dir/file", BY_OPEN);
	assert_int_equal(write(owner.control, "e", 1), 1);
	/* cat(1) answers what it is told */
	assert_int_equal(write(owner.control, "?", 1), 1);
	{
		char program[64] = "";

		assert_true(wait_for(read_text(path_of("/proc/%d/comm", owner.pid), program, sizeof(program)) > 0 &&
				     strcmp(program, "cat\n") == 0));
	}
	assert_stays("dir/file");
	worker_replace(&mounted);
	assert_stays("dir/file");
	check(kill(owner.pid, SIGKILL));
	check(waitpid(owner.pid, NULL, 0));
	close(owner.control);
	assert_gone("dir/file");
	check(rmdir(at_mount("dir")));
}

static void who_has_it_open_goes_on(void **unused)
{
	struct owner owner;
	char answer = 0;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	owner = owner_start("dir/file", BY_OPEN);
	assert_int_equal(write(owner.control, "f", 1), 1);
	check(waitpid(owner.pid, NULL, 0));
	assert_gone("dir/file");
	worker_replace(&mounted);
	assert_int_equal(write(owner.control, "c", 1), 1);
	assert_int_equal(read(owner.control, &answer, 1), 1);
	assert_int_equal(answer, 'y');
	assert_int_equal(write(owner.control, "x", 1), 1);
	close(owner.control);
	check(rmdir(at_mount("dir")));
}

static void an_owner_that_has_ended(void **unused)
{
	struct owner owner = owner_start("file", BY_OPEN);

	(void)unused;
	owner_end(&owner, 0);
	check_error(ESRCH, set("file", "owner"));
	expect_lifetime("file", "persistent");
	check(set("file", "ttl:1h"));
	check_error(ESRCH, set("file", "owner"));
	expect_lifetime("file", "ttl:1h");
	worker_replace(&mounted);
	check_error(ESRCH, set("file", "owner"));
	check(set("file", "persistent"));
	assert_stays("file");
	check(unlink(at_mount("file")));
}

static void an_owner_that_ends_without_worker(void **unused)
{
	struct owner owner;
	pid_t worker;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	owner = owner_start("dir/file", BY_MKNOD);
	worker = worker_stop(&mounted);
	owner_end(&owner, SIGKILL);
	worker_kill(&mounted, worker);
	worker_wait_next(&mounted, worker);
	assert_gone("dir/file");
	check(rmdir(at_mount("dir")));
}

static void an_owner_no_longer(void **unused)
{
	struct owner owner;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	for (int killed = 0; killed < 2; killed++) {
		owner = owner_start("dir/file", BY_MKNOD);
		check(set("dir/file", "persistent"));
		perhaps_replace_worker(killed);
		owner_end(&owner, 0);
		assert_stays("dir/file");
		check(unlink(at_mount("dir/file")));
	}
	check(rmdir(at_mount("dir")));
}

static void owners_over_a_restart(void **unused)
{
	struct owner stays;
	struct owner ends;

	(void)unused;
	check(mkdir(at_mount("dir"), 0755));
	check(set("dir", "owner"));
	stays = owner_start("dir/stays", BY_MKNOD);
	ends = owner_start("dir/ends", BY_MKNOD);
	assert_int_equal(mount_stop_keep(&mounted), 0);
	owner_end(&ends, 0);
	assert_int_equal(mount_start(&mounted, &spec), 0);
	assert_gone("dir/ends");
	assert_stays("dir/stays");
	worker_replace(&mounted);
	assert_stays("dir/stays");
	expect_lifetime("dir/stays", "owner");
	owner_end(&stays, SIGKILL);
	assert_gone("dir/stays");
	check(rmdir(at_mount("dir")));
}

static void *stay(void *argument)
{
	char byte;

	return read(*(int *)argument, &byte, 1) == 0 ? argument : NULL;
}

static bool take_number(pid_t number, pthread_t *thread, int *lifeline)
{
	char text[16];

	/* the next one to be given is that behind the last one */
	snprintf(text, sizeof(text), "%d", number - 1);
	if (write_text("/proc/sys/kernel/ns_last_pid", text) < 0 || pthread_create(thread, NULL, stay, lifeline) != 0)
		return false;
	return true;
}

/* The creator's number is a thread's by now, of a process that is older than the file. */
static void an_owner_whose_number_is_used_again(void **unused)
{
	struct owner owner = owner_start("file", BY_MKNOD);
	long long later = milliseconds() + 250; /* times of starts are noted in tenths of a second */
	int lifeline[2];
	bool taken = false;

	(void)unused;
	assert_true(wait_for(milliseconds() >= later));
	owner_end(&owner, 0);
	for (int i = 0; i < 20 && !taken; i++) {
		pthread_t thread;

		check(pipe2(lifeline, O_CLOEXEC));
		if (take_number(owner.pid, &thread, &lifeline[0])) {
			taken = access(path_of("/proc/self/task/%d", owner.pid), F_OK) == 0;
			if (taken)
				check_error(ESRCH, set("file", "owner"));
			close(lifeline[1]);
			pthread_join(thread, NULL);
		} else {
			close(lifeline[1]);
		}
		close(lifeline[0]);
	}
	expect_lifetime("file", "persistent");
	check(unlink(at_mount("file")));
	if (!taken)
		skip_missing("/proc/sys/kernel/ns_last_pid");
}

/* --- some time after it was last open ---------------------------------------------------------------------------- */

static const char *ttl(unsigned int length)
{
	return path_of("ttl:%ums", length);
}

static void some_time_unopened(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		long long begin;

		make_closed("file");
		begin = milliseconds();
		check(set("file", ttl(TTL)));
		perhaps_replace_worker(killed);
		assert_gone("file");
		assert_true(milliseconds() - begin >= TTL);
		/* made so, and closed */
		check(mkdir(at_mount("dir"), 0755));
		check(set("dir", ttl(TTL)));
		close_to(make("dir/file"), 0);
		begin = milliseconds();
		perhaps_replace_worker(killed);
		assert_gone("dir/file");
		assert_true(milliseconds() - begin >= TTL - 50);
		check(mknod(at_mount("dir/file"), S_IFREG | 0600, 0));
		perhaps_replace_worker(killed);
		assert_gone("dir/file");
		check(rmdir(at_mount("dir")));
	}
}

static void opened_again_in_time(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		long long closed;

		make_closed("file");
		check(set("file", ttl(TTL)));
		for (int i = 0; i < 5; i++) {
			long long until = milliseconds() + TTL * 6 / 10;

			assert_true(wait_for(milliseconds() >= until));
			close_to(open_file("file"), 0);
			perhaps_replace_worker(killed && i == 2);
		}
		closed = milliseconds();
		assert_gone("file");
		assert_true(milliseconds() - closed >= TTL - 60);
	}
}

static void open_for_longer(void **unused)
{
	(void)unused;
	for (int killed = 0; killed < 2; killed++) {
		long long closed;
		int fd = make("file");

		check(set("file", ttl(TTL)));
		perhaps_replace_worker(killed);
		assert_true(stays_for("file", 2 * TTL));
		closed = milliseconds();
		close(fd);
		assert_gone("file");
		assert_true(milliseconds() - closed >= TTL);
	}
}

static void a_view_counts_as_open(void **unused)
{
	int fd = make("file");
	void *view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long long unmapped;

	(void)unused;
	assert_ptr_not_equal(view, MAP_FAILED);
	check(set("file", ttl(TTL)));
	close(fd);
	assert_true(stays_for("file", 2 * TTL));
	worker_replace(&mounted);
	assert_stays("file");
	unmapped = milliseconds();
	munmap(view, PAGE);
	assert_gone("file");
	assert_true(milliseconds() - unmapped >= TTL);
}

static void several_in_any_order(void **unused)
{
	static const unsigned int orders[][4] = {{1, 2, 3, 4}, {4, 3, 2, 1}, {2, 4, 1, 3}, {3, 1, 4, 2}};

	(void)unused;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		for (unsigned int j = 0; j < 4; j++)
			make_closed(path_of("file-%u", j));
		for (unsigned int j = 0; j < 4; j++)
			check(set(path_of("file-%u", j), ttl(100 * orders[i][j])));
		perhaps_replace_worker(i % 2);
		for (unsigned int turn = 1; turn <= 4; turn++) {
			for (unsigned int j = 0; j < 4; j++) {
				if (orders[i][j] != turn)
					continue;
				assert_gone(path_of("file-%u", j));
			}
			for (unsigned int j = 0; j < 4; j++)
				if (orders[i][j] > turn + 1)
					assert_false(is_gone(path_of("file-%u", j)));
		}
	}
}

static void a_time_that_is_changed(void **unused)
{
	(void)unused;
	make_closed("longer");
	make_closed("shorter");
	make_closed("never");
	make_closed("last-close");
	check(set("longer", ttl(TTL)));
	check(set("shorter", "ttl:1h"));
	check(set("never", ttl(TTL)));
	check(set("last-close", ttl(TTL)));
	check(set("longer", "ttl:1h"));
	check(set("shorter", ttl(TTL / 2)));
	check(removexattr(at_mount("never"), LIFETIME));
	check(set("last-close", "last-close"));
	assert_gone("shorter");
	assert_true(stays_for("longer", 2 * TTL));
	assert_true(stays_for("never", 1));
	assert_true(stays_for("last-close", 1));
	check(set("longer", ttl(10)));
	assert_gone("longer");
	check(unlink(at_mount("never")));
	check(unlink(at_mount("last-close")));
}

static void times_over_a_restart(void **unused)
{
	long long closed;
	long long again;

	(void)unused;
	make_closed("later");
	make_closed("meanwhile");
	make_closed("long");
	check(set("later", "ttl:1500ms"));
	check(set("meanwhile", ttl(TTL)));
	check(set("long", "ttl:1h"));
	close_to(open_file("later"), 0);
	close_to(open_file("meanwhile"), 0);
	close_to(open_file("long"), 0);
	closed = milliseconds();
	assert_int_equal(mount_stop_keep(&mounted), 0);
	assert_true(wait_for(milliseconds() >= closed + TTL + 200));
	assert_int_equal(access(at_store("meanwhile"), F_OK), 0);
	assert_int_equal(mount_start(&mounted, &spec), 0);
	again = milliseconds();
	assert_gone("meanwhile");
	assert_true(milliseconds() < again + 500);
	if (milliseconds() < closed + 1300)
		assert_false(is_gone("later"));
	assert_gone("later");
	/* not from the start on */
	assert_true(milliseconds() < again + 1500 - TTL / 2);
	assert_stays("long");
	expect_lifetime("long", "ttl:1h");
	check(unlink(at_mount("long")));
}

/* --- after the end of all ---------------------------------------------------------------------------------------- */

static void an_outage(void **unused)
{
	int fds[3];
	struct owner owner;

	(void)unused;
	make_closed("never-opened");
	owner = owner_start("owned", BY_MKNOD);
	fds[0] = make("last-close");
	fds[1] = make("ttl");
	fds[2] = make("persistent");
	check(set("last-close", "last-close"));
	check(set("ttl", ttl(TTL)));
	check(set("never-opened", "last-close"));
	check(set("owned", "owner"));
	/* what is noted of a segment is noted by the thread that watches over them */
	assert_true(wait_for(getxattr(at_store("ttl"), "trusted.segfs.use", NULL, 0) > 0 &&
			     getxattr(at_store("last-close"), "trusted.segfs.use", NULL, 0) > 0));
	kill_both();
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
	assert_int_equal(access(at_store("last-close"), F_OK), 0);
	start_after_outage();
	assert_gone("last-close");
	assert_gone("ttl");
	assert_stays("persistent");
	assert_stays("never-opened");
	assert_stays("owned");
	owner_end(&owner, SIGKILL);
	assert_gone("owned");
	check(unlink(at_mount("persistent")));
	check(unlink(at_mount("never-opened")));
}

/* --- places and modes -------------------------------------------------------------------------------------------- */

static int start(const char *mode)
{
	const char *disk = disk_directory();
	const char *medium = path_of("%s/lifetime.medium", disk ? disk : test_directory());
	bool on_disk = strncmp(mode, "disk", 4) == 0;

	mkdir(medium, 0755);
	place = on_disk ? "disk/" : "";
	snprintf(options, sizeof(options), "io_mode=%s,entry_timeout=3600,attr_timeout=3600", on_disk ? mode + 5 : mode);
	snprintf(config, sizeof(config), "[directory disk]\nmedium = %s\n", medium);
	spec = (struct mount_spec){.tag = mode, .options = options, .config = config};
	return mount_start(&mounted, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mounted);
}

#define CASE(function) cmocka_unit_test_teardown(function, verify)
#define COMMON                                                                                             \
	CASE(at_last_close), CASE(at_a_close_without_worker), CASE(never_opened_stays),                    \
		CASE(copies_of_one_open), CASE(a_file_that_gets_its_name_later), CASE(all_names_go),       \
		CASE(renamed_before_the_close), CASE(names_of_all_kinds),                                  \
		CASE(another_file_has_the_name), CASE(others_hear_of_the_end),                             \
		CASE(many_ends_in_a_busy_directory), CASE(renamed_while_it_ends), CASE(replaced_while_it_ends),                          \
		CASE(no_longer_limited), CASE(until_its_owner_ends),         \
		CASE(bound_to_its_owner_later), CASE(an_owner_becomes_another_program),                    \
		CASE(who_has_it_open_goes_on), CASE(an_owner_that_has_ended),                              \
		CASE(an_owner_that_ends_without_worker), CASE(an_owner_no_longer),                         \
		CASE(owners_over_a_restart), CASE(an_owner_whose_number_is_used_again), CASE(some_time_unopened), CASE(opened_again_in_time),         \
		CASE(open_for_longer), CASE(several_in_any_order), CASE(a_time_that_is_changed),           \
		CASE(times_over_a_restart), CASE(an_outage)
/* Those in which it matters how a file is opened; where it is; that a view is open too. */
#define OPENS                                                                                              \
	CASE(at_last_close), CASE(at_a_close_without_worker), CASE(copies_of_one_open),                    \
		CASE(a_file_that_gets_its_name_later), CASE(some_time_unopened)
#define PLACES                                                                                             \
	CASE(never_opened_stays), CASE(all_names_go), CASE(renamed_before_the_close),                      \
		CASE(names_of_all_kinds), CASE(renamed_while_it_ends), CASE(until_its_owner_ends),         \
		CASE(owners_over_a_restart), CASE(times_over_a_restart), CASE(an_outage)
#define VIEWS CASE(a_view_keeps_it), CASE(a_view_counts_as_open)

int main(void)
{
	static const struct CMUnitTest direct[] = {COMMON, VIEWS};
	static const struct CMUnitTest mediated[] = {OPENS, VIEWS};
	static const struct CMUnitTest relayed[] = {OPENS, VIEWS};
	static const struct CMUnitTest disk[] = {PLACES, VIEWS};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = run_in_mode("direct", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	failed += run_in_mode("mediated", mediated, sizeof(mediated) / sizeof(mediated[0]), start, stop);
	failed += run_in_mode("relayed", relayed, sizeof(relayed) / sizeof(relayed[0]), start, stop);
	if (disk_directory())
		failed += run_in_mode("disk-direct", disk, sizeof(disk) / sizeof(disk[0]), start, stop);
	return failed;
}
