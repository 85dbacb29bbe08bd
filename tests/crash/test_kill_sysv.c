// SPDX-License-Identifier: MIT
/*
 * System V segments across worker deaths: segments are created, removed and created again under one key while
 * others open, read, map and list them. Each open shows one segment only. For each system call of an
 * operation see test_kill_sources.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/segments.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY       0xc0deu
#define PAGE      4096
#define PAGES_MAX 7
#define READERS   3
#define KILLS     12

static struct mount mount;

static const char *at_key(uint32_t key)
{
	return path_of("%s/sysv/0x%08x", mount.path, key);
}

/* --- incarnations --- */

/* Each has a number, shown by its size and, once filled, by all of its pages. */
static size_t pages_of(uint64_t number)
{
	return 1 + number % PAGES_MAX;
}

static void reincarnate(struct job *job, void *context)
{
	(void)context;
	for (uint64_t number = 1; !atomic_load(&job->stop); number++) {
		const size_t pages = pages_of(number);
		int id = shmget((key_t)KEY, pages * PAGE, IPC_CREAT | IPC_EXCL | 0600);
		char *memory;

		job_must(job, id >= 0);
		memory = shmat(id, NULL, 0);
		job_must(job, memory != (char *)-1);
		for (size_t i = 0; i < pages; i++)
			memcpy(memory + i * PAGE, &number, sizeof(number));
		job_must(job, shmdt(memory) == 0);
		/* half of them exist for some time */
		if (number % 2)
			usleep((useconds_t)(number % 5) * 100);
		/* natively, or by its file */
		if (number % 3)
			job_must(job, shmctl(id, IPC_RMID, NULL) == 0);
		else
			job_must(job, unlink(at_key(KEY)) == 0 || errno == ENOENT);
		atomic_fetch_add(&job->steps, 1);
	}
}

/* 0: not filled yet. */
static bool is_one(uint64_t *number, uint64_t page, size_t pages)
{
	if (page == 0)
		return true;
	if (*number == 0)
		*number = page;
	return page == *number && pages_of(page) == pages;
}

static bool is_passing(void)
{
	return errno == ENOENT || errno == ESTALE;
}

