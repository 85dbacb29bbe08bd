// SPDX-License-Identifier: MIT
/* tests/run: waits: for what must not happen */
/*
 * Lifetime last-close: views and copies of an open count. In direct, mediated and relayed mode, in memory and
 * on disk, across worker deaths and a restart of segfs.
 */
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"
#include "tests/mount/lifetime.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- until the last close --- */

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
	/* FLUSH waits for the next worker's reply, RELEASE follows it */
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
	/* neither O_PATH nor operations without an open count */
	close((int)check(open(at_mount("set"), O_PATH | O_CLOEXEC)));
	check(truncate(at_mount("set"), PAGE));
	check(chmod(at_mount("set"), 0600));
	assert_stays("set");
	close((int)check(open(at_mount("dir/made"), O_RDONLY | O_CLOEXEC)));
	close((int)check(open(at_mount("set"), O_WRONLY | O_CLOEXEC)));
	assert_gone("dir/made");
	assert_gone("set");
	/* created by an open, it ends with that */
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
		struct msghdr message = {.msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control)};
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
			_exit(read(lifeline[0], &byte, 1) == 0 && pread(copy, &byte, 1, 0) == 1 && byte == 'c'
				      ? 0
				      : 1);
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
			/* received and closed */
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
			check(linkat(AT_FDCWD, path_of("/proc/self/fd/%d", fd), AT_FDCWD,
				     at_mount("dir/file"), AT_SYMLINK_FOLLOW));
			assert_stays("dir/file");
			perhaps_replace_worker(killed);
			assert_stays("dir/file");
			close(fd);
			assert_gone("dir/file");
			check(rmdir(at_mount("dir")));
		}
	}
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
		/* nor is the open recorded for later */
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

/* --- modes --- */

int main(void)
{
	static const struct CMUnitTest direct[] = {
		CASE(at_last_close),      CASE(at_a_close_without_worker),       CASE(never_opened_stays),
		CASE(copies_of_one_open), CASE(a_file_that_gets_its_name_later), CASE(no_longer_limited),
		CASE(a_view_keeps_it)};
	static const struct CMUnitTest mediated[] = {
		CASE(at_last_close), CASE(at_a_close_without_worker), CASE(copies_of_one_open),
		CASE(a_file_that_gets_its_name_later), CASE(a_view_keeps_it)};
	static const struct CMUnitTest relayed[] = {
		CASE(at_last_close), CASE(at_a_close_without_worker), CASE(copies_of_one_open),
		CASE(a_file_that_gets_its_name_later), CASE(a_view_keeps_it)};
	static const struct CMUnitTest disk[] = {CASE(never_opened_stays), CASE(a_view_keeps_it)};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	failed += run_in_mode("usual", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	failed += run_in_mode("usual-mand", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	failed += run_in_mode("mediated", mediated, sizeof(mediated) / sizeof(mediated[0]), start, stop);
	failed += run_in_mode("relayed", relayed, sizeof(relayed) / sizeof(relayed[0]), start, stop);
	if (disk_directory())
		failed += run_in_mode("disk-usual", disk, sizeof(disk) / sizeof(disk[0]), start, stop);
	return failed;
}
