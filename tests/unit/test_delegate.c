// SPDX-License-Identifier: MIT
/* Functions run by a delegate process, and credentials assumed for it. */
#include "lib/base/cleanup.h"
#include "lib/base/delegate.h"
#include "tests/unit/features.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/securebits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <cmocka.h>

#define USER  12345u
#define GROUP 23456u

static int answer(void *context)
{
	*(int *)context = 7;
	errno = EXDEV;
	return -ENOTTY;
}

static void test_runs_on_the_callers_memory(void **state)
{
	const struct delegate how = {.milliseconds = 10000};
	int value = 0;

	(void)state;
	need_shared_memory();
	errno = 0;
	assert_int_equal(delegate_run(&how, answer, &value), -ENOTTY);
	assert_int_equal(value, 7);
	assert_int_equal(errno, 0);
}

/* Waits until a fatal signal. */
static int wait_for_ever(void *context)
{
	sigset_t all;

	(void)context;
	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	while (sigsuspend(&all) < 0)
		;
	return 0;
}

/* With many variables on the stack. */
static int wait_deep_down(void *context)
{
	unsigned int *depth = context;
	volatile char variable[40];

	memset((void *)(uintptr_t)variable, 1, sizeof(variable));
	if ((*depth)-- == 0)
		return wait_for_ever(NULL);
	return wait_deep_down(depth) + variable[1];
}

static int fill_stack(void *context)
{
	volatile char variable[16384];

	(void)context;
	memset((void *)(uintptr_t)variable, 1, sizeof(variable));
	return variable[100];
}

/* Sanitizer state of a killed delegate does not affect the next one, whose stack may be the same memory. */
static void test_leaves_no_marks_of_its_stack(void **state)
{
	const struct delegate brief = {.milliseconds = 20};
	const struct delegate how = {.milliseconds = 10000};

	(void)state;
	need_shared_memory();
	for (int i = 0; i < 3; i++) {
		unsigned int depth = 60;

		assert_int_equal(delegate_run(&brief, wait_deep_down, &depth), -ETIMEDOUT);
		assert_int_equal(delegate_run(&how, fill_stack, NULL), 1);
	}
}

static int look_at_oneself(void *context)
{
	(void)context;
	return delegate_is((pid_t)syscall(SYS_getpid));
}

static void test_is_told_from_other_processes(void **state)
{
	const struct delegate how = {.milliseconds = 10000};

	(void)state;
	need_shared_memory();
	assert_int_equal(delegate_run(&how, look_at_oneself, NULL), 1);
	assert_false(delegate_is(getpid()));
	assert_false(delegate_is(0));
	assert_false(delegate_is(-1));
}

static void test_is_ended_at_its_deadline(void **state)
{
	const struct delegate how = {.milliseconds = 20};
	sigset_t all;
	sigset_t before;

	(void)state;
	need_shared_memory();
	/* as in the threads of a worker */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	assert_int_equal(delegate_run(&how, wait_for_ever, NULL), -ETIMEDOUT);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
	assert_int_equal(errno, ECHILD);
}

/* Deadlines stay deadlines, on a slow machine as well. */
static void test_is_ended_after_calibration(void **state)
{
	const struct delegate how = {.milliseconds = 20};
	int value = 0;

	(void)state;
	need_shared_memory();
	delegate_calibrate();
	assert_int_equal(delegate_run(&how, answer, &value), -ENOTTY);
	assert_int_equal(value, 7);
	assert_int_equal(delegate_run(&how, wait_for_ever, NULL), -ETIMEDOUT);
}

struct opened {
	int fd;
	bool has_other; /* descriptor `other` is open */
	int other;
};

static int open_full(void *context)
{
	struct opened *opened = context;

	opened->has_other = fcntl(opened->other, F_GETFD) >= 0;
	opened->fd = open("/dev/full", O_RDONLY | O_CLOEXEC);
	return opened->fd < 0 ? -errno : 0;
}

static void test_shares_descriptors(void **state)
{
	const struct delegate how = {.milliseconds = 10000};
	_cleanup_close_ int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct opened opened = {.fd = -1, .other = other};

	(void)state;
	need_shared_memory();
	assert_int_equal(delegate_run(&how, open_full, &opened), 0);
	assert_true(opened.has_other);
	assert_int_equal(close(opened.fd), 0);
}

static void test_has_its_own_descriptors(void **state)
{
	const struct delegate how = {.milliseconds = 10000, .own_descriptors = true};
	_cleanup_close_ int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct opened opened = {.fd = -1, .other = other};
	struct stat stat;

	(void)state;
	need_shared_memory();
	assert_true(other > 2);
	assert_int_equal(delegate_run(&how, open_full, &opened), 0);
	assert_false(opened.has_other);
	/* if this number is open here, perhaps inherited, it is another file */
	assert_true(fstat(opened.fd, &stat) < 0 || stat.st_rdev != makedev(1, 7));
	assert_true(fcntl(other, F_GETFD) >= 0);
}

/* --- credentials --- */

static void needs_root(void)
{
	if (geteuid() != 0)
		skip_missing("root");
	assert_int_equal(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), 0);
}

