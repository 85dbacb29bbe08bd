// SPDX-License-Identifier: MIT
/* tests/run: waits: for sleepers whom the dead have not woken */
/*
 * libsegfs: the words that threads keep of reader-writer locks (lib/client/kept.h): over more locks than they
 * keep, the ends of threads, closing, and fork(2).
 */
#include "tests/lib/process.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOCKS  20   /* more than a thread keeps words of */
#define ROUNDS 2000 /* until words have given way to those of other locks */

/*
 * How many mappings this process shares with others, those of objects among them: maps has no names of files
 * that were made without one.
 */
static unsigned int mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	unsigned int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, " rw-s ") != NULL;
	fclose(maps);
	return n;
}

static void read_once(struct segfs_object *lock)
{
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(segfs_unlock(lock), 0);
}

static void *read_in_thread(void *lock)
{
	for (int i = 0; i < 3; i++)
		if (segfs_lock_shared(lock, NULL, 0) != 0 || segfs_unlock(lock) != 0)
			return lock;
	return NULL;
}

static void in_thread(void *(*function)(void *argument), void *argument)
{
	pthread_t thread;
	void *result;

	assert_int_equal(pthread_create(&thread, NULL, function, argument), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
}

/* --- one thread --- */

static void readings_count(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);

	(void)unused;
	assert_int_equal(segfs_unlock(lock), -EPERM);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(segfs_lock_shared(lock, NULL, i == 1 ? SEGFS_TRY : 0), 0);
		assert_int_equal(segfs_object_value(lock), 1);
		assert_int_equal(segfs_lock(lock, NULL, 0), -EDEADLK);
		for (int i = 0; i < 3; i++)
			assert_int_equal(segfs_unlock(lock), 0);
		assert_int_equal(segfs_unlock(lock), -EPERM);
		assert_int_equal(segfs_object_value(lock), 0);
		assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), 0);
		assert_int_equal(segfs_lock_shared(lock, NULL, 0), -EDEADLK);
		assert_int_equal(segfs_unlock(lock), 0);
	}
	end(lock, "lock");
}

static long faults(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_THREAD, &usage), 0);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Words give way to those of other locks, not while the thread reads by them, and not at each reading. */
static void more_locks_than_words(void **unused)
{
	const unsigned int before = mappings();
	struct segfs_object *locks[LOCKS];
	long faults_before;

	(void)unused;
	for (int i = 0; i < LOCKS; i++)
		locks[i] = make(path_of("lock%d", i), SEGFS_RWLOCK, 0, 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < LOCKS; i++)
			assert_int_equal(segfs_lock_shared(locks[i], NULL, 0), 0);
		for (int i = 0; i < LOCKS; i++)
			assert_int_equal(segfs_object_value(locks[i]), 1);
		for (int i = 0; i < LOCKS; i++)
			assert_int_equal(segfs_unlock(locks[i]), 0);
		faults_before = faults();
		for (int i = 0; i < LOCKS * ROUNDS; i++)
			read_once(locks[i % LOCKS]);
		assert_true(faults() - faults_before < LOCKS * ROUNDS / 10);
		for (int i = 0; i < LOCKS; i++)
			assert_int_equal(segfs_object_value(locks[i]), 0);
	}
	for (int i = 0; i < LOCKS; i++)
		end(locks[i], path_of("lock%d", i));
	assert_int_equal(mappings(), before);
}

/* Another peer has the word that this thread keeps. */
static void a_word_that_is_taken(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	const long page = sysconf(_SC_PAGESIZE);
	const uint32_t mine = (uint32_t)gettid();
	const off_t word = (off_t)(mine % SEGFS_READERS_MAX + 2) * page - 8;
	const uint32_t other = mine + 1, zero = 0;
	int fd = (int)check(open(at("lock"), O_RDWR | O_CLOEXEC));
	uint32_t now;

	(void)unused;
	read_once(lock);
	assert_int_equal(pwrite(fd, &other, 4, word), 4);
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(segfs_object_value(lock), 2);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(pread(fd, &now, 4, word), 4);
	assert_int_equal(now, other);
	assert_int_equal(pwrite(fd, &zero, 4, word), 4);
	/* it was taken away */
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(pwrite(fd, &zero, 4, word), 4);
	assert_int_equal(segfs_unlock(lock), -EBADMSG);
	assert_int_equal(segfs_unlock(lock), -EPERM);
	read_once(lock);
	close(fd);
	end(lock, "lock");
}

