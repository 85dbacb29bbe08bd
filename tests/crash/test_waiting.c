// SPDX-License-Identifier: MIT
/*
 * A process that waits in a system call can be killed: at once if its request has not been read, soon if it
 * is being carried out.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/killpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SIZE       65536
#define PF_EXITING 0x4         /* of the flags in /proc/PID/stat */
#define LARGE      (2ll << 30) /* bytes whose allocation takes a large part of a second */
#define SMALL_PART (LARGE / 100)

static struct mount mount;

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* Whether a process has left its call and only frees its resources. */
static bool is_exiting(pid_t pid)
{
	char text[512];
	const char *fields;
	unsigned int flags = 0;

	if (read_text(path_of("/proc/%d/stat", pid), text, sizeof(text)) <= 0)
		return true;
	fields = strrchr(text, ')');
	assert_non_null(fields);
	assert_int_equal(sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %u", &flags), 1);
	return flags & PF_EXITING;
}

/* Sends SIGKILL to a job; returns whether it leaves its call in time. */
static bool leaves_call(struct job *job)
{
	assert_true(job->pid > 1);
	check(kill(job->pid, SIGKILL));
	return wait_for(is_exiting(job->pid));
}

/* Sends SIGKILL to a job; returns whether it dies in time. */
static bool dies(struct job *job)
{
	int status = 0;

	if (!leaves_call(job) || !wait_for(has_ended(job->pid)))
		return false;
	assert_int_equal(waitpid(job->pid, &status, 0), job->pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	munmap(job, sizeof(*job));
	return true;
}

/* --- while nobody takes requests --- */

static void call_stat(struct job *job, void *context)
{
	struct stat found;

	job_must(job, stat(context, &found) == 0);
}

static void call_open(struct job *job, void *context)
{
	job_must(job, open(context, O_RDWR | O_CLOEXEC) >= 0);
}

static void call_create(struct job *job, void *context)
{
	job_must(job, open(context, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) >= 0);
}

static void call_unlink(struct job *job, void *context)
{
	job_must(job, unlink(context) == 0);
}

static void call_read(struct job *job, void *context)
{
	char byte;

	job_must(job, pread(*(int *)context, &byte, 1, 0) == 1);
}

static void call_write(struct job *job, void *context)
{
	job_must(job, pwrite(*(int *)context, "w", 1, 0) == 1);
}

static void call_list(struct job *job, void *context)
{
	char buffer[4096];

	job_must(job, getdents64(*(int *)context, buffer, sizeof(buffer)) > 0);
}

/* Touches a page that is not in the mount's page cache. */
static void load_byte(struct job *job, void *context)
{
	const volatile char *view = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, *(int *)context, 0);

	job_must(job, view != MAP_FAILED);
	atomic_fetch_add(&job->steps, 1);
	job_must(job, view[0] == 'f');
}

/*
 * number: the system call in which the request waits; negative for a page fault. A job with an open file
 * leaves the call at once, and is gone once the worker has processed the close.
 */
static void dies_waiting(void (*call)(struct job *, void *), void *context, long number)
{
	pid_t worker = worker_stop(&mount);
	struct job *job = job_start(call, context);
	bool leaves;
	bool waits;

	assert_non_null(job);
	if (number >= 0)
		waits = wait_for(job_is_in_call(job, number));
	else
		waits = job_goes_on(job, 0) && wait_for(atomic_load(&job->steps) == 1);
	leaves = waits && leaves_call(job);
	worker_continue(&mount, worker);
	assert_true(waits);
	assert_true(leaves);
	assert_true(dies(job));
	assert_int_equal(worker_pid(&mount), worker);
}

static void requests_that_nobody_took(void **unused)
{
	static const struct {
		const char *name;
		void (*call)(struct job *job, void *context);
		long number;
	} calls[] = {
		{"file", call_stat, SYS_newfstatat},
		{"file", call_open, SYS_openat},
		{"new", call_create, SYS_openat},
		{"file", call_unlink, JOB_UNLINK},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char path[PATH_MAX]; /* what path_of() returns may be gone when the worker has stopped */

		snprintf(path, sizeof(path), "%s", at(calls[i].name));
		dies_waiting(calls[i].call, path, calls[i].number);
	}
	/* the request had no effect */
	assert_int_equal(access(path_of("%s/new", mount.store), F_OK), -1);
	check(access(path_of("%s/file", mount.store), F_OK));
}

static void reads_and_writes_that_nobody_took(void **unused)
{
	_cleanup_close_ int fd = (int)check(open(at("file"), O_RDWR | O_CLOEXEC));
	_cleanup_close_ int dir = (int)check(open(mount.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	char byte = 0;

	(void)unused;
	dies_waiting(call_read, &fd, SYS_pread64);
	dies_waiting(call_write, &fd, SYS_pwrite64);
	dies_waiting(call_list, &dir, SYS_getdents64);
	assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
	assert_int_equal(byte, 'f');
}

static void page_faults_that_nobody_took(void **unused)
{
	_cleanup_close_ int fd = (int)check(open(at("file"), O_RDWR | O_CLOEXEC));
	char byte = 0;

	(void)unused;
	dies_waiting(load_byte, &fd, -1);
	assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
	assert_int_equal(byte, 'f');
}

/* Processes that wait while a worker dies can be killed before the next reply, and leave nothing. */
static void deaths_of_both(void **unused)
{
	bool killed = true;
	unsigned int n;

	(void)unused;
	for (n = 1; killed && n < 100; n++) {
		struct killpoint point;
		struct job *job;

		assert_int_equal(killpoint_set(&point, &mount, n), 0);
		job = job_start(call_open, (void *)(uintptr_t)at("file"));
		assert_non_null(job);
		wait_for(killpoint_killed(&point) || has_ended(job->pid));
		kill(job->pid, SIGKILL);
		assert_true(wait_for(has_ended(job->pid)));
		assert_int_equal(waitpid(job->pid, NULL, 0), job->pid);
		munmap(job, sizeof(*job));
		/* the RELEASE that follows has points as well */
		assert_int_equal(mount_verify(&mount, 0), 0);
		killed = killpoint_end(&point, &mount);
		assert_int_equal(mount_verify(&mount, 0), 0);
		assert_true(no_lost_descriptors(&mount));
	}
	assert_true(n > 8 && n < 100);
	assert_true(no_lost_backing_ids(&mount));
}

static void open_and_wait(struct job *job, void *context)
{
	int fd = open(context, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	job_must(job, fd >= 0);
	for (;;)
		pause();
}

/*
 * A worker dies over an open, and the requester dies before there is a successor, as the supervisor is
 * stopped. Nothing stays open.
 */
static void deaths_over_an_open(void **unused)
{
	bool killed = true;

	(void)unused;
	for (unsigned int n = 1; killed; n++) {
		struct killpoint point;
		struct job *job;

		assert_true(n < 100);
		assert_int_equal(killpoint_set(&point, &mount, n), 0);
		check(kill(mount.supervisor, SIGSTOP));
		job = job_start(open_and_wait, (void *)(uintptr_t)at("opened"));
		assert_non_null(job);
		killed = wait_for(killpoint_killed(&point) || job_is_in_call(job, JOB_PAUSE)) &&
			 killpoint_killed(&point);
		check(kill(job->pid, SIGKILL));
		check(kill(mount.supervisor, SIGCONT));
		job_kill(&job);
		killpoint_end(&point, &mount);
		if (mount_verify(&mount, 0) < 0)
			fail_msg("point %u", n);
		check(unlink(at("opened")) == 0 || errno == ENOENT ? 0 : -1);
	}
}

/* --- while a request is carried out --- */

static unsigned long long bytes_used(void)
{
	struct statvfs found;

	check(statvfs(mount.store, &found));
	return (unsigned long long)(found.f_blocks - found.f_bfree) * found.f_frsize;
}

static void do_nothing(int number)
{
	(void)number;
}

static void allocate(struct job *job, void *context)
{
	const struct sigaction action = {.sa_handler = do_nothing};
	int fd = open(context, O_RDWR | O_CLOEXEC);

	job_must(job, fd >= 0);
	job_must(job, sigaction(SIGUSR1, &action, NULL) == 0);
	job_must(job, fallocate(fd, 0, 0, LARGE) < 0 && errno == EINTR);
}

/* Whether there is enough memory for it and the test itself. */
static bool has_room(void)
{
	struct statvfs found;

	check(statvfs(mount.store, &found));
	return (unsigned long long)found.f_bavail * found.f_frsize > 2 * LARGE &&
	       sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE) > 2 * LARGE;
}

static struct job *start_allocation(void)
{
	const unsigned long long before = bytes_used();
	struct job *job = job_start(allocate, (void *)(uintptr_t)at("file"));

	assert_non_null(job);
	assert_true(wait_for(bytes_used() > before + SMALL_PART));
	return job;
}

static void expect_not_allocated(unsigned long long before)
{
	struct stat found;

	/* a tmpfs frees the memory of an interrupted allocation */
	assert_true(wait_for(bytes_used() < before + LARGE / 2));
	check(stat(path_of("%s/file", mount.store), &found));
	assert_int_equal(found.st_size, SIZE);
	assert_int_equal(mount_verify(&mount, 0), 0);
}

static void long_allocation_killed(void **unused)
{
	const unsigned long long before = bytes_used();

	(void)unused;
	if (!has_room())
		skip_missing("4 GiB of memory");
	assert_true(dies(start_allocation()));
	expect_not_allocated(before);
}

static void long_allocation_interrupted(void **unused)
{
	const unsigned long long before = bytes_used();
	struct job *job;

	(void)unused;
	if (!has_room())
		skip_missing("4 GiB of memory");
	job = start_allocation();
	check(kill(job->pid, SIGUSR1));
	assert_int_equal(job_end(&job), 0);
	expect_not_allocated(before);
}

/* Other requests are served meanwhile. */
static void others_do_not_wait(void **unused)
{
	struct job *job;
	struct stat found;
	int served = 0;

	(void)unused;
	if (!has_room())
		skip_missing("4 GiB of memory");
	job = start_allocation();
	while (!has_ended(job->pid) && served < 100) {
		check(stat(at(path_of(".segfs/../.segfs/version")), &found));
		check(close((int)check(open(at("other"), O_RDWR | O_CREAT | O_CLOEXEC, 0600))));
		served++;
	}
	check(kill(job->pid, SIGUSR1));
	assert_int_equal(job_end(&job), 0);
	assert_int_equal(served, 100);
	check(unlink(at("other")));
}

/* --- modes --- */

static int start(const char *mode)
{
	static char bytes[SIZE + 1];
	const struct mount_spec spec = {
		.tag = mode,
		.options = path_of("io_mode=%s,mand,entry_timeout=0,attr_timeout=0", mode),
	};

	memset(bytes, 'f', SIZE);
	return mount_start(&mount, &spec) < 0 ? -1 : write_text(path_of("%s/file", mount.store), bytes);
}

static int verify(void **unused)
{
	(void)unused;
	return mount_verify(&mount, 0);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, verify)

int main(void)
{
	static const struct CMUnitTest direct[] = {
		CASE(requests_that_nobody_took),   CASE(deaths_of_both),
		CASE(deaths_over_an_open),         CASE(long_allocation_killed),
		CASE(long_allocation_interrupted), CASE(others_do_not_wait),
	};
	static const struct CMUnitTest mediated[] = {
		CASE(reads_and_writes_that_nobody_took),
		CASE(deaths_of_both),
	};
	static const struct CMUnitTest relayed[] = {
		CASE(page_faults_that_nobody_took),
		CASE(deaths_of_both),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = run_in_mode("usual", direct, sizeof(direct) / sizeof(direct[0]), start, stop);
	failed += run_in_mode("mediated", mediated, sizeof(mediated) / sizeof(mediated[0]), start, stop);
	failed += run_in_mode("relayed", relayed, sizeof(relayed) / sizeof(relayed[0]), start, stop);
	return failed;
}
