// SPDX-License-Identifier: MIT
/*
 * System V segments and the death of the worker: each operation killed at each of its system calls, and segments that are made, removed
 * and made again under one key while others open, read, map and list them, and workers die: all that is seen through one
 * open is of one segment.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/killpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/segments.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY        0xc0deu
#define PAGE       4096
#define PAGES_MAX  7
#define POINTS_MAX 400 /* more than any operation has */
#define READERS    3
#define KILLS      12

static struct mount mount;

static const char *at_key(uint32_t key)
{
	return path_of("%s/sysv/0x%08x", mount.path, key);
}

static int result_of(long long result)
{
	return result < 0 ? -errno : 0;
}

/* --- operations: 0, or -errno, -EBADMSG where what they found is wrong ---------------------------------------------- */

static bool is_made(off_t size)
{
	int id = shmget((key_t)KEY, 0, 0);
	struct shmid_ds found;

	return id >= 0 && shmctl(id, IPC_STAT, &found) == 0 && (off_t)found.shm_segsz == size && found.shm_nattch == 0 &&
	       (found.shm_perm.mode & 0777) == 0640 && segments_count() == 1;
}

static int make_with(int (*give)(int fd))
{
	_cleanup_close_ int fd = open(at_key(KEY), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	struct stat found;
	char byte = 0;
	int result;

	if (fd < 0)
		return -errno;
	result = give(fd);
	if (result < 0)
		return result;
	if (!is_made(PAGE + 1) || fstat(fd, &found) < 0 || found.st_size != PAGE + 1)
		return -EBADMSG;
	if (pwrite(fd, "m", 1, PAGE) != 1 || pread(fd, &byte, 1, PAGE) != 1)
		return -errno;
	return byte == 'm' ? 0 : -EBADMSG;
}

static int by_ftruncate(int fd)
{
	return result_of(ftruncate(fd, PAGE + 1));
}

static int by_fallocate(int fd)
{
	return result_of(fallocate(fd, 0, 0, PAGE + 1));
}

static int op_ftruncate(void)
{
	return make_with(by_ftruncate);
}

static int op_fallocate(void)
{
	return make_with(by_fallocate);
}

/* Also of the close(2), which has to say that nothing came of it. */
static int op_reserve(void)
{
	int fd = open(at_key(KEY), O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	if (close(fd) == 0 || errno != EINVAL)
		return -EBADMSG;
	return segments_count() == 0 ? 0 : -EBADMSG;
}

static int op_read(void)
{
	_cleanup_close_ int fd = open(at_key(KEY), O_RDONLY | O_CLOEXEC);
	char byte = 0;

	if (fd < 0)
		return -errno;
	return pread(fd, &byte, 1, PAGE) == 1 && byte == 's' ? 0 : -EBADMSG;
}

static int op_write_and_view(void)
{
	_cleanup_close_ int fd = open(at_key(KEY), O_RDWR | O_CLOEXEC);
	char *view;
	int result;

	if (fd < 0)
		return -errno;
	view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (view == MAP_FAILED || pwrite(fd, "W", 1, 7) != 1)
		return -errno;
	result = view[7] == 'W' && view[8] == 's' ? 0 : -EBADMSG;
	munmap(view, PAGE);
	return result;
}

static int op_keep_removed(void)
{
	_cleanup_close_ int fd = open(at_key(KEY), O_RDONLY | O_CLOEXEC);
	struct stat found;
	char byte = 0;

	if (fd < 0 || shmctl(shmget((key_t)KEY, 0, 0), IPC_RMID, NULL) < 0)
		return -errno;
	if (fstat(fd, &found) < 0)
		return -errno;
	return pread(fd, &byte, 1, PAGE) == 1 && byte == 's' && found.st_nlink == 0 && found.st_size == PAGE + 1 ? 0 : -EBADMSG;
}

static int op_attributes(void)
{
	struct shmid_ds found;

	if (chmod(at_key(KEY), 0604) < 0 || chown(at_key(KEY), 5, 6) < 0 || shmctl(shmget((key_t)KEY, 0, 0), IPC_STAT, &found) < 0)
		return -errno;
	if (strcmp(attribute(at_key(KEY), "last-pid"), path_of("%d", getpid())) != 0)
		return -EBADMSG;
	return (found.shm_perm.mode & 0777) == 0604 && found.shm_perm.uid == 5 && found.shm_perm.gid == 6 ? 0 : -EBADMSG;
}

static int op_list(void)
{
	return strcmp(listing(path_of("%s/sysv", mount.path)), "0x0000c0de ") == 0 ? 0 : -EBADMSG;
}

static int op_unlink(void)
{
	return result_of(unlink(at_key(KEY)));
}

static const struct operation {
	const char *name;
	int (*run)(void);
	bool has_segment; /* at the start */
	int left;         /* segments at the end */
} operations[] = {
	{"ftruncate", op_ftruncate, false, 1},
	{"fallocate", op_fallocate, false, 1},
	{"reserve", op_reserve, false, 0},
	{"read", op_read, true, 1},
	{"write and view", op_write_and_view, true, 1},
	{"keep removed", op_keep_removed, true, 0},
	{"attributes", op_attributes, true, 1},
	{"list", op_list, true, 1},
	{"unlink", op_unlink, true, 0},
};

/* Returns whether the worker was killed, that is, whether there is a further point. */
static bool try_point(const struct operation *operation, unsigned int n)
{
	struct killpoint point;
	bool killed;
	int result;
	int error;

	segments_clean(NULL);
	if (operation->has_segment)
		segment_fill(segment_make(KEY, PAGE + 1, 0600), PAGE + 1, 's');
	error = killpoint_set(&point, &mount, n);
	if (error)
		fail_msg("following the worker: %s", strerror(-error));
	result = operation->run();
	if (mount_verify(&mount, 0) < 0)
		fail_msg("%s, point %u", operation->name, n);
	killed = killpoint_end(&point, &mount);
	if (result != 0)
		fail_msg("%s, point %u: %s", operation->name, n, strerror(-result));
	if (!wait_for(segments_count() == operation->left))
		fail_msg("%s, point %u: %d segments", operation->name, n, segments_count());
	if (!wait_for(segments_pages() == (unsigned long)(operation->left ? 2 : 0)))
		fail_msg("%s, point %u: %lu pages", operation->name, n, segments_pages());
	if (!no_lost_descriptors(&mount))
		fail_msg("%s, after point %u", operation->name, n);
	return killed;
}

static void at_each_point(void **state)
{
	const char *filter = getenv("TEST_FILTER");
	unsigned int sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		unsigned int n = 1;

		if (filter && !strstr(operations[i].name, filter))
			continue;
		while (try_point(&operations[i], n) && n < POINTS_MAX)
			n++;
		assert_true(n > 4 && n < POINTS_MAX);
		if (!no_lost_backing_ids(&mount))
			fail_msg("%s", operations[i].name);
		sum += n - 1;
	}
	print_message("%u kills\n", sum);
}

/* --- incarnations --------------------------------------------------------------------------------------------------- */

/* Each has a number, which all of its pages show, once they are filled, and its size. */
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
		/* every other one has some time to be found */
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
		_cleanup_close_ int fd = open(at_key(KEY), (atomic_load(&job->steps) % 2 ? O_RDWR : O_RDONLY) | O_CLOEXEC);
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
		view = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
		job_must(job, view != MAP_FAILED);
		for (int round = 0; round < 3; round++) {
			for (size_t i = 0; i < pages; i++) {
				job_must(job, pread(fd, &page, sizeof(page), (off_t)(i * PAGE)) == sizeof(page));
				job_must(job, is_one(&number, page, pages));
				memcpy(&page, view + i * PAGE, sizeof(page));
				job_must(job, is_one(&number, page, pages));
			}
			job_must(job, pread(fd, &page, sizeof(page), found.st_size) == 0);
			job_must(job, fstat(fd, &found) == 0 && (size_t)found.st_size == pages * PAGE);
		}
		munmap(view, pages * PAGE);
	}
}