/* --- threads --- */

static void words_end_with_their_threads(void **unused)
{
	const unsigned int at_first = mappings();
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	unsigned int before;

	(void)unused;
	in_thread(read_in_thread, lock);
	before = mappings();
	for (int i = 0; i < 100; i++)
		in_thread(read_in_thread, lock);
	assert_int_equal(mappings(), before);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	end(lock, "lock");
	assert_int_equal(mappings(), at_first);
}

struct meeting {
	struct segfs_object *lock;
	pthread_barrier_t barrier;
};

/* Reads, and reads once more when the object may be closed by another thread. */
static void *outlive(void *context)
{
	struct meeting *meeting = context;
	void *result = read_in_thread(meeting->lock);

	pthread_barrier_wait(&meeting->barrier);
	pthread_barrier_wait(&meeting->barrier);
	for (int i = 0; i < LOCKS && !result; i++) {
		struct segfs_object *other;

		if (segfs_object_open("other", SEGFS_RWLOCK, &other) < 0)
			return context;
		result = read_in_thread(other);
		segfs_object_close(other);
	}
	return result;
}

/* What another thread has kept of a closed object is never taken for a word of the next one. */
static void closed_by_another_thread(void **unused)
{
	const unsigned int at_first = mappings();
	struct meeting meeting = {.lock = make("lock", SEGFS_RWLOCK, 0, 0)};
	struct segfs_object *other = make("other", SEGFS_RWLOCK, 0, 0);
	pthread_t thread;
	void *result;

	(void)unused;
	pthread_barrier_init(&meeting.barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, outlive, &meeting), 0);
	pthread_barrier_wait(&meeting.barrier);
	segfs_object_close(meeting.lock);
	assert_int_equal(segfs_object_open("lock", SEGFS_RWLOCK, &meeting.lock), 0);
	pthread_barrier_wait(&meeting.barrier);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	pthread_barrier_destroy(&meeting.barrier);
	assert_int_equal(segfs_lock(meeting.lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(meeting.lock), 0);
	end(meeting.lock, "lock");
	end(other, "other");
	assert_int_equal(mappings(), at_first);
}

static void closed_while_it_reads(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0), *closed;

	(void)unused;
	assert_int_equal(segfs_object_open("lock", SEGFS_RWLOCK, &closed), 0);
	read_once(closed);
	assert_int_equal(segfs_lock_shared(closed, NULL, 0), 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), -EAGAIN);
	segfs_object_close(closed);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), SEGFS_READER_DIED);
	assert_int_equal(segfs_clear_abandoned(lock), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	read_once(lock);
	end(lock, "lock");
}

static void *read_and_end(void *lock)
{
	return read_in_thread(lock) || segfs_lock_shared(lock, NULL, 0) != 0 ? lock : NULL;
}

