// SPDX-License-Identifier: MIT
/* Errors that segfs.h promises, and that no other test of libsegfs meets. */
#include "lib/base/cleanup.h"
#include "tests/lib/process.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#define PAGE      ((size_t)sysconf(_SC_PAGESIZE))
#define PAGE_SIZE 20 /* offset in the header of an object */
#define TOO_MUCH  ((uint64_t)1 << 50)
#define OPEN      "--open" /* argument: opens "named", the exit status is the errno */

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

static void a_limit_below_what_is_open(void **unused)
{
	struct segfs_segment *first, *second;

	(void)unused;
	if (!is_on_segfs())
		return;
	assert_int_equal(create("segment", PAGE, NULL), 0);
	first = opened("segment");
	second = opened("segment");
	assert_int_equal(segfs_set(first, "writers", "1"), -EBUSY);
	segfs_close(second);
	assert_int_equal(segfs_set(first, "writers", "1"), 0);
	segfs_close(first);
	assert_int_equal(segfs_remove("segment"), 0);
}

/* A regular file of procfs has no pages. */
static void a_file_that_cannot_be_mapped(void **unused)
{
	struct segfs_segment *segment = NULL;
	struct segfs_view *view = NULL;

	(void)unused;
	assert_int_equal(segfs_open("/proc/self/maps", 0, 0, &segment), 0);
	assert_int_equal(segfs_map(segment, 0, PAGE, 0, NULL, &view), -ENODEV);
	assert_int_equal(segfs_map(segment, 0, 0, 0, NULL, &view), -EINVAL);
	assert_null(view);
	segfs_close(segment);
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

static void a_wait_with_a_spoilt_mutex(void **unused)
{
	struct segfs_object *condition = make("condition", SEGFS_CONDITION, 0, 0);
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	_cleanup_close_ int fd = (int)check(open(at("mutex"), O_RDWR | O_CLOEXEC));
	const uint32_t nobody = 0;

	(void)unused;
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	assert_int_equal(pwrite(fd, &nobody, sizeof(nobody), (off_t)(PAGE - 8)), sizeof(nobody));
	assert_int_equal(segfs_condition_wait(condition, mutex, NULL, 0), -EBADMSG);
	assert_int_equal(segfs_unlock(mutex), -EPERM);
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(condition, "condition");
	end(mutex, "mutex");
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

/* --- mounts --- */

static struct mount other;

/* A mount namespace without mounts of segfs but these two; NULL = none. Returns 0 or -errno. */
static int see_only(const char *first, const char *second)
{
	FILE *mounts;
	const struct mntent *entry;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	mounts = setmntent("/proc/self/mounts", "re");
	if (!mounts)
		return -errno;
	while ((entry = getmntent(mounts)))
		if (strcmp(entry->mnt_type, "fuse.segfs") == 0 &&
		    strcmp(entry->mnt_dir, first ? first : "") != 0 &&
		    strcmp(entry->mnt_dir, second ? second : "") != 0)
			umount2(entry->mnt_dir, MNT_DETACH);
	endmntent(mounts);
	return 0;
}

/* Returns 0, or the number of the step that went wrong. */
static int choose_mount(void *unused)
{
	struct segfs_segment *segment;
	char text[3 * PATH_MAX];

	(void)unused;
	unsetenv("SEGFS_MOUNT");
	if (see_only(place, other.path) < 0)
		return 1;
	if (segfs_open("segment", 0, 0, &segment) != -ENOTUNIQ || create("new", 0, NULL) != -ENOTUNIQ ||
	    segfs_remove("segment") != -ENOTUNIQ)
		return 2;
	segfs_explain("segment", -ENOTUNIQ, text, sizeof(text));
	if (!strstr(text, place) || !strstr(text, other.path))
		return 3;
	if (umount2(other.path, MNT_DETACH) < 0 || segfs_open("segment", 0, 0, &segment) != 0)
		return 4;
	return 0;
}

static void two_mounts_are_one_too_many(void **unused)
{
	(void)unused;
	if (!is_on_segfs())
		return;
	assert_int_equal(create("segment", PAGE, NULL), 0);
	assert_int_equal(mount_start(&other, &(struct mount_spec){.tag = "other"}), 0);
	assert_int_equal(as_user(0, 0, choose_mount, NULL), 0);
	assert_int_equal(mount_stop(&other), 0);
	assert_int_equal(segfs_remove("segment"), 0);
}

/* Of the mount that the test has started itself. */
static void kill_supervisor(void)
{
	const pid_t worker = (pid_t)mount_status(&other, "worker_pid");

	assert_true(is_child_of(worker, other.supervisor));
	check(kill(other.supervisor, SIGKILL));
	assert_int_equal(check(waitpid(other.supervisor, NULL, 0)), other.supervisor);
	other.supervisor = 0;
	other.running = false;
	/* the worker ends with it */
	assert_true(wait_for(access(path_of("/proc/%d/fd/0", worker), F_OK) < 0));
}

static void the_daemon_is_gone(void **unused)
{
	const struct mount_spec spec = {.tag = "other"};
	const char *name, *object_name;
	struct segfs_segment *segment = NULL, *second = NULL;
	struct segfs_object *object = NULL;
	struct segfs_view *view;
	uint64_t size;
	char value[16];

	(void)unused;
	if (!is_on_segfs())
		return;
	assert_int_equal(mount_start(&other, &spec), 0);
	name = path_of("%s/segment", other.path);
	object_name = path_of("%s/object", other.path);
	assert_int_equal(create(name, PAGE, NULL), 0);
	segment = opened(name);
	assert_int_equal(segfs_map(segment, 0, 0, SEGFS_MAP_WRITE, NULL, &view), 0);
	memcpy(segfs_view_data(view), "text", sizeof("text"));
	assert_int_equal(segfs_object_create(object_name, SEGFS_SEMAPHORE,
					     &(struct segfs_object_creation){.mode = 0600}, &object),
			 0);
	assert_int_equal(segfs_post(object, 1), 0);
	kill_supervisor();
	/* a request in flight is aborted */
	assert_true(wait_for(segfs_open(name, 0, 0, &second) == -ENOTCONN));
	assert_int_equal(create(path_of("%s/new", other.path), 0, NULL), -ENOTCONN);
	assert_int_equal(segfs_resize(segment, 2 * PAGE), -ENOTCONN);
	assert_int_equal(segfs_set(segment, "commit", "yes"), -ENOTCONN);
	assert_int_equal(segfs_get(segment, "commit", value, sizeof(value)), -ENOTCONN);
	assert_int_equal(segfs_remove(name), -ENOTCONN);
	assert_int_equal(segfs_list(other.path, NULL, NULL), -ENOTCONN);
	assert_null(second);
	/* what is memory stays */
	assert_string_equal(segfs_view_data(view), "text");
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_wait(object, NULL, SEGFS_TRY), -EAGAIN);
	segfs_object_close(object);
	segfs_unmap(view);
	segfs_close(segment);
	assert_int_equal(mount_start(&other, &spec), 0);
	segment = opened(name);
	assert_int_equal(segfs_size(segment, &size), 0);
	assert_int_equal(size, PAGE);
	segfs_close(segment);
	assert_int_equal(mount_stop(&other), 0);
}

/* --- set-user-ID programs --- */

static int run_copy(void *path)
{
	const char *const argv[] = {path, OPEN, NULL};

	return run_program(argv);
}

/* Where no segfs is mounted. */
static int run_as_set_user_id(void *path)
{
	const int result = see_only(NULL, NULL);

	return result < 0 ? result : as_user(TEST_UID, TEST_GID, run_copy, path);
}

static void a_set_user_id_program_ignores_the_environment(void **unused)
{
	char path[PATH_MAX];
	const char *const copy[] = {"cp", path_of("/proc/%d/exe", getpid()), path, NULL};
	struct statvfs found;
	int ordinary, set_user_id;

	(void)unused;
	if (is_on_segfs())
		return;
	snprintf(path, sizeof(path), "%s/copy", test_directory());
	check(statvfs(test_directory(), &found));
	if (found.f_flag & ST_NOSUID || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
		skip_missing("set-user-id programs");
	assert_int_equal(create("named", PAGE, NULL), 0);
	assert_int_equal(run_program(copy), 0);
	check(chmod(path, 0755));
	ordinary = as_user(0, 0, run_as_set_user_id, path);
	check(chmod(path, 04755));
	set_user_id = as_user(0, 0, run_as_set_user_id, path);
	check(unlink(path));
	assert_int_equal(segfs_remove("named"), 0);
	/* the user may not reach the libraries of this build */
	if (ordinary == 127)
		skip_missing("set-user-id programs");
	assert_int_equal(ordinary, 0);
	assert_int_equal(set_user_id, ENODEV);
}

int main(int n, char **arguments)
{
#define CASE(function) cmocka_unit_test(function)
	static const struct CMUnitTest cases[] = {
		CASE(names_that_lead_nowhere),
		CASE(mounts_that_allow_less),
		CASE(attributes_that_cannot_be_had),
		CASE(views_that_cannot_follow),
		CASE(a_limit_below_what_is_open),
		CASE(a_file_that_cannot_be_mapped),
		CASE(an_object_of_other_pages),
		CASE(a_wait_with_a_spoilt_mutex),
		CASE(interrupted),
		CASE(two_mounts_are_one_too_many),
		CASE(the_daemon_is_gone),
		CASE(a_set_user_id_program_ignores_the_environment),
	};
	struct segfs_segment *segment;

	if (n == 2 && strcmp(arguments[1], OPEN) == 0)
		_exit(-segfs_open("named", 0, 0, &segment));
	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
