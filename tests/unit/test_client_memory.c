// SPDX-License-Identifier: MIT
/*
 * libsegfs without memory: each allocation and each mapping fails in turn, then all after it too. The result
 * is -ENOMEM, nothing leaks, and what could not be done can be done afterwards. And locks that were locked as
 * often as is possible.
 *
 * The allocator is replaced by a failing one, so this does not run with a sanitizer, which has its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/client/kept.h"
#include "lib/client/object.h"
#include "tests/unit/allocator.h"
#include "tests/unit/features.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char directory[] = "/tmp/segfs-test-client.XXXXXX";

#ifdef ALLOCATOR_FAILS
/* MAP_FIXED replaces what is mapped: it needs nothing that could be missing. */
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (!(flags & MAP_FIXED) && allocator_fails())
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}
#endif

static const char *at(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static struct segfs_object *make_lock(enum segfs_kind kind)
{
	const struct segfs_object_creation creation = {.mode = 0600};
	struct segfs_object *lock = NULL;

	need_robust_list();
	unlink(at("lock"));
	assert_int_equal(segfs_object_create(at("lock"), kind, &creation, &lock), 0);
	return lock;
}

#ifdef ALLOCATOR_FAILS
static unsigned int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static unsigned int count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	unsigned int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, directory) != NULL;
	fclose(maps);
	return n;
}

/* --- operations, which undo what they have done --- */

static int create_segment(void)
{
	const struct segfs_creation creation = {.size = 8192, .mode = 0600};
	struct segfs_segment *created;
	int result = segfs_create(at("new"), &creation, &created);

	if (result == 0)
		segfs_close(created);
	unlink(at("new"));
	return result;
}

static int open_segment(void)
{
	struct segfs_segment *opened;
	int result = segfs_open(at("segment"), SEGFS_WRITE, 0, &opened);

	if (result == 0)
		segfs_close(opened);
	return result;
}

static struct segfs_segment *segment;

static int map_segment(void)
{
	struct segfs_view *view;
	int result = segfs_map(segment, 0, 0, SEGFS_MAP_WRITE, NULL, &view);

	if (result == 0)
		segfs_unmap(view);
	return result;
}

static int count_entries(const struct segfs_entry *entry, void *context)
{
	(void)entry;
	++*(int *)context;
	return 0;
}

static int list_all(void)
{
	int n = 0;
	int result = segfs_list(directory, count_entries, &n);

	assert_true(result != 0 || n > 0);
	return result;
}

static int create_object(void)
{
	const struct segfs_object_creation creation = {.mode = 0600};
	struct segfs_object *object;
	int result = segfs_object_create(at("new"), SEGFS_RWLOCK, &creation, &object);

	if (result == 0)
		segfs_object_close(object);
	unlink(at("new"));
	return result;
}

static int open_object(void)
{
	struct segfs_object *object;
	int result = segfs_object_open(at("lock"), SEGFS_RWLOCK, &object);

	if (result == 0)
		segfs_object_close(object);
	return result;
}

/* New each time: what a thread has mapped of it stays mapped. */
static int use_lock(int (*use)(struct segfs_object *lock))
{
	struct segfs_object *lock;
	int result;

	allocator.counts = false;
	assert_int_equal(segfs_object_open(at("lock"), SEGFS_RWLOCK, &lock), 0);
	allocator.counts = true;
	result = use(lock);
	allocator.counts = false;
	if (result == 0)
		assert_int_equal(segfs_unlock(lock), 0);
	else
		assert_int_equal(segfs_unlock(lock), -EPERM);
	segfs_object_close(lock);
	return result;
}

static int read_by(struct segfs_object *lock)
{
	return segfs_lock_shared(lock, NULL, 0);
}

static int read_lock(void)
{
	return use_lock(read_by);
}

static int write_by(struct segfs_object *lock)
{
	return segfs_lock(lock, NULL, 0);
}

