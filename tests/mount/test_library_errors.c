// SPDX-License-Identifier: MIT
/* Errors that segfs.h promises, and that no other test of libsegfs meets. */
#include "lib/base/cleanup.h"
#include "tests/lib/process.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define PAGE      ((size_t)sysconf(_SC_PAGESIZE))
#define PAGE_SIZE 20 /* offset in the header of an object */
#define TOO_MUCH  ((uint64_t)1 << 50)

static const struct segfs_attribute committed = {"commit", "yes"}, mandatory = {"lock", "mandatory"};

static int create(const char *name, uint64_t size, const struct segfs_attribute *attribute)
{
	const struct segfs_creation creation = {
		.size = size, .mode = 0666, .attributes = attribute, .n_attributes = attribute ? 1 : 0};
	struct segfs_segment *segment = NULL;
	const int result = segfs_create(name, &creation, &segment);

	segfs_close(segment);
	return result;
}

static struct segfs_segment *opened(const char *name)
{
	struct segfs_segment *segment = NULL;

	assert_int_equal(segfs_open(name, SEGFS_WRITE, 0, &segment), 0);
	return segment;
}

static void names_that_lead_nowhere(void **unused)
{
	struct segfs_segment *segment = NULL;
	char longest[PATH_MAX];

	(void)unused;
	/* it is short enough without the path of the mount */
	memset(longest, '/', sizeof(longest));
	longest[0] = 'a';
	longest[PATH_MAX - 2] = 'b';
	longest[PATH_MAX - 1] = '\0';
	assert_int_equal(create(longest, 0, NULL), -ENAMETOOLONG);
	check(symlink("loop", at("loop")));
	assert_int_equal(create("loop/name", 0, NULL), -ELOOP);
	assert_int_equal(segfs_open("loop", 0, 0, &segment), -ELOOP);
	assert_int_equal(segfs_remove("loop"), 0);
	check(mkdir(at("directory"), 0755));
	assert_int_equal(segfs_open("directory", 0, 0, &segment), -EISDIR);
	assert_int_equal(segfs_open("directory", SEGFS_WRITE, 0, &segment), -EISDIR);
	assert_int_equal(segfs_remove("directory"), -EISDIR);
	check(rmdir(at("directory")));
	check(mkfifo(at("fifo"), 0644));
	assert_int_equal(segfs_open("fifo", 0, 0, &segment), -ENXIO);
	assert_int_equal(segfs_open("fifo", SEGFS_WRITE, 0, &segment), -ENXIO);
	assert_int_equal(segfs_remove("fifo"), 0);
	assert_null(segment);
}

/* Runs a function in a child for which the directory is mounted with these flags as well. */
static int where_mounted(unsigned long flags, int (*function)(void))
{
	const pid_t child = (pid_t)check(fork());
	int status;

	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(place, place, NULL, MS_BIND, NULL) < 0 ||
		    mount(NULL, place, NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0)
			_exit(EXIT_FAILURE);
		_exit(-function());
	}
	check(waitpid(child, &status, 0));
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int create_new(void)
{
	return create("new", 0, NULL);
}

static int map_executable(void)
{
	struct segfs_segment *segment;
	struct segfs_view *view;
	const int result = segfs_open("segment", SEGFS_WRITE, 0, &segment);

	return result < 0 ? result : segfs_map(segment, 0, 0, SEGFS_MAP_EXECUTE, NULL, &view);
}

static void mounts_that_allow_less(void **unused)
{
	(void)unused;
	assert_int_equal(create("segment", PAGE, NULL), 0);
	assert_int_equal(where_mounted(MS_RDONLY, create_new), -EROFS);
	assert_int_equal(where_mounted(MS_NOEXEC, map_executable), -EPERM);
	assert_int_equal(segfs_remove("segment"), 0);
}

static int set_lifetime(void *unused)
{
	struct segfs_segment *segment;
	const int result = segfs_open("segment", SEGFS_WRITE, 0, &segment);

	(void)unused;
	return result < 0 ? result : segfs_set(segment, "lifetime", "last-close");
}

static void attributes_that_cannot_be_had(void **unused)
{
	struct segfs_segment *segment;
	char value[16];

	(void)unused;
	if (!is_on_segfs()) {
		assert_int_equal(create("segment", PAGE, &committed), -EOPNOTSUPP);
		return;
	}
	assert_int_equal(create("segment", PAGE, &mandatory), -EOPNOTSUPP);
	assert_int_equal(create("segment", TOO_MUCH, &committed), -ENOSPC);
	check_error(ENOENT, access(at("segment"), F_OK));
	assert_int_equal(create("segment", PAGE, &committed), 0);
	segment = opened("segment");
	assert_int_equal(segfs_resize(segment, TOO_MUCH), -ENOSPC);
	assert_int_equal(segfs_set(segment, "lock", "mandatory"), -EOPNOTSUPP);
	assert_int_equal(segfs_get(segment, "", value, sizeof(value)), -EINVAL);
	assert_int_equal(segfs_set(segment, "", "yes"), -EINVAL);
	assert_int_equal(as_user(TEST_UID, TEST_GID, set_lifetime, NULL), -EPERM);
	segfs_close(segment);
	assert_int_equal(segfs_remove("segment"), 0);
}

