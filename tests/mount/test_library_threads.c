// SPDX-License-Identifier: MIT
/* tests/run: waits: for threads that take turns */
/*
 * libsegfs: threads of one process that share each struct segfs_object. What the objects guard is plain
 * memory, so that the thread sanitizer judges the order that they make. On a mount of segfs, with and without
 * passthrough, and in a directory of another file system.
 */
#include "tests/mount/objects.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define THREADS 4
#define ROUNDS  (unsigned int)rounds_of(2000)
#define OBJECTS 3

/* What the threads of a storm share. */
struct common {
	const struct storm *storm;
	struct segfs_object *objects[OBJECTS];
	unsigned long plain[OBJECTS][2]; /* each pair is equal under its object */
	unsigned long slots[THREADS];
	_Atomic int wrong; /* a line of this file, 0 = nothing */
};

/* Returns 0, or the line of what went wrong. */
struct storm {
	const char *name;
	enum segfs_kind kinds[OBJECTS];
	uint32_t initial, maximum; /* of all of them */
	int (*thread)(struct common *common, unsigned int me);
	unsigned long sum; /* of all pairs in the end, in rounds of one thread */
};

#define must(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			return __LINE__;                                                                     \
	} while (0)

static struct timespec in_a_minute(void)
{
	struct timespec deadline;

	return *segfs_deadline(&deadline, 60 * SECOND);
}

static bool change(unsigned long pair[2])
{
	pair[0]++;
	pair[1]++;
	return pair[0] == pair[1];
}

static int by_mutex(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();
	const bool twice = common->storm->kinds[0] == SEGFS_RECURSIVE_MUTEX;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		must(segfs_lock(common->objects[0], (i + me) % 2 ? &deadline : NULL, 0) == 0);
		must(!twice || segfs_lock(common->objects[0], NULL, SEGFS_TRY) == 0);
		must(change(common->plain[0]));
		must(!twice || segfs_unlock(common->objects[0]) == 0);
		must(segfs_unlock(common->objects[0]) == 0);
	}
	return 0;
}

static int by_rwlock(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();
	struct segfs_object *lock = common->objects[0];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		if ((i + me) % 4 == 0) {
			must(segfs_lock(lock, &deadline, 0) == 0);
			must(change(common->plain[0]));
		} else {
			must(segfs_lock_shared(lock, i % 2 ? &deadline : NULL, 0) == 0);
			must(common->plain[0][0] == common->plain[0][1]);
		}
		must(segfs_unlock(lock) == 0);
	}
	return 0;
}

static int by_semaphore(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();

	(void)me;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		must(segfs_wait(common->objects[0], &deadline, 0) == 0);
		must(change(common->plain[0]));
		must(segfs_post(common->objects[0], 1) == 0);
	}
	return 0;
}

static int by_auto_event(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();

	(void)me;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		must(segfs_wait(common->objects[0], &deadline, 0) == 0);
		must(change(common->plain[0]));
		must(segfs_set_event(common->objects[0]) == 0);
	}
	return 0;
}

static int by_any(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();

	(void)me;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		const int taken = segfs_wait_any(common->objects, OBJECTS, &deadline, 0);

		must(taken >= 0 && taken < OBJECTS);
		must(change(common->plain[taken]));
		must(segfs_post(common->objects[taken], 1) == 0);
	}
	return 0;
}

static int by_all_of_two(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();

	for (unsigned int i = 0; i < ROUNDS; i++) {
		const unsigned int first = (i + me) % OBJECTS, second = (first + 1) % OBJECTS;
		struct segfs_object *const two[] = {common->objects[first], common->objects[second]};

		must(segfs_wait_all(two, 2, &deadline, 0) == 0);
		must(change(common->plain[first]) && change(common->plain[second]));
		must(segfs_post(two[0], 1) == 0 && segfs_post(two[1], 1) == 0);
	}
	return 0;
}

/* A place for one number, which two threads fill and two empty. */
static int by_condition(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();
	struct segfs_object *mutex = common->objects[0], *condition = common->objects[1];
	const unsigned long wanted = me % 2;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		must(segfs_lock(mutex, NULL, 0) == 0);
		while (common->slots[0] != wanted)
			must(segfs_condition_wait(condition, mutex, &deadline, 0) == 0);
		common->slots[0] = !wanted;
		must(change(common->plain[0]));
		must(segfs_notify(condition, UINT32_MAX) == 0);
		must(segfs_unlock(mutex) == 0);
	}
	return 0;
}

/* Each writes its slot, then reads those of all. */
static int by_barrier(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();

	for (unsigned int i = 0; i < ROUNDS; i++) {
		int result;

		common->slots[me] = i;
		result = segfs_barrier_wait(common->objects[0], &deadline, 0);
		must(result >= 0);
		/* the last one alone */
		if (result == 1)
			must(change(common->plain[0]));
		for (unsigned int j = 0; j < THREADS; j++)
			must(common->slots[j] == i);
		must(segfs_barrier_wait(common->objects[0], &deadline, 0) >= 0);
	}
	return 0;
}