static int write_lock(void)
{
	return use_lock(write_by);
}

/* In a thread, which keeps nothing at first. */
struct attempt {
	int (*operation)(void);
	long n;
	bool all_after;
	int result;
};

static void *try(void *context)
{
	struct attempt *attempt = context;

	allocator_start(attempt->n, attempt->all_after);
	attempt->result = attempt->operation();
	allocator_stop();
	return NULL;
}

static int try_with(int (*operation)(void), long n, bool all_after)
{
	struct attempt attempt = {.operation = operation, .n = n, .all_after = all_after};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, try, &attempt), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return attempt.result;
}

/* fewest: failures that there must be; a word that cannot be kept is none. */
static void fails_at_each(int (*operation)(void), int fewest, bool all_after)
{
	const unsigned int descriptors = count_descriptors(), mappings = count_mappings();
	int failures = 0, successes = 0;

	/* after the last allocation all succeed */
	for (long n = 0; successes < 10; n++) {
		const int result = try_with(operation, n, all_after);

		assert_true(result == 0 || result == -ENOMEM);
		failures += result < 0;
		successes = result < 0 ? 0 : successes + 1;
		assert_int_equal(count_descriptors(), descriptors);
		assert_int_equal(count_mappings(), mappings);
	}
	assert_true(failures >= fewest);
}

static void without_memory(void **unused)
{
	const struct segfs_creation creation = {.size = 8192, .mode = 0600};
	struct segfs_object *lock = make_lock(SEGFS_RWLOCK);

	(void)unused;
	assert_int_equal(segfs_create(at("segment"), &creation, &segment), 0);
	/* a reader's page is used: who writes maps it */
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	segfs_object_close(lock);
	for (int all_after = 0; all_after < 2; all_after++) {
		fails_at_each(create_segment, 1, all_after);
		fails_at_each(open_segment, 1, all_after);
		fails_at_each(map_segment, 2, all_after);
		fails_at_each(list_all, 1, all_after);
		fails_at_each(create_object, 2, all_after);
		fails_at_each(open_object, 2, all_after);
		fails_at_each(write_lock, 2, all_after);
		fails_at_each(read_lock, all_after ? 2 : 0, all_after);
	}
	segfs_close(segment);
}
#endif

/* --- counts --- */

static void as_often_as_possible(void **unused)
{
	struct segfs_object *mutex = make_lock(SEGFS_RECURSIVE_MUTEX), *lock;
	struct kept *kept;

	(void)unused;
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	mutex->lock.holding->depth = UINT32_MAX;
	assert_int_equal(segfs_lock(mutex, NULL, 0), -EOVERFLOW);
	assert_int_equal(segfs_unlock(mutex), 0);
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	mutex->lock.holding->depth = 1;
	assert_int_equal(segfs_unlock(mutex), 0);
	segfs_object_close(mutex);
	lock = make_lock(SEGFS_RWLOCK);
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	kept = kept_find(&thread_current, lock->number);
	assert_non_null(kept);
	if (kept)
		kept->depth = UINT32_MAX;
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), -EOVERFLOW);
	if (kept)
		kept->depth = 1;
	assert_int_equal(segfs_unlock(lock), 0);
	/* and by a word that is not kept */
	kept_forget(&thread_current, lock->number);
	atomic_store(&lock->words->namespace, UINT64_MAX - 1);
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_null(kept_find(&thread_current, lock->number));
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	segfs_object_close(lock);
}

static int set_up(void **unused)
{
	(void)unused;
	return mkdtemp(directory) ? 0 : -1;
}

static int clean_up(void **unused)
{
	(void)unused;
	unlink(at("lock"));
	unlink(at("segment"));
	return rmdir(directory);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#ifdef ALLOCATOR_FAILS
		cmocka_unit_test(without_memory),
#endif
		cmocka_unit_test(as_often_as_possible),
	};

	return cmocka_run_group_tests(tests, set_up, clean_up);
}
