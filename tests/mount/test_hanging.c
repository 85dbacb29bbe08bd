// SPDX-License-Identifier: MIT
/*
 * Processes of one user that hang in execve(2) hold up nobody else: nobody can look into them, and who tries to waits as long as they like.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/hanging.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ATTACKER (TEST_UID + 1)
#define SOON 1000 /* milliseconds in which everything ends that is not about who hangs */

static struct mount mount_here;

static int start(void **unused)
{
	const struct mount_spec spec = {.config = "[mount]\nsources = posix, sysv, process\n"};

	(void)unused;
	if (geteuid() != 0)
		skip_program("root");
	return mount_start(&mount_here, &spec) < 0 || chmod(mount_here.path, 01777) < 0 || hanging_begin() < 0 ? -1 : 0;
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

/* Has a child do something. Fails the case unless it ends soon; returns what it returned, which is 0 to 255. */
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
		if ((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 > SOON * (SANITIZED ? 10 : 1)) {
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

/* What there is to know of a creator is known without a look into it. */
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lifetime_of_an_owner_that_hangs),
	};

	return cmocka_run_group_tests_name("hanging", tests, start, stop);
}