/* One tells all others by an event, which is reset when all have seen it. */
static int by_event(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();
	struct segfs_object *event = common->objects[0], *barrier = common->objects[1];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		int result;

		if (i % THREADS == me) {
			must(change(common->plain[0]));
			must(segfs_set_event(event) == 0);
		}
		must(segfs_wait(event, &deadline, 0) == 0);
		must(common->plain[0][0] == i + 1);
		result = segfs_barrier_wait(barrier, &deadline, 0);
		must(result >= 0 && (result == 0 || segfs_reset_event(event) == 0));
		must(segfs_barrier_wait(barrier, &deadline, 0) >= 0);
	}
	return 0;
}

/* The first rings, the second answers. A ring is heard once by those who share the object. */
static int by_doorbell(struct common *common, unsigned int me)
{
	const struct timespec deadline = in_a_minute();

	if (me > 1)
		return 0;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		if (me == 1)
			must(segfs_wait(common->objects[0], &deadline, 0) == 0);
		must(change(common->plain[0]));
		must(segfs_ring(common->objects[me]) == 0);
		if (me == 0)
			must(segfs_wait(common->objects[1], &deadline, 0) == 0);
	}
	return 0;
}

static const struct storm storms[] = {
	{"mutex", {SEGFS_MUTEX}, 0, 0, by_mutex, THREADS},
	{"recursive mutex", {SEGFS_RECURSIVE_MUTEX}, 0, 0, by_mutex, THREADS},
	{"reader-writer lock", {SEGFS_RWLOCK}, 0, 0, by_rwlock, THREADS / 4},
	{"semaphore", {SEGFS_SEMAPHORE}, 1, 1, by_semaphore, THREADS},
	{"event that resets itself", {SEGFS_AUTO_EVENT}, 1, 0, by_auto_event, THREADS},
	{"any", {SEGFS_SEMAPHORE, SEGFS_SEMAPHORE, SEGFS_SEMAPHORE}, 1, 1, by_any, THREADS},
	{"all", {SEGFS_SEMAPHORE, SEGFS_SEMAPHORE, SEGFS_SEMAPHORE}, 1, 1, by_all_of_two, 2 * THREADS},
	{"condition", {SEGFS_MUTEX, SEGFS_CONDITION}, 0, 0, by_condition, THREADS},
	{"barrier", {SEGFS_BARRIER}, 0, THREADS, by_barrier, 1},
	{"event", {SEGFS_EVENT, SEGFS_BARRIER}, 0, THREADS, by_event, 1},
	{"doorbell", {SEGFS_DOORBELL, SEGFS_DOORBELL}, 0, 0, by_doorbell, 2},
};

static const char *const names[OBJECTS] = {"first", "second", "third"};

struct argument {
	struct common *common;
	unsigned int me;
};

static void *run(void *context)
{
	const struct argument *argument = context;
	const int line = argument->common->storm->thread(argument->common, argument->me);

	if (line)
		atomic_store(&argument->common->wrong, line);
	return NULL;
}

static void storm_of(const struct storm *storm)
{
	struct common common = {.storm = storm};
	struct argument arguments[THREADS];
	pthread_t threads[THREADS];
	unsigned long sum = 0;

	for (size_t i = 0; i < OBJECTS && storm->kinds[i]; i++)
		common.objects[i] =
			make(names[i], storm->kinds[i], storm->initial,
			     storm->kinds[i] == SEGFS_BARRIER || storm->kinds[i] == SEGFS_SEMAPHORE
				     ? storm->maximum
				     : 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		arguments[i] = (struct argument){&common, i};
		assert_int_equal(pthread_create(&threads[i], NULL, run, &arguments[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (size_t i = 0; i < OBJECTS && common.objects[i]; i++)
		end(common.objects[i], names[i]);
	for (size_t i = 0; i < OBJECTS; i++)
		sum += common.plain[i][0];
	if (common.wrong || sum != storm->sum * ROUNDS)
		print_message("%s: line %d, %lu of %lu\n", storm->name, common.wrong, sum,
			      storm->sum * ROUNDS);
	assert_int_equal(common.wrong, 0);
	assert_int_equal(sum, storm->sum * ROUNDS);
}

static void threads_share_each_kind(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(storms) / sizeof(storms[0]); i++)
		/* it takes the word that a reader keeps, mapped twice (lib/client/kept.h), for two */
		if (!THREAD_SANITIZED || storms[i].thread != by_rwlock)
			storm_of(&storms[i]);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(threads_share_each_kind),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