/* A file in TMPDIR; the caller closes it and removes it by discard(). */
static int make_file(char path[512], uid_t uid, gid_t gid, mode_t mode)
{
	int fd;

	snprintf(path, 512, "%s/file.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, uid, gid), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	return fd;
}

struct access {
	int fd;
	int mode; /* R_OK, W_OK */
};

static int may_access(void *context)
{
	const struct access *access = context;

	return syscall(SYS_faccessat2, access->fd, "", access->mode, AT_EMPTY_PATH | AT_EACCESS) < 0 ? -errno
												     : 0;
}

static int may(const struct credentials *credentials, int fd, int mode)
{
	const struct delegate how = {.credentials = credentials, .milliseconds = 10000};
	struct access access = {fd, mode};

	return delegate_run(&how, may_access, &access);
}

static void test_acts_with_others_credentials(void **state)
{
	gid_t groups[] = {1, GROUP, 3};
	struct credentials user = {.uid = USER, .gid = 1};
	struct credentials member = {.uid = USER + 1, .gid = 1, .n_groups = 3, .groups = groups};
	struct credentials overrides = {
		.uid = USER + 1, .gid = 1, .capabilities = UINT64_C(1) << 1}; /* CAP_DAC_OVERRIDE */
	char path[512];
	int fd;

	(void)state;
	need_shared_memory();
	needs_root();
	fd = make_file(path, USER, GROUP, 0640);
	assert_int_equal(may(&user, fd, R_OK | W_OK), 0);
	assert_int_equal(may(&member, fd, R_OK), 0);
	assert_int_equal(may(&member, fd, W_OK), -EACCES);
	member.n_groups = 1;
	assert_int_equal(may(&member, fd, R_OK), -EACCES);
	assert_int_equal(may(&overrides, fd, R_OK | W_OK), 0);
	assert_int_equal(geteuid(), 0);
	close(fd);
	unlink(path);
}

static void test_assumes_and_returns(void **state)
{
	struct credentials_self self = CREDENTIALS_SELF;
	struct credentials user = {.uid = USER, .gid = GROUP};
	struct access access;
	char path[512];

	(void)state;
	needs_root();
	assert_int_equal(setgroups(0, NULL), 0);
	access = (struct access){make_file(path, 0, 0, 0600), R_OK};
	assert_int_equal(credentials_assume(&user, &self), 0);
	assert_int_equal(may_access(&access), -EACCES);
	assert_int_equal(geteuid(), USER);
	credentials_restore(&self);
	assert_int_equal(may_access(&access), 0);
	assert_int_equal(geteuid(), 0);
	assert_int_equal(syscall(SYS_setfsuid, -1), 0);
	/* a second call has no effect */
	credentials_restore(&self);
	close(access.fd);
	unlink(path);
}

/* A child with other credentials, which waits for inspection. */
static pid_t start_somebody(const gid_t *groups, size_t n_groups)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) == 0 && setgroups(n_groups, groups) == 0 &&
		    setgid(GROUP) == 0 && setuid(USER) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
		    write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void check_read(size_t n_groups)
{
	_cleanup_credentials_ struct credentials found = CREDENTIALS_NONE;
	gid_t *groups = calloc(n_groups + 1, sizeof(*groups));
	pid_t pid;

	assert_non_null(groups);
	for (size_t i = 0; i < n_groups; i++)
		groups[i] = 100000 + (gid_t)i;
	pid = start_somebody(groups, n_groups);
	assert_int_equal(credentials_read(pid, (uid_t)-1, (gid_t)-1, &found), 0);
	assert_int_equal(found.uid, USER);
	assert_int_equal(found.gid, GROUP);
	assert_int_equal(found.n_groups, n_groups);
	assert_memory_equal(found.groups, groups, n_groups * sizeof(*groups));
	assert_true(found.capabilities == 0);
	assert_int_equal(credentials_shares_namespaces(pid), 1);
	free(groups);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_reads_credentials(void **state)
{
	(void)state;
	needs_root();
	check_read(0);
	check_read(1);
	check_read(CREDENTIALS_INLINE_GROUPS);
	check_read(CREDENTIALS_INLINE_GROUPS + 1);
	check_read(10000);
}

static void test_reads_what_is_not_there(void **state)
{
	_cleanup_credentials_ struct credentials found = CREDENTIALS_NONE;

	(void)state;
	assert_int_equal(credentials_read(0, 5, 6, &found), 0);
	assert_int_equal(found.uid, 5);
	assert_int_equal(found.gid, 6);
	assert_int_equal(found.n_groups, 0);
	assert_int_equal(credentials_shares_namespaces(0), 0);
	assert_int_equal(credentials_read(0, (uid_t)-1, (gid_t)-1, &found), 0);
	assert_int_equal(found.uid, 65534);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_on_the_callers_memory),
		cmocka_unit_test(test_is_told_from_other_processes),
		cmocka_unit_test(test_is_ended_at_its_deadline),
		cmocka_unit_test(test_is_ended_after_calibration),
		cmocka_unit_test(test_leaves_no_marks_of_its_stack),
		cmocka_unit_test(test_shares_descriptors),
		cmocka_unit_test(test_has_its_own_descriptors),
		cmocka_unit_test(test_acts_with_others_credentials),
		cmocka_unit_test(test_assumes_and_returns),
		cmocka_unit_test(test_reads_credentials),
		cmocka_unit_test(test_reads_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
