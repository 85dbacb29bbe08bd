// SPDX-License-Identifier: MIT
/*
 * Deaths at the edges of the lives of worker and daemon: before the mount is ready, during recovery, a reload
 * of the configuration and unmount; of the supervisor; and workers that die at once, again and again.
 *
 * Workers that the mount does not know yet kill themselves, by endworker.so.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/preload.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/preload/endworker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define START_CALLS 120 /* more than the start of a worker makes */

static struct mount a_mount;
static struct mount *const m = &a_mount;
static struct end_worker *plan;

static const char *at(const char *name)
{
	return path_of("%s/%s", m->path, name);
}

/* The next `workers` workers kill themselves at their call number `call`. */
static void set_plan(int workers, int call, int number)
{
	const int started = atomic_load(&plan->started);

	atomic_store(&plan->last, 0);
	atomic_store(&plan->ended, 0);
	atomic_store(&plan->call, call);
	atomic_store(&plan->signal, number);
	atomic_store(&plan->first, started + 1);
	atomic_store(&plan->last, started + workers);
}

static void no_plan(void)
{
	atomic_store(&plan->last, 0);
	atomic_store(&plan->ended, 0);
}

static int start(const char *config)
{
	const struct mount_spec spec = {.preload = preload_path("endworker"), .config = config};

	return mount_start(m, &spec);
}

static int map_plan(void **unused)
{
	(void)unused;
	plan = preload_plan("endworker", "END_WORKER", sizeof(*plan));
	/* signals that kill workers here are no findings */
	preload_with_sanitizers("handle_segv=0:handle_abort=0");
	return plan ? 0 : -1;
}

static int stop(void **unused)
{
	(void)unused;
	no_plan();
	return mount_stop(m);
}

/* The mount works: a file is created, found in the store, and removed. */
static void expect_usable(void)
{
	char text[16];

	check(write_text(at("usable"), "yes"));
	check(read_text(path_of("%s/usable", m->store), text, sizeof(text)));
	assert_string_equal(text, "yes");
	check(unlink(at("usable")));
}

/* --- start and recovery --- */

static void the_first_worker_dies(void **unused)
{
	int most = 0;

	(void)unused;
	for (int call = 1; call <= START_CALLS; call++) {
		set_plan(1, call, SIGKILL);
		assert_int_equal(start(NULL), 0);
		if (atomic_load(&plan->ended) > 0)
			most = call;
		else if (call > most + 2)
			call = START_CALLS;
		no_plan();
		expect_usable();
		assert_int_equal(mount_stop(m), 0);
	}
	print_message("%d points\n", most);
	assert_true(most >= 15 && most < START_CALLS);
}

static void several_first_workers_die(void **unused)
{
	(void)unused;
	for (int call = 1; call <= 19; call += 6) {
		set_plan(5, call, SIGKILL);
		assert_int_equal(start(NULL), 0);
		assert_int_equal(atomic_load(&plan->ended), 5);
		expect_usable();
		assert_int_equal(mount_stop(m), 0);
	}
}