static void look_at_incarnations(struct job *job, void *context)
{
	(void)context;
	while (!atomic_load(&job->stop)) {
		_cleanup_close_ int fd =
			open(at_key(KEY), (atomic_load(&job->steps) % 2 ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		struct stat found;
		uint64_t number = 0;
		uint64_t page;
		size_t pages;
		char *view;

		atomic_fetch_add(&job->steps, 1);
		job_must(job, fd >= 0 || is_passing());
		job_must(job, stat(at_key(KEY), &found) == 0 || is_passing());
		if (atomic_load(&job->steps) % 16 == 0)
			listing(path_of("%s/sysv", mount.path));
		if (fd < 0)
			continue;
		job_must(job, fstat(fd, &found) == 0);
		job_must(job, found.st_size > 0 && found.st_size % PAGE == 0);
		pages = (size_t)found.st_size / PAGE;
		/* NULL: without views */
		view = kernel_maps_uncached() ? mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0) : NULL;
		job_must(job, view != MAP_FAILED);
		for (int round = 0; round < 3; round++) {
			for (size_t i = 0; i < pages; i++) {
				job_must(job,
					 pread(fd, &page, sizeof(page), (off_t)(i * PAGE)) == sizeof(page));
				job_must(job, is_one(&number, page, pages));
				if (view)
					memcpy(&page, view + i * PAGE, sizeof(page));
				job_must(job, is_one(&number, page, pages));
			}
			job_must(job, pread(fd, &page, sizeof(page), found.st_size) == 0);
			job_must(job, fstat(fd, &found) == 0 && (size_t)found.st_size == pages * PAGE);
		}
		if (view)
			munmap(view, pages * PAGE);
	}
}

static void incarnations(bool killed)
{
	struct job *jobs[READERS + 1] = {NULL};

	jobs[0] = job_start(reincarnate, NULL);
	for (int i = 1; i <= READERS; i++)
		jobs[i] = job_start(look_at_incarnations, NULL);
	for (int i = 0; i < (int)rounds_of(KILLS); i++) {
		for (int n = 0; n <= READERS; n++)
			if (!jobs[n] || !job_goes_on(jobs[n], 40))
				goto out;
		if (killed)
			worker_replace(&mount);
	}
out:
	assert_int_equal(jobs_end(jobs, READERS + 1), 0);
	segments_clean(NULL);
	assert_int_equal(mount_verify(&mount, 0), 0);
	assert_true(wait_for(segments_pages() == 0));
	assert_true(no_lost_descriptors(&mount));
	assert_true(no_lost_backing_ids(&mount));
}

static void incarnations_are_not_mixed(void **state)
{
	(void)state;
	incarnations(false);
}

static void nor_where_workers_die(void **state)
{
	(void)state;
	incarnations(true);
}

/* --- POSIX objects --- */

static char object[64]; /* name of one of the test's own objects */

static void remove_object(void)
{
	shm_unlink(object);
}

static void remake_object(struct job *job, void *context)
{
	(void)context;
	for (uint64_t number = 1; !atomic_load(&job->stop); number++) {
		const size_t pages = pages_of(number);
		_cleanup_close_ int fd = shm_open(object, O_RDWR | O_CREAT | O_EXCL, 0600);

		job_must(job, fd >= 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
		for (size_t i = 0; i < pages; i++)
			job_must(job,
				 pwrite(fd, &number, sizeof(number), (off_t)(i * PAGE)) == sizeof(number));
		job_must(job, shm_unlink(object) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void look_at_objects(struct job *job, void *context)
{
	(void)context;
	while (!atomic_load(&job->stop)) {
		_cleanup_close_ int fd =
			open(path_of("%s/posix%s", mount.path, object), O_RDONLY | O_CLOEXEC);
		struct stat found;
		uint64_t number = 0;
		uint64_t page;

		atomic_fetch_add(&job->steps, 1);
		job_must(job, fd >= 0 || is_passing());
		if (fd < 0)
			continue;
		job_must(job, fstat(fd, &found) == 0);
		for (off_t i = 0; i < found.st_size; i += PAGE) {
			job_must(job, pread(fd, &page, sizeof(page), i) == sizeof(page));
			job_must(job, is_one(&number, page, (size_t)found.st_size / PAGE));
		}
	}
}

static void objects_are_not_mixed(void **state)
{
	struct job *jobs[READERS + 1] = {NULL};

	(void)state;
	jobs[0] = job_start(remake_object, NULL);
	for (int i = 1; i <= READERS; i++)
		jobs[i] = job_start(look_at_objects, NULL);
	for (int i = 0; i < (int)rounds_of(KILLS); i++) {
		for (int n = 0; n <= READERS; n++)
			if (!jobs[n] || !job_goes_on(jobs[n], 40))
				goto out;
		worker_replace(&mount);
	}
out:
	assert_int_equal(jobs_end(jobs, READERS + 1), 0);
	remove_object();
	assert_int_equal(mount_verify(&mount, 0), 0);
	assert_true(no_lost_descriptors(&mount));
	assert_true(no_lost_backing_ids(&mount));
}

static int start(const char *mode)
{
	return mount_start(&mount, &(struct mount_spec){.tag = mode, .options = mode_options(mode)});
}

static int tear_down(void **unused)
{
	(void)unused;
	remove_object();
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, segments_clean)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(incarnations_are_not_mixed),
		CASE(nor_where_workers_die),
		CASE(objects_are_not_mixed),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	snprintf(object, sizeof(object), "/segfs_test.%d.object", getpid());
	segments_isolate();
	failed = run_in_mode("direct", cases, sizeof(cases) / sizeof(cases[0]), start, tear_down);
	/* an open file that has gone is what the open has pinned */
	return failed + run_in_mode("relayed", cases, sizeof(cases) / sizeof(cases[0]), start, tear_down);
}
