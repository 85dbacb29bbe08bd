// SPDX-License-Identifier: MIT
/* libsegfs in posix/ and sysv/: where objects can be created, and who shares them. */
#include "lib/base/cleanup.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE ((size_t)sysconf(_SC_PAGESIZE))

static pid_t tester;

/* A name of the test's own in /dev/shm, which all tests share. */
static const char *own(void)
{
	return path_of("segfs_test.%d.object", tester);
}

static const char *native(void)
{
	return path_of("/dev/shm/%s", own());
}

static const char *through_mount(void)
{
	return path_of("posix/%s", own());
}

static const char *sysv_segment(void)
{
	return path_of("sysv/0x5e%06x", (unsigned int)tester & 0xffffff);
}

static int remove_own(void **unused)
{
	(void)unused;
	unlink(native());
	if (is_on_segfs())
		unlink(at(sysv_segment()));
	return 0;
}

static struct segfs_object *make_native(enum segfs_kind kind)
{
	const struct segfs_object_creation creation = {.mode = 0600};
	struct segfs_object *object = NULL;

	assert_int_equal(segfs_object_create(native(), kind, &creation, &object), 0);
	return object;
}

/* Whether views through the mount are of the pages that /dev/shm has. */
static bool shares_pages(void)
{
	struct segfs_segment *segment;
	char mode[16] = "";

	assert_int_equal(segfs_open(through_mount(), SEGFS_WRITE, 0, &segment), 0);
	assert_true(segfs_get(segment, "io-mode", mode, sizeof(mode)) > 0);
	segfs_close(segment);
	return strcmp(mode, "relayed") != 0;
}

static void objects_are_created_in_stores(void **unused)
{
	struct segfs_object_creation creation = {.mode = 0600};
	struct segfs_object *object = NULL;

	(void)unused;
	if (!is_on_segfs())
		return;
	assert_int_equal(segfs_object_create(through_mount(), SEGFS_EVENT, &creation, &object), -EOPNOTSUPP);
	check_error(ENOENT, access(native(), F_OK));
	assert_int_equal(segfs_object_create(sysv_segment(), SEGFS_EVENT, &creation, &object), -EOPNOTSUPP);
	check_error(ENOENT, access(at(sysv_segment()), F_OK));
	/* no key */
	assert_int_equal(segfs_object_create("sysv/1", SEGFS_EVENT, &creation, &object), -EINVAL);
	assert_null(object);
	segfs_object_close(make_native(SEGFS_EVENT));
	creation.flags = SEGFS_OPEN_EXISTING;
	assert_int_equal(segfs_object_create(through_mount(), SEGFS_EVENT, &creation, &object), 1);
	segfs_object_close(object);
}

static void wait_through_mount(struct job *job, void *unused)
{
	(void)unused;
	job_must(job, wait_for_a_while(open_in_job(job, through_mount()), 20 * SECOND) == 0);
}

static void who_waits_through_the_mount_is_woken_natively(void **unused)
{
	_cleanup_close_ int fd = -1;
	struct segfs_object *object;
	struct job *job;
	char *page;

	(void)unused;
	if (!is_on_segfs())
		return;
	object = make_native(SEGFS_SEMAPHORE);
	if (shares_pages()) {
		fd = (int)check(open(native(), O_RDWR | O_CLOEXEC));
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		assert_ptr_not_equal(page, MAP_FAILED);
		job = job_start(wait_through_mount, NULL);
		assert_non_null(job);
		/* who sleeps is found, and sleeps again; a sleep that nobody ends would last a second */
		assert_true(wait_for(syscall(SYS_futex, page + PAGE - 8, FUTEX_WAKE, 1, NULL, NULL, 0) == 1));
		assert_int_equal(segfs_post(object, 1), 0);
		assert_int_equal(job_end(&job), 0);
		assert_int_equal(segfs_object_value(object), 0);
		munmap(page, PAGE);
	}
	segfs_object_close(object);
}

static void lock_through_mount(struct job *job, void *unused)
{
	(void)unused;
	job_must(job, segfs_lock(open_in_job(job, through_mount()), NULL, 0) == 0);
	atomic_fetch_add(&job->steps, 1);
	pause();
}

static void what_the_dead_held_through_the_mount_is_told_natively(void **unused)
{
	struct segfs_object *mutex;
	struct job *job;

	(void)unused;
	if (!is_on_segfs())
		return;
	mutex = make_native(SEGFS_MUTEX);
	if (shares_pages()) {
		job = job_start(lock_through_mount, NULL);
		assert_non_null(job);
		assert_true(job_goes_on(job, 1));
		assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), -EAGAIN);
		assert_int_equal(job_kill(&job), 0);
		assert_int_equal(lock_for_a_while(mutex, 20 * SECOND), SEGFS_ABANDONED);
		assert_int_equal(segfs_unlock(mutex), 0);
	}
	segfs_object_close(mutex);
}

static void post_through_mount(struct job *job, void *unused)
{
	(void)unused;
	job_must(job, segfs_post(open_in_job(job, through_mount()), 1) == 0);
}

/* In every mode. */
static void all_users_of_the_mount_share(void **unused)
{
	struct segfs_object *object = NULL;

	(void)unused;
	if (!is_on_segfs())
		return;
	segfs_object_close(make_native(SEGFS_SEMAPHORE));
	assert_int_equal(segfs_object_open(through_mount(), SEGFS_SEMAPHORE, &object), 0);
	assert_int_equal(job_run(post_through_mount, NULL), 0);
	assert_int_equal(wait_for_a_while(object, 20 * SECOND), 0);
	segfs_object_close(object);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_teardown(function, remove_own)
	static const struct CMUnitTest cases[] = {
		CASE(objects_are_created_in_stores),
		CASE(who_waits_through_the_mount_is_woken_natively),
		CASE(what_the_dead_held_through_the_mount_is_told_natively),
		CASE(all_users_of_the_mount_share),
	};

	tester = getpid();
	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
