// SPDX-License-Identifier: MIT
/*
 * SIGUSR2: the program file replaces the running supervisor, unnoticed by users of the mount; or it fails,
 * and the running one continues. The program is a copy of the test's own, so that it can be replaced.
 */
#include "fs/state/arena.h"
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/load.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define UPGRADES 100
#define CLIENTS  8
#define SIZE     8192

static struct mount mount;
static char original[PATH_MAX]; /* the program under test */
static char program[PATH_MAX];  /* the running copy */

static const char *at(const char *name)
{
	return path_of("%s/%s", mount.path, name);
}

static void copy(const char *from, const char *to)
{
	_cleanup_close_ int in = (int)check(open(from, O_RDONLY | O_CLOEXEC));
	_cleanup_close_ int out = (int)check(open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755));
	char bytes[65536];
	ssize_t length;

	while ((length = check(read(in, bytes, sizeof(bytes)))) > 0)
		assert_int_equal(write(out, bytes, (size_t)length), length);
}

/* As a package manager does: the name refers to another file, and the running one has no name. */
static void replace_program(void)
{
	const char *next = path_of("%s.next", program);

	copy(original, next);
	check(rename(next, program));
}

static long long upgrades(void)
{
	return mount_status(&mount, "upgrades");
}

/* Requests an upgrade, and waits for success or failure. */
static void upgrade(void)
{
	long long before = upgrades();
	pid_t worker = worker_pid(&mount);

	check(kill(mount.supervisor, SIGUSR2));
	worker_wait_next(&mount, worker);
	assert_int_equal(upgrades(), before + 1);
}

static void expect_refusal(const char *why)
{
	pid_t worker = worker_pid(&mount);
	long long before = upgrades();

	assert_false(log_has(&mount, why));
	check(kill(mount.supervisor, SIGUSR2));
	assert_true(wait_for(log_has(&mount, why)));
	assert_true(wait_for(log_has(&mount, "this version continues")));
	assert_int_equal(worker_pid(&mount), worker);
	assert_int_equal(upgrades(), before);
	check(write_text(at("goes-on"), "goes on"));
}

static void wait_for_lock(struct job *job, void *context)
{
	struct flock lock = {.l_type = F_WRLCK};
	_cleanup_close_ int fd = open(context, O_RDWR | O_CLOEXEC);

	job_must(job, fd >= 0);
	atomic_fetch_add(&job->steps, 1);
	job_must(job, fcntl(fd, F_SETLKW, &lock) == 0);
	atomic_fetch_add(&job->steps, 1);
}