/* The worker is killed, and its two successors die at each point of their recovery. */
static void recovering_workers_die(void **unused)
{
	_cleanup_close_ int fd = -1;
	_cleanup_close_ int nameless = -1;
	int most = 0;
	char byte;

	(void)unused;
	no_plan();
	assert_int_equal(start(NULL), 0);
	fd = (int)check(open(at("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	nameless = (int)check(open(at("nameless"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	check(unlink(at("nameless")));
	assert_int_equal(check(write(fd, "f", 1)), 1);
	assert_int_equal(check(write(nameless, "n", 1)), 1);
	for (int call = 1; call <= START_CALLS; call++) {
		pid_t worker = worker_pid(m);

		set_plan(2, call, SIGKILL);
		worker_kill(m, worker);
		worker_wait_next(m, worker);
		if (atomic_load(&plan->ended) == 2)
			most = call;
		else if (call > most + 2)
			call = START_CALLS;
		no_plan();
		expect_usable();
		assert_int_equal(check(pread(fd, &byte, 1, 0)), 1);
		assert_int_equal(byte, 'f');
		assert_int_equal(check(pread(nameless, &byte, 1, 0)), 1);
		assert_int_equal(byte, 'n');
		assert_int_equal(mount_verify(m, 2), 0);
		assert_true(no_lost_descriptors(m) && no_lost_backing_ids(m));
	}
	print_message("%d points\n", most);
	assert_true(most >= 15 && most < START_CALLS);
	assert_false(log_has(m, "internal error"));
}

/* --- kills that are no crash loop, and one that is --- */

static void many_kills_without_load(void **unused)
{
	pid_t supervisor;

	(void)unused;
	no_plan();
	assert_int_equal(start(NULL), 0);
	supervisor = m->supervisor;
	for (int i = 0; i < 50; i++)
		worker_replace(m);
	assert_int_equal(mount_status(m, "workers_started"), 51);
	assert_int_equal(mount_status(m, "supervisor_pid"), supervisor);
	expect_usable();
}

static void wait_in_a_call(struct job *job, void *context)
{
	struct stat stat_buffer;

	while (stat(context, &stat_buffer) == 0)
		atomic_fetch_add(&job->steps, 1);
	/* the mount is gone, and a waiting request got an error */
	job_must(job, errno == ENOTCONN || errno == ECONNABORTED || errno == ENOENT || errno == ENODEV);
}

/* Waits for the end of a supervisor that gives up. Returns its exit status. */
static int wait_status(void)
{
	int status = 0;

	assert_true(wait_for(waitpid(m->supervisor, &status, WNOHANG) == m->supervisor));
	m->supervisor = 0;
	m->running = false;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void workers_that_always_crash(void **unused)
{
	const struct rlimit no_core = {0};
	struct job *job;
	char text[16];
	pid_t worker;

	(void)unused;
	setrlimit(RLIMIT_CORE, &no_core);
	no_plan();
	assert_int_equal(start(NULL), 0);
	check(write_text(at("stays"), "stays"));
	check(write_text(at("waits"), "waits"));
	job = job_start(wait_in_a_call, (void *)(uintptr_t)at("waits"));
	assert_non_null(job);
	assert_true(job_goes_on(job, 10));
	worker = worker_pid(m);
	set_plan(1000, 5, SIGABRT);
	worker_kill(m, worker);
	assert_int_equal(wait_status(), 1);
	assert_int_equal(job_end(&job), 0);
	assert_true(log_has(m, "giving up"));
	assert_true(log_has(m, "Aborted"));
	assert_true(atomic_load(&plan->ended) >= 5);
	/* nothing is mounted any more, and the segments remain */
	check_error(ENOENT, access(at("stays"), F_OK));
	check(read_text(path_of("%s/stays", m->store), text, sizeof(text)));
	assert_string_equal(text, "stays");

	no_plan();
	assert_int_equal(start(NULL), 0);
	check(read_text(at("stays"), text, sizeof(text)));
	assert_string_equal(text, "stays");
}

/* One crash, or a few, are no reason to give up. */
static void workers_that_crash_at_times(void **unused)
{
	(void)unused;
	no_plan();
	assert_int_equal(start(NULL), 0);
	for (int i = 0; i < 3; i++) {
		pid_t worker = worker_pid(m);

		set_plan(2, 4, SIGSEGV);
		worker_kill(m, worker);
		worker_wait_next(m, worker);
		assert_int_equal(atomic_load(&plan->ended), 2);
		expect_usable();
	}
	assert_true(log_has(m, "Segmentation fault"));
}

static void no_worker_ever_lives(void **unused)
{
	const char *const argv[] = {
		segfs_program(), "-f", "--log-level", "error", path_of("%s/never", test_directory()), NULL};
	_cleanup_close_ int standard = dup(STDERR_FILENO);
	_cleanup_close_ int log =
		open(path_of("%s/never.txt", test_directory()), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char text[1024];
	int status;

	(void)unused;
	set_plan(1000, 3, SIGABRT);
	check(mkdir(argv[4], 0755));
	fflush(NULL);
	dup2(log, STDERR_FILENO);
	setenv("LD_PRELOAD", preload_path("endworker"), 1);
	status = run_program(argv);
	unsetenv("LD_PRELOAD");
	dup2(standard, STDERR_FILENO);
	assert_int_equal(status, 1);
	check(read_text(path_of("%s/never.txt", test_directory()), text, sizeof(text)));
	assert_non_null(strstr(text, "giving up"));
	/* everything that this start created is removed: the directory is empty */
	check(rmdir(argv[4]));
}

/* --- reload --- */

#define SEGMENTS 40

/* A configuration with segments 0 to n - 1. */
static void write_config(int n)
{
	_cleanup_fclose_ FILE *file = fopen(m->config, "we");

	assert_non_null(file);
	for (int i = 0; i < n; i++)
		fprintf(file, "[segment s%d]\nsize = %dK\nmode = 0640\n", i, i + 1);
}

static bool has_segments(int n)
{
	struct stat stat_buffer;

	for (int i = 0; i < n; i++)
		if (stat(path_of("%s/s%d", m->store, i), &stat_buffer) < 0 ||
		    stat_buffer.st_size != (i + 1) * 1024 || stat_buffer.st_mode != (S_IFREG | 0640))
			return false;
	return true;
}

static bool config_says(int n)
{
	static char text[65536];

	return read_text(at(".segfs/config"), text, sizeof(text)) > 0 &&
	       strstr(text, path_of("[segment s%d]", n - 1)) && !strstr(text, path_of("[segment s%d]", n));
}

static void reloads(void **unused)
{
	(void)unused;
	no_plan();
	assert_int_equal(start("[segment s0]\nsize = 1K\nmode = 0640\n"), 0);
	for (int n = 2; n <= SEGMENTS; n++) {
		pid_t worker = worker_pid(m);

		write_config(n);
		check(kill(m->supervisor, SIGHUP));
		/* before or after the reload */
		for (int i = 0; i < n % 8; i++)
			(void)access(at("s0"), F_OK);
		worker_kill(m, worker);
		worker_wait_next(m, worker);
		/* the next worker repeats an interrupted reload */
		assert_true(wait_for(config_says(n)));
		assert_true(has_segments(n));
	}
	assert_false(log_has(m, "internal error"));
}

/* A reload requested while there is no worker is done by the next. */
static void reload_without_worker(void **unused)
{
	(void)unused;
	no_plan();
	assert_int_equal(start("[segment s0]\nsize = 1K\nmode = 0640\n"), 0);
	for (int n = 2; n < 6; n++) {
		pid_t worker = worker_pid(m);

		write_config(n);
		/* the third successor starts after a delay of tens of milliseconds */
		set_plan(2, 3, SIGSEGV);
		worker_kill(m, worker);
		assert_true(wait_for(atomic_load(&plan->ended) == 2));
		check(kill(m->supervisor, SIGHUP));
		worker_wait_next(m, worker);
		assert_true(wait_for(config_says(n)));
		assert_true(has_segments(n));
	}
}

/* --- the end --- */

static void unmount_after_kill(void **unused)
{
	(void)unused;
	for (int i = 0; i < 10; i++) {
		no_plan();
		assert_int_equal(start(NULL), 0);
		expect_usable();
		worker_kill(m, worker_pid(m));
		if (i % 2)
			check(kill(m->supervisor, SIGTERM));
		else
			assert_true(wait_for(umount2(m->path, UMOUNT_NOFOLLOW) == 0 || errno != EBUSY));
		assert_int_equal(wait_status(), 0);
		check_error(ENOENT, access(at(".segfs"), F_OK));
		assert_int_equal(mount_purge(m), 0);
		/* and another segfs can start there */
		assert_int_equal(start(NULL), 0);
		assert_int_equal(mount_stop(m), 0);
	}
}

static void the_supervisor_dies(void **unused)
{
	_cleanup_close_ int fd = -1;
	struct stat stat_buffer;
	char text[16];
	char *view;

	(void)unused;
	for (int i = 0; i < 4; i++) {
		pid_t worker;
		int status;

		no_plan();
		assert_int_equal(start(NULL), 0);
		if (i > 0) {
			check(read_text(at("segment"), text, sizeof(text)));
			assert_string_equal(text, path_of("of %d", i - 1));
		}
		check(write_text(at("segment"), path_of("of %d", i)));
		fd = (int)check(open(at("segment"), O_RDWR | O_CLOEXEC));
		view = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(view, MAP_FAILED);
		worker = i % 2 ? worker_stop(m) : worker_pid(m);
		check(kill(m->supervisor, SIGKILL));
		assert_int_equal(check(waitpid(m->supervisor, &status, 0)), m->supervisor);
		m->supervisor = 0;
		m->running = false;
		/* the worker ends with it, so that nobody waits for a reply forever */
		assert_true(wait_for(access(path_of("/proc/%d/fd/0", worker), F_OK) < 0));
		assert_true(wait_for(stat(at("segment"), &stat_buffer) < 0 && errno == ENOTCONN));
		check_error(ENOTCONN, open(at("segment"), O_RDONLY));
		/* views are memory and need no daemon; without passthrough it reads what they have not
		 * touched */
		if (kernel_has("passthrough")) {
			assert_int_equal(view[0], 'o');
			view[0] = 'O';
			view[0] = 'o';
		}
		munmap(view, 4096);
		cleanup_close(&fd);
		fd = -1;
	}
	assert_int_equal(start(NULL), 0);
	check(read_text(at("segment"), text, sizeof(text)));
	assert_string_equal(text, "of 3");
}

#define CASE(function) cmocka_unit_test_teardown(function, stop)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(the_first_worker_dies),     CASE(several_first_workers_die),
		CASE(recovering_workers_die),    CASE(many_kills_without_load),
		CASE(workers_that_always_crash), CASE(workers_that_crash_at_times),
		CASE(no_worker_ever_lives),      CASE(reloads),
		CASE(reload_without_worker),     CASE(unmount_after_kill),
		CASE(the_supervisor_dies),
	};

	if (geteuid() != 0)
		skip_program("root");
	return cmocka_run_group_tests_name("start", cases, map_plan, NULL);
}