/* Returns what segfs_remap() does once there is no more memory to lock. */
static int lock_more(void *unused)
{
	const struct rlimit limit = {4 * PAGE, 4 * PAGE};
	struct segfs_segment *segment;
	struct segfs_view *view = NULL;
	int result = segfs_open("segment", SEGFS_WRITE, 0, &segment);

	(void)unused;
	if (result == 0 && setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		result = -errno;
	if (result == 0)
		result = segfs_map(segment, 0, 2 * PAGE, SEGFS_MAP_LOCK, NULL, &view);
	return result < 0 ? result : segfs_remap(view, segment, 0);
}

/* By another process, which follows it no further than it may. */
static void views_that_cannot_follow(void **unused)
{
	struct segfs_segment *segment;
	struct segfs_view *view;

	(void)unused;
	assert_int_equal(create("segment", 2 * PAGE, NULL), 0);
	segment = opened("segment");
	assert_int_equal(segfs_map(segment, 0, 0, 0, NULL, &view), 0);
	check(truncate(at("segment"), (off_t)(100 * PAGE)));
	/* sanitizers leave mlock(2) out */
	if (!SANITIZED)
		assert_int_equal(as_user(TEST_UID, TEST_GID, lock_more, NULL), -EAGAIN);
	assert_int_equal(segfs_remap(view, segment, SIZE_MAX), -EOVERFLOW);
	assert_int_equal(segfs_view_length(view), 2 * PAGE);
	assert_int_equal(segfs_remap(view, segment, 0), 0);
	assert_int_equal(segfs_view_length(view), 100 * PAGE);
	segfs_unmap(view);
	segfs_close(segment);
	assert_int_equal(segfs_remove("segment"), 0);
}

static void an_object_of_other_pages(void **unused)
{
	struct segfs_object *object = make("object", SEGFS_SEMAPHORE, 1, 1), *second = NULL;
	const uint32_t other = (uint32_t)(4 * PAGE);
	_cleanup_close_ int fd = (int)check(open(at("object"), O_RDWR | O_CLOEXEC));

	(void)unused;
	assert_int_equal(pwrite(fd, &other, sizeof(other), PAGE_SIZE), sizeof(other));
	assert_int_equal(segfs_object_open("object", 0, &second), -EBADMSG);
	end(object, "object");
}

static void hold_both(struct job *job, void *unused)
{
	(void)unused;
	job_must(job, segfs_lock(open_in_job(job, "mutex"), NULL, 0) == 0);
	job_must(job, segfs_lock(open_in_job(job, "rwlock"), NULL, 0) == 0);
	job_must(job, segfs_post(open_in_job(job, "held"), 1) == 0);
	pause();
}

static void interrupted(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct segfs_object *rwlock = make("rwlock", SEGFS_RWLOCK, 0, 0);
	struct segfs_object *held = make("held", SEGFS_SEMAPHORE, 0, 0);
	struct job *job = job_start(hold_both, NULL);
	struct sigaction before;

	(void)unused;
	assert_non_null(job);
	assert_int_equal(wait_for_a_while(held, 20 * SECOND), 0);
	interrupt_often(&before);
	assert_int_equal(segfs_lock(mutex, NULL, SEGFS_INTERRUPTIBLE), -EINTR);
	assert_int_equal(segfs_lock(rwlock, NULL, SEGFS_INTERRUPTIBLE), -EINTR);
	assert_int_equal(segfs_lock_shared(rwlock, NULL, SEGFS_INTERRUPTIBLE), -EINTR);
	assert_int_equal(segfs_wait_all(&held, 1, NULL, SEGFS_INTERRUPTIBLE), -EINTR);
	interrupt_no_more(&before);
	assert_int_equal(job_kill(&job), 0);
	end(mutex, "mutex");
	end(rwlock, "rwlock");
	end(held, "held");
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(names_that_lead_nowhere),       cmocka_unit_test(mounts_that_allow_less),
		cmocka_unit_test(attributes_that_cannot_be_had), cmocka_unit_test(views_that_cannot_follow),
		cmocka_unit_test(an_object_of_other_pages),      cmocka_unit_test(interrupted),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