static void nobody_notices(void **unused)
{
	_cleanup_close_ int fd = (int)check(open(at("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	_cleanup_close_ int gone = (int)check(open(at("gone"), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	_cleanup_close_ int dir = (int)check(open(mount.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct flock lock = {.l_type = F_WRLCK};
	const pid_t supervisor = mount.supervisor;
	struct stat before;
	struct stat after;
	struct stat file;
	char exe[PATH_MAX] = "";
	struct job *job;
	char *view;
	char byte;

	(void)unused;
	check(ftruncate(fd, SIZE));
	view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	check(pwrite(gone, "g", 1, 0));
	check(unlink(at("gone")));
	check(fcntl(fd, F_SETLK, &lock));
	check(flock(gone, LOCK_EX));
	check(fstat(fd, &file));
	job = job_start(wait_for_lock, (void *)(uintptr_t)at("file"));
	assert_non_null(job);
	assert_true(job_goes_on(job, 0) && wait_for(atomic_load(&job->steps) == 1));

	check(stat(path_of("/proc/%d/exe", supervisor), &before));
	replace_program();
	upgrade();
	/* another file, the same process */
	assert_int_equal(mount_status(&mount, "supervisor_pid"), supervisor);
	check(stat(path_of("/proc/%d/exe", supervisor), &after));
	assert_int_not_equal(before.st_ino, after.st_ino);
	check(readlink(path_of("/proc/%d/exe", supervisor), exe, sizeof(exe) - 1));
	assert_string_equal(exe, program);
	assert_true(log_has(&mount, "has taken over"));

	memset(view, 'v', SIZE);
	assert_int_equal(check(pread(fd, &byte, 1, SIZE - 1)), 1);
	assert_int_equal(byte, 'v');
	assert_int_equal(check(pread(gone, &byte, 1, 0)), 1);
	assert_int_equal(byte, 'g');
	check(fstat(fd, &after));
	assert_int_equal(after.st_ino, file.st_ino);
	check(faccessat(dir, "file", F_OK, 0));
	/* the lock is held, and its waiter still waits */
	assert_int_equal(atomic_load(&job->steps), 1);
	lock.l_type = F_UNLCK;
	check(fcntl(fd, F_SETLK, &lock));
	assert_int_equal(job_end(&job), 0);
	/* and so on */
	for (int i = 0; i < 3; i++)
		upgrade();
	munmap(view, SIZE);
	assert_int_equal(mount_verify(&mount, 3), 0);
	assert_true(no_lost_descriptors(&mount));
	assert_true(no_lost_backing_ids(&mount));
}

static void the_configuration_is_read_again(void **unused)
{
	struct stat found;

	(void)unused;
	check(write_text(mount.config, "[mount]\nhang-limit = 7s\n[segment later]\nsize = 4096\n"));
	check_error(ENOENT, access(at("later"), F_OK));
	upgrade();
	assert_true(wait_for(stat(at("later"), &found) == 0));
	assert_int_equal(found.st_size, 4096);
}

static void under_load(void **unused)
{
	struct load load;
	bool goes_on = true;

	(void)unused;
	assert_int_equal(load_start(&load, &mount, LOAD_ANY, CLIENTS), 0);
	for (int i = 0; i < UPGRADES && goes_on; i++) {
		unsigned long done = load_operations(&load);

		upgrade();
		goes_on = wait_for(load_operations(&load) > done + 100);
	}
	assert_int_equal(load_end(&load), 0);
	assert_true(goes_on);
	assert_int_equal(mount_verify(&mount, 0), 0);
	assert_true(no_lost_descriptors(&mount));
	assert_true(no_lost_backing_ids(&mount));
	assert_false(log_has(&mount, "internal error"));
}

/* --- refusals --- */

static void no_file(void **unused)
{
	(void)unused;
	check(unlink(program));
	expect_refusal("upgrade refused: No such file or directory");
}

static void no_program(void **unused)
{
	(void)unused;
	check(unlink(program));
	check(write_text(program, "this is none"));
	check(chmod(program, 0755));
	expect_refusal("upgrade refused: the program file cannot be executed");
}

static void failed_check(void **unused)
{
	(void)unused;
	check(unlink(program));
	copy("/bin/false", program);
	expect_refusal("upgrade refused: the program file has not passed its check");
}

static void check_that_hangs(void **unused)
{
	(void)unused;
	check(unlink(program));
	check(write_text(program, "#!/bin/sh\nexec sleep 1000\n"));
	check(chmod(program, 0755));
	expect_refusal("upgrade refused: the program file has not finished its check");
}

/* A request during the check of an upgrade is not lost. */
static void asked_twice(void **unused)
{
	pid_t worker = worker_pid(&mount);
	long long before = upgrades();

	(void)unused;
	check(unlink(program));
	check(write_text(program, "#!/bin/sh\nsleep 1\nexit 1\n"));
	check(chmod(program, 0755));
	check(kill(mount.supervisor, SIGUSR2));
	replace_program();
	check(kill(mount.supervisor, SIGUSR2));
	worker_wait_next(&mount, worker);
	assert_int_equal(upgrades(), before + 1);
}

/* Changes the layout number in the supervisor's arena. */
static void set_layout(uint32_t layout)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/fd", mount.supervisor));
	const struct dirent *entry;
	char target[64];

	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		_cleanup_close_ int fd = -1;

		target[length > 0 ? length : 0] = 0;
		if (strncmp(target, "/memfd:segfs-arena", 18) != 0)
			continue;
		fd = (int)check(openat(dirfd(dir), entry->d_name, O_RDWR | O_CLOEXEC));
		assert_int_equal(pwrite(fd, &layout, sizeof(layout), offsetof(struct arena_header, layout)),
				 sizeof(layout));
		return;
	}
	fail_msg("no arena");
}

static void other_layout(void **unused)
{
	(void)unused;
	set_layout(ARENA_LAYOUT + 1);
	expect_refusal("keeps its state in layout");
	set_layout(ARENA_LAYOUT);
	upgrade();
}

static void wrong_configuration(void **unused)
{
	(void)unused;
	check(write_text(mount.config, "[mount]\nsize = many\n"));
	expect_refusal("size = many: not a size");
}

static void another_mount_point(void **unused)
{
	(void)unused;
	check(write_text(mount.config, "[mount]\npath = /elsewhere\n"));
	expect_refusal(path_of("path in [mount] is /elsewhere, but the mount is on %s", mount.path));
}

static int start_in(const char *mode)
{
	const struct mount_spec spec = {.config = "[mount]\n", .options = path_of("io_mode=%s", mode)};

	copy(original, program);
	return mount_start(&mount, &spec);
}

static int start(void **unused)
{
	(void)unused;
	return start_in("direct");
}

static int start_relayed(void **unused)
{
	(void)unused;
	return start_in("relayed");
}

static int stop(void **unused)
{
	int result;

	(void)unused;
	/* the harness runs it to purge the store */
	unlink(program);
	copy(original, program);
	result = mount_stop(&mount);
	unlink(program);
	return result;
}

#define CASE(function)         cmocka_unit_test_setup_teardown(function, start, stop)
#define CASE_RELAYED(function) cmocka_unit_test_setup_teardown(function, start_relayed, stop)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(nobody_notices),
		CASE_RELAYED(nobody_notices),
		CASE(the_configuration_is_read_again),
		CASE(under_load),
		CASE(no_file),
		CASE(no_program),
		CASE(failed_check),
		CASE(check_that_hangs),
		CASE(other_layout),
		CASE(asked_twice),
		CASE(wrong_configuration),
		CASE(another_mount_point),
	};

	if (geteuid() != 0)
		skip_program("root");
	/* before the harness reads it */
	if (!realpath(getenv("SEGFS") ? getenv("SEGFS") : "build/segfs", original))
		return EXIT_FAILURE;
	snprintf(program, sizeof(program), "%s/segfs", test_directory());
	copy(original, program);
	setenv("SEGFS", program, 1);
	return cmocka_run_group_tests(cases, NULL, NULL);
}