static void threads_that_end_reading(void **unused)
{
	const unsigned int at_first = mappings();
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	unsigned int before;

	(void)unused;
	in_thread(read_and_end, lock);
	before = mappings();
	for (int i = 0; i < 10; i++)
		in_thread(read_and_end, lock);
	assert_int_equal(mappings(), before);
	assert_int_equal(lock_for_a_while(lock, 20 * SECOND), SEGFS_READER_DIED);
	assert_int_equal(segfs_clear_abandoned(lock), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	end(lock, "lock");
	assert_int_equal(mappings(), at_first);
}

static pthread_key_t at_end;
static int of_writer, of_reader; /* results at the end of a thread */

static void unlock_at_end(void *lock)
{
	of_writer = segfs_lock(lock, NULL, SEGFS_TRY);
	of_reader = segfs_unlock(lock);
}

static void *read_until_the_end(void *lock)
{
	return read_in_thread(lock) || segfs_lock_shared(lock, NULL, 0) != 0 ||
			       pthread_setspecific(at_end, lock) != 0
		       ? lock
		       : NULL;
}

/* The key is younger than that of the library, whose destructor comes first. */
static void unlocked_by_a_destructor(void **unused)
{
	const unsigned int at_first = mappings();
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);

	(void)unused;
	assert_int_equal(pthread_key_create(&at_end, unlock_at_end), 0);
	in_thread(read_until_the_end, lock);
	assert_int_equal(of_writer, -EDEADLK);
	assert_int_equal(of_reader, 0);
	pthread_key_delete(at_end);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	end(lock, "lock");
	assert_int_equal(mappings(), at_first);
}

/* --- processes --- */

static void child_uses_it(struct job *job, void *lock)
{
	/* the parent reads: it has not */
	job_must(job, segfs_unlock(lock) == -EPERM);
	job_must(job, segfs_lock(lock, NULL, SEGFS_TRY) == -EAGAIN);
	for (int i = 0; i < 3; i++) {
		job_must(job, segfs_lock_shared(lock, NULL, 0) == 0);
		job_must(job, segfs_object_value(lock) == 2);
		job_must(job, segfs_unlock(lock) == 0);
	}
}

static void child_ends_at_once(struct job *job, void *unused)
{
	(void)unused;
	/* as exit(3) does: with what its thread has registered to be done */
	if (fork() == 0)
		exit(0);
	job_must(job, wait(NULL) > 0);
}

static void children_keep_nothing(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	int status;
	pid_t child;

	(void)unused;
	read_once(lock);
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(job_run(child_uses_it, lock), 0);
	assert_int_equal(job_run(child_ends_at_once, NULL), 0);
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	/* a child that asks nothing of libsegfs while nobody reads */
	child = (pid_t)check(fork());
	if (child == 0)
		quick_exit(0);
	assert_int_equal(check(waitpid(child, &status, 0)), child);
	assert_int_equal(status, 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	end(lock, "lock");
}

static void *keep_meanwhile(void *context)
{
	struct meeting *meeting = context;
	void *result = read_in_thread(meeting->lock);

	pthread_barrier_wait(&meeting->barrier);
	pthread_barrier_wait(&meeting->barrier);
	return result;
}

/* Of threads that a child does not have. */
static void children_map_nothing(void **unused)
{
	struct meeting meeting = {.lock = make("lock", SEGFS_RWLOCK, 0, 0)};
	const unsigned int before = mappings();
	pthread_t thread;
	void *result;
	int status;
	pid_t child;

	(void)unused;
	pthread_barrier_init(&meeting.barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, keep_meanwhile, &meeting), 0);
	pthread_barrier_wait(&meeting.barrier);
	assert_int_equal(mappings(), before + 1);
	child = (pid_t)check(fork());
	if (child == 0)
		_exit(mappings() == before ? 0 : 1);
	assert_int_equal(check(waitpid(child, &status, 0)), child);
	assert_int_equal(status, 0);
	pthread_barrier_wait(&meeting.barrier);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	pthread_barrier_destroy(&meeting.barrier);
	end(meeting.lock, "lock");
}

int main(void)
{
#define CASE(function) cmocka_unit_test(function)
	static const struct CMUnitTest cases[] = {
		CASE(readings_count),           CASE(more_locks_than_words),
		CASE(a_word_that_is_taken),     CASE(words_end_with_their_threads),
		CASE(closed_by_another_thread), CASE(closed_while_it_reads),
		CASE(threads_that_end_reading), CASE(unlocked_by_a_destructor),
		CASE(children_keep_nothing),    CASE(children_map_nothing),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
