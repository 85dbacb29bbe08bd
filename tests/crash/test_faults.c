// SPDX-License-Identifier: MIT
/*
 * Requests over which workers die or hang: the requester gets EIO once the cause is certain, and all others
 * get correct replies. Workers that hang for other reasons are replaced.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/preload.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LIMIT_MILLISECONDS (30 * wait_seconds(10)) /* hang-limit */
#define BYSTANDERS         3

static struct mount mount;

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static const char *stored(const char *name)
{
	return path_of("%s/%s", mount.store, name);
}

/* Performs operations that are not idempotent, over and over. */
static void live_on(struct job *job, void *context)
{
	const char *one = path_of("%s.one", (const char *)context);
	const char *other = path_of("%s.other", (const char *)context);
	struct stat found;
	int fd;

	while (!atomic_load(&job->stop)) {
		fd = open(one, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		job_must(job, fd >= 0);
		job_must(job, rename(one, other) == 0);
		job_must(job, fstat(fd, &found) == 0 && found.st_nlink == 1);
		job_must(job, unlink(other) == 0);
		job_must(job, close(fd) == 0);
		job_must(job, mkdir(one, 0700) == 0);
		job_must(job, rmdir(one) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void expect_poison(const char *name, unsigned int deaths)
{
	struct job *jobs[BYSTANDERS];
	long long before = mount_status(&mount, "workers_started");

	for (int i = 0; i < BYSTANDERS; i++) {
		jobs[i] = job_start(live_on, (void *)(uintptr_t)at(path_of("bystander%d", i)));
		assert_non_null(jobs[i]);
	}
	check_error(EIO, mkdir(at(name), 0700));
	for (int i = 0; i < BYSTANDERS; i++) {
		assert_true(job_goes_on(jobs[i], 20));
		assert_int_equal(job_end(&jobs[i]), 0);
	}
	assert_int_equal(mount_status(&mount, "workers_started"), before + deaths);
	assert_true(log_has(
		&mount,
		path_of("mkdir of node 0x1 (/), requested by process %d of user 0: %u workers have died",
			getpid(), deaths)));
	assert_int_equal(mount_verify(&mount, 0), 0);
	assert_true(no_lost_descriptors(&mount));
	assert_true(no_lost_backing_ids(&mount));
	assert_false(log_has(&mount, "internal error"));
}

static bool is_made(const char *name)
{
	struct stat found;

	return lstat(stored(name), &found) == 0;
}

static void faults(void **unused)
{
	(void)unused;
	expect_poison("fault-segv", 2);
	assert_false(is_made("fault-segv"));
	assert_true(log_has(&mount, "Segmentation fault"));
	/* sanitizers have reports of their own */
	assert_true(SANITIZED || log_has(&mount, "stack of thread"));
	assert_true(SANITIZED || log_has(&mount, "faults.so+0x"));
	expect_poison("fault-abort", 2);
	expect_poison("fault-exit", 2);
	/* completed operations are not undone */
	expect_poison("fault-segv-after", 2);
	assert_true(is_made("fault-segv-after"));
}

static void stack_overflow(void **unused)
{
	(void)unused;
	expect_poison("fault-overflow", 2);
	assert_false(is_made("fault-overflow"));
}

/* Its death says nothing about the request, unless it is the same one repeatedly. */
static void kills(void **unused)
{
	(void)unused;
	expect_poison("fault-kill", 10);
	assert_false(is_made("fault-kill"));
}

static void hangs(void **unused)
{
	(void)unused;
	expect_poison("fault-hang", 2);
	assert_false(is_made("fault-hang"));
	assert_true(log_has(&mount,
			    path_of("has run longer than hang-limit, %.3g s", LIMIT_MILLISECONDS / 1000.0)));
	assert_true(log_has(&mount, "state S, in the kernel at"));
	assert_true(SANITIZED || log_has(&mount, "stack of thread"));
	expect_poison("fault-spin", 2);
	assert_false(is_made("fault-spin"));
}

/* --- other reasons --- */

static void one_that_was_stopped(void **unused)
{
	pid_t worker = worker_pid(&mount);

	(void)unused;
	/* only an idle worker is not replaced: the RELEASE of the status has been carried out */
	assert_true(wait_for(mount_is_idle(&mount)));
	check(kill(worker, SIGSTOP));
	usleep(3 * LIMIT_MILLISECONDS * 1000);
	assert_int_equal(kill(worker, 0), 0);
	check(write_text(at("stopped"), "goes on"));
	assert_int_not_equal(worker_pid(&mount), worker);
	assert_true(log_has(&mount, "and none is read"));
	assert_true(log_has(&mount, "state T"));
}

static void lock_and_wait(struct job *job, void *context)
{
	struct flock lock = {.l_type = F_WRLCK};

	atomic_fetch_add(&job->steps, 1);
	job_must(job, fcntl(*(int *)context, F_SETLKW, &lock) == 0);
}

/* A wait for a lock may last forever. */
static void waiting_is_no_hang(void **unused)
{
	_cleanup_close_ int fd = (int)check(open(at("locked"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	struct flock lock = {.l_type = F_WRLCK};
	pid_t worker = worker_pid(&mount);
	struct job *job;

	(void)unused;
	check(fcntl(fd, F_SETLK, &lock));
	job = job_start(lock_and_wait, &fd);
	assert_non_null(job);
	assert_true(job_goes_on(job, 0));
	usleep(4 * LIMIT_MILLISECONDS * 1000);
	assert_int_equal(worker_pid(&mount), worker);
	lock.l_type = F_UNLCK;
	check(fcntl(fd, F_SETLK, &lock));
	assert_int_equal(job_end(&job), 0);
}

static void without_a_limit(void **unused)
{
	pid_t worker;
	pid_t child;
	int status;

	(void)unused;
	check(write_text(mount.config, "[mount]\nhang-limit = 0\n"));
	check(kill(mount.supervisor, SIGHUP));
	assert_true(wait_for(log_has(&mount, "is in force")));
	worker = worker_stop(&mount);
	child = (pid_t)check(fork());
	if (child == 0)
		_exit(access(at("none"), F_OK) == 0);
	usleep(4 * LIMIT_MILLISECONDS * 1000);
	assert_int_equal(waitpid(child, &status, WNOHANG), 0);
	worker_continue(&mount, worker);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(worker_pid(&mount), worker);
}

static int start(void **unused)
{
	const struct mount_spec spec = {
		.config = path_of("[mount]\nhang-limit = %ums\n", LIMIT_MILLISECONDS),
		.preload = preload_path("faults"),
	};

	(void)unused;
	return mount_start(&mount, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(faults),          CASE(stack_overflow),       CASE(kills),
		CASE(hangs),           CASE(one_that_was_stopped), CASE(waiting_is_no_hang),
		CASE(without_a_limit),
	};
	const struct rlimit no_core = {0};

	if (geteuid() != 0)
		skip_program("root");
	setrlimit(RLIMIT_CORE, &no_core);
	/* signals caused here are no findings */
	preload_with_sanitizers("handle_segv=0:handle_abort=0:handle_sigbus=0");
	return cmocka_run_group_tests(cases, NULL, NULL);
}