static void incarnations(bool killed)
{
	struct job *jobs[READERS + 1] = {NULL};

	jobs[0] = job_start(reincarnate, NULL);
	for (int i = 1; i <= READERS; i++)
		jobs[i] = job_start(look_at_incarnations, NULL);
	for (int i = 0; i < KILLS; i++) {
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

/* --- POSIX objects -------------------------------------------------------------------------------------------------- */

static char object[64]; /* the name of one of the test's own */

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
			job_must(job, pwrite(fd, &number, sizeof(number), (off_t)(i * PAGE)) == sizeof(number));
		job_must(job, shm_unlink(object) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void look_at_objects(struct job *job, void *context)
{
	(void)context;
	while (!atomic_load(&job->stop)) {
		_cleanup_close_ int fd = open(path_of("%s/posix%s", mount.path, object), O_RDONLY | O_CLOEXEC);
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
	for (int i = 0; i < KILLS; i++) {
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

static int set_up(void **unused)
{
	(void)unused;
	return mount_start(&mount, &(struct mount_spec){0});
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
		CASE(at_each_point),
		CASE(incarnations_are_not_mixed),
		CASE(nor_where_workers_die),
		CASE(objects_are_not_mixed),
	};

	if (geteuid() != 0)
		skip_program("root");
	snprintf(object, sizeof(object), "/segfs_test.%d.object", getpid());
	segments_isolate();
	return cmocka_run_group_tests(cases, set_up, tear_down);
}
