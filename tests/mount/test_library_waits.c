// SPDX-License-Identifier: MIT
/* tests/run: waits: for sleepers whom the dead have not woken */
/*
 * libsegfs: conditions, barriers, and waiting for all of several objects. On a mount of segfs, with and
 * without passthrough, and in a directory of another file system.
 */
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Starts a job, and waits until it sleeps. */
static struct job *start_sleeper(void (*function)(struct job *job, void *context), void *context)
{
	struct job *job = job_start(function, context);

	assert_non_null(job);
	assert_true(wait_for(atomic_load(&job->steps) > 0));
	assert_true(wait_for(job_is_in_call(job, SYS_futex)));
	return job;
}

/* --- conditions --- */

static void conditions_release_the_mutex(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_RECURSIVE_MUTEX, 0, 0);
	struct segfs_object *condition = make("condition", SEGFS_CONDITION, 0, 0);
	struct timespec deadline;
	struct segfs_object *other;

	(void)unused;
	segfs_deadline(&deadline, 0);
	assert_int_equal(segfs_condition_wait(condition, mutex, &deadline, 0), -EPERM);
	assert_int_equal(segfs_condition_wait(mutex, mutex, &deadline, 0), -EPROTOTYPE);
	assert_int_equal(segfs_condition_wait(condition, condition, &deadline, 0), -EPROTOTYPE);
	for (int i = 0; i < 2; i++)
		assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	assert_int_equal(segfs_condition_wait(condition, mutex, &deadline, SEGFS_TRY), -EINVAL);
	deadline.tv_nsec = -1;
	assert_int_equal(segfs_condition_wait(condition, mutex, &deadline, 0), -EINVAL);
	segfs_deadline(&deadline, 30 * MILLISECOND);
	assert_int_equal(segfs_condition_wait(condition, mutex, &deadline, 0), -ETIMEDOUT);
	/* it is locked as often as before */
	assert_int_equal(segfs_object_open("mutex", 0, &other), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(segfs_lock(other, NULL, SEGFS_TRY), -EAGAIN);
		assert_int_equal(segfs_unlock(mutex), 0);
	}
	assert_int_equal(segfs_unlock(mutex), -EPERM);
	assert_int_equal(segfs_lock(other, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(other), 0);
	/* nobody waits: nothing is stored */
	assert_int_equal(segfs_notify(condition, 0), 0);
	assert_int_equal(segfs_notify(condition, 1), 0);
	assert_int_equal(segfs_object_value(condition), 1);
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	segfs_deadline(&deadline, 30 * MILLISECOND);
	assert_int_equal(segfs_condition_wait(condition, mutex, &deadline, 0), -ETIMEDOUT);
	segfs_object_close(other);
	end(mutex, "mutex");
	end(condition, "condition");
}

static void wait_for_notification(struct job *job, void *wanted)
{
	struct segfs_object *mutex = open_in_job(job, "mutex");
	struct segfs_object *condition = open_in_job(job, "condition");

	job_must(job, segfs_lock(mutex, NULL, 0) >= 0);
	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_condition_wait(condition, mutex, NULL, 0) == *(int *)wanted);
	job_must(job, segfs_unlock(mutex) == 0);
}

static void lock_and_die(struct job *job, void *unused)
{
	(void)unused;
	job_must(job, segfs_lock(open_in_job(job, "mutex"), NULL, 0) == 0);
}

static void notified(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct segfs_object *condition = make("condition", SEGFS_CONDITION, 0, 0);
	struct job *jobs[3];
	int wanted = 0;
	long long begin;

	(void)unused;
	for (uint32_t n = 1; n <= 3; n += 2) {
		for (uint32_t i = 0; i < n; i++)
			jobs[i] = start_sleeper(wait_for_notification, &wanted);
		begin = milliseconds();
		assert_int_equal(segfs_notify(condition, n == 1 ? 1 : UINT32_MAX), 0);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(job_end(&jobs[i]), 0);
		assert_true(milliseconds() - begin < 900);
	}
	/* of one that was not woken others are told a second later */
	for (int i = 0; i < 2; i++)
		jobs[i] = start_sleeper(wait_for_notification, &wanted);
	assert_int_equal(segfs_notify(condition, 1), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	/* who dies meanwhile with the mutex is told of */
	wanted = SEGFS_ABANDONED;
	jobs[0] = start_sleeper(wait_for_notification, &wanted);
	assert_int_equal(job_run(lock_and_die, NULL), 0);
	assert_int_equal(segfs_notify(condition, 1), 0);
	assert_int_equal(job_end(&jobs[0]), 0);
	end(mutex, "mutex");
	end(condition, "condition");
}

static void interrupted_as_wanted(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct segfs_object *condition = make("condition", SEGFS_CONDITION, 0, 0);
	struct segfs_object *barrier = make("barrier", SEGFS_BARRIER, 0, 2);
	struct sigaction before;
	struct timespec deadline;

	(void)unused;
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	interrupt_often(&before);
	segfs_deadline(&deadline, 20 * SECOND);
	assert_int_equal(segfs_condition_wait(condition, mutex, &deadline, SEGFS_INTERRUPTIBLE), -EINTR);
	assert_int_equal(segfs_barrier_wait(barrier, &deadline, SEGFS_INTERRUPTIBLE), -EINTR);
	segfs_deadline(&deadline, 100 * MILLISECOND);
	assert_int_equal(segfs_condition_wait(condition, mutex, &deadline, 0), -ETIMEDOUT);
	interrupt_no_more(&before);
	assert_int_equal(segfs_object_value(barrier), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(mutex, "mutex");
	end(condition, "condition");
	end(barrier, "barrier");
}

#define ITEMS 2000

/* A queue of one place. */
struct queue {
	volatile int item; /* 0 = none */
	_Atomic int sum;
};

static void consume(struct job *job, void *context)
{
	struct segfs_object *mutex = open_in_job(job, "mutex");
	struct segfs_object *condition = open_in_job(job, "condition");
	struct queue *queue = context;
	int item;

	do {
		job_must(job, segfs_lock(mutex, NULL, 0) == 0);
		while (!queue->item)
			job_must(job, segfs_condition_wait(condition, mutex, NULL, 0) == 0);
		item = queue->item;
		queue->item = 0;
		job_must(job, segfs_notify(condition, UINT32_MAX) == 0);
		job_must(job, segfs_unlock(mutex) == 0);
		atomic_fetch_add(&queue->sum, item > 0 ? item : 0);
	} while (item > 0);
}

static void nothing_is_lost(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct segfs_object *condition = make("condition", SEGFS_CONDITION, 0, 0);
	struct queue *queue = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job *jobs[3];

	(void)unused;
	assert_ptr_not_equal(queue, MAP_FAILED);
	for (int i = 0; i < 3; i++)
		assert_non_null(jobs[i] = job_start(consume, queue));
	for (int i = 1; i <= ITEMS + 3; i++) {
		assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
		while (queue->item)
			assert_int_equal(segfs_condition_wait(condition, mutex, NULL, 0), 0);
		queue->item = i <= ITEMS ? i : -1;
		assert_int_equal(segfs_notify(condition, UINT32_MAX), 0);
		assert_int_equal(segfs_unlock(mutex), 0);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	assert_int_equal(queue->sum, ITEMS * (ITEMS + 1) / 2);
	munmap(queue, 4096);
	end(mutex, "mutex");
	end(condition, "condition");
}

/* --- barriers --- */

#define PARTIES 4
#define PHASES  300

static void go_through_phases(struct job *job, void *context)
{
	struct segfs_object *barrier = open_in_job(job, "barrier");
	_Atomic int *counts = context; /* [0]: who was the last one; [1]: who has arrived in this phase */

	for (int i = 0; i < PHASES; i++) {
		struct timespec deadline;
		int result;

		atomic_fetch_add(&counts[1], 1);
		result = segfs_barrier_wait(barrier, segfs_deadline(&deadline, 60 * SECOND), 0);
		job_must(job, result >= 0);
		job_must(job, atomic_load(&counts[1]) >= PARTIES * (i + 1));
		atomic_fetch_add(&counts[0], result);
	}
}

static void barriers_open_for_all(void **unused)
{
	struct segfs_object *barrier = make("barrier", SEGFS_BARRIER, 0, PARTIES);
	_Atomic int *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job *jobs[PARTIES];

	(void)unused;
	assert_ptr_not_equal(counts, MAP_FAILED);
	for (int i = 0; i < PARTIES; i++)
		assert_non_null(jobs[i] = job_start(go_through_phases, counts));
	for (int i = 0; i < PARTIES; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	assert_int_equal(counts[0], PHASES);
	assert_int_equal(counts[1], PARTIES * PHASES);
	assert_int_equal(segfs_object_value(barrier), 0);
	munmap(counts, 4096);
	end(barrier, "barrier");
}

static void arrive(struct job *job, void *unused)
{
	struct segfs_object *barrier = open_in_job(job, "barrier");

	(void)unused;
	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_barrier_wait(barrier, NULL, 0) == 0);
}

static void who_gives_up_has_not_arrived(void **unused)
{
	struct segfs_object *barrier = make("barrier", SEGFS_BARRIER, 0, 2);
	struct timespec deadline;
	struct job *job;

	(void)unused;
	assert_int_equal(segfs_barrier_wait(barrier, NULL, SEGFS_TRY), -EAGAIN);
	for (int i = 0; i < 3; i++) {
		segfs_deadline(&deadline, 20 * MILLISECOND);
		assert_int_equal(segfs_barrier_wait(barrier, &deadline, 0), -ETIMEDOUT);
		assert_int_equal(segfs_object_value(barrier), 0);
	}
	assert_int_equal(segfs_barrier_wait(barrier, NULL, 8), -EINVAL);
	job = start_sleeper(arrive, NULL);
	assert_int_equal(segfs_object_value(barrier), 1);
	/* the last one does not wait */
	assert_int_equal(segfs_barrier_wait(barrier, NULL, SEGFS_TRY), 1);
	assert_int_equal(job_end(&job), 0);
	/* who dies while he waits has arrived */
	job = start_sleeper(arrive, NULL);
	assert_int_equal(job_kill(&job), 0);
	assert_int_equal(segfs_barrier_wait(barrier, NULL, 0), 1);
	end(barrier, "barrier");
	barrier = make("barrier", SEGFS_BARRIER, 0, 1);
	for (int i = 0; i < 70000; i++)
		assert_int_equal(segfs_barrier_wait(barrier, NULL, 0), 1);
	end(barrier, "barrier");
}

/* --- all of several --- */

static void all_or_none(void **unused)
{
	struct segfs_object *semaphore = make("semaphore", SEGFS_SEMAPHORE, 1, 3);
	struct segfs_object *event = make("event", SEGFS_AUTO_EVENT, 0, 0);
	struct segfs_object *bell = make("bell", SEGFS_DOORBELL, 0, 0);
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct segfs_object *all[] = {semaphore, event, bell, semaphore};
	struct timespec deadline;

	(void)unused;
	assert_int_equal(segfs_wait_all(all, 0, NULL, 0), -EINVAL);
	assert_int_equal(segfs_wait_all(all, SEGFS_OBJECTS_MAX + 1, NULL, 0), -EINVAL);
	assert_int_equal(segfs_wait_all(&mutex, 1, NULL, 0), -EPROTOTYPE);
	assert_int_equal(segfs_wait_any(&mutex, 1, NULL, 0), -EPROTOTYPE);
	assert_int_equal(segfs_wait_all(all, 3, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_object_value(semaphore), 1);
	assert_int_equal(segfs_set_event(event), 0);
	assert_int_equal(segfs_ring(bell), 0);
	/* twice the same, of which there is one */
	segfs_deadline(&deadline, 50 * MILLISECOND);
	assert_int_equal(segfs_wait_all(all, 4, &deadline, 0), -ETIMEDOUT);
	assert_int_equal(segfs_object_value(semaphore), 1);
	assert_int_equal(segfs_object_value(event), 1);
	assert_int_equal(segfs_wait_all(all, 3, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_object_value(semaphore) + segfs_object_value(event), 0);
	assert_int_equal(segfs_wait(bell, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_post(semaphore, 2) + segfs_set_event(event) + segfs_ring(bell), 0);
	assert_int_equal(segfs_wait_all(all, 4, NULL, 0), 0);
	end(semaphore, "semaphore");
	end(event, "event");
	end(bell, "bell");
	end(mutex, "mutex");
}

static void wait_for_all(struct job *job, void *unused)
{
	struct segfs_object *all[] = {open_in_job(job, "semaphore"), open_in_job(job, "event")};

	(void)unused;
	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_wait_all(all, 2, NULL, 0) == 0);
}

static void woken_when_all_are_there(void **unused)
{
	struct segfs_object *semaphore = make("semaphore", SEGFS_SEMAPHORE, 0, 0);
	struct segfs_object *event = make("event", SEGFS_EVENT, 0, 0);
	struct job *job = start_sleeper(wait_for_all, NULL);
	long long begin;

	(void)unused;
	assert_int_equal(segfs_set_event(event), 0);
	assert_true(wait_for(job_is_in_call(job, SYS_futex)));
	begin = milliseconds();
	assert_int_equal(segfs_post(semaphore, 1), 0);
	assert_int_equal(job_end(&job), 0);
	assert_true(milliseconds() - begin < 900);
	assert_int_equal(segfs_object_value(semaphore), 0);
	end(semaphore, "semaphore");
	end(event, "event");
}

#define EATERS 4
#define MEALS  400

/* The dining philosophers: each waits for both of his forks. */
static void eat(struct job *job, void *context)
{
	const long seat = (long)(intptr_t)context;
	struct segfs_object *forks[2];

	for (int i = 0; i < 2; i++)
		forks[i] = open_in_job(job, path_of("fork%ld", (seat + i) % EATERS));
	for (int i = 0; i < MEALS; i++) {
		struct timespec deadline;

		job_must(job, segfs_wait_all(forks, 2, segfs_deadline(&deadline, 60 * SECOND), 0) == 0);
		job_must(job, segfs_post(forks[0], 1) == 0 && segfs_post(forks[1], 1) == 0);
	}
}

static void philosophers_dine(void **unused)
{
	struct segfs_object *forks[EATERS];
	struct job *jobs[EATERS];

	(void)unused;
	for (int i = 0; i < EATERS; i++)
		forks[i] = make(path_of("fork%d", i), SEGFS_SEMAPHORE, 1, 1);
	for (int i = 0; i < EATERS; i++)
		assert_non_null(jobs[i] = job_start(eat, (void *)(intptr_t)i));
	for (int i = 0; i < EATERS; i++)
		assert_int_equal(job_end(&jobs[i]), 0);
	for (int i = 0; i < EATERS; i++) {
		assert_int_equal(segfs_object_value(forks[i]), 1);
		end(forks[i], path_of("fork%d", i));
	}
}

/* --- a death at each instruction --- */

static struct segfs_object *victim, *its_mutex;

static void do_notify(void)
{
	segfs_notify(victim, 1);
}

static void do_wait(void)
{
	struct timespec now;

	segfs_lock(its_mutex, NULL, 0);
	/* which has passed: it does not sleep */
	segfs_condition_wait(victim, its_mutex, segfs_deadline(&now, 0), 0);
	segfs_unlock(its_mutex);
}

static void do_arrive(void)
{
	struct timespec now;

	segfs_barrier_wait(victim, segfs_deadline(&now, 0), 0);
}

static void do_arrive_last(void)
{
	segfs_barrier_wait(victim, NULL, 0);
}

/* Steps grow on segfs, where the instructions are the same. Each death before a wake-up costs a second. */
static unsigned int next_step(unsigned int n)
{
	return n + (is_on_segfs() || SANITIZED ? 1 + n / 8 : 2);
}

static void deaths_at_conditions(void **unused)
{
	int wanted = 0;

	(void)unused;
	for (int i = 0; i < 2; i++) {
		bool killed = true;

		for (unsigned int n = 1; killed; n = next_step(n)) {
			struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
			struct job *job;
			int result;

			victim = make("condition", SEGFS_CONDITION, 0, 0);
			its_mutex = mutex;
			killed = dies_after(i ? do_wait : do_notify, n);
			result = lock_for_a_while(mutex, 20 * SECOND);
			assert_true(result >= 0);
			assert_int_equal(segfs_clear_abandoned(mutex), 0);
			assert_int_equal(segfs_unlock(mutex), 0);
			/* others wait and are notified as ever */
			if (n % 4 == 0) {
				job = start_sleeper(wait_for_notification, &wanted);
				assert_int_equal(segfs_notify(victim, 1), 0);
				assert_int_equal(job_end(&job), 0);
			}
			end(mutex, "mutex");
			end(victim, "condition");
		}
	}
}

static void deaths_at_barriers(void **unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++) {
		bool killed = true;

		for (unsigned int n = 1; killed; n = next_step(n)) {
			struct job *job = NULL;
			uint32_t arrived;

			victim = make("barrier", SEGFS_BARRIER, 0, 2);
			/* somebody waits for the victim */
			if (i)
				job = start_sleeper(arrive, NULL);
			killed = dies_after(i ? do_arrive_last : do_arrive, n);
			arrived = segfs_object_value(victim);
			/* it has arrived or not; then this one is the last */
			if (!i)
				assert_true(arrived <= 1);
			if (i && arrived == 1)
				assert_int_equal(segfs_barrier_wait(victim, NULL, SEGFS_TRY), 1);
			if (job)
				assert_int_equal(job_end(&job), 0);
			end(victim, "barrier");
		}
	}
}

/* --- peers that write nonsense --- */

static void scribble(struct job *job, void *unused)
{
	int fd = open(at("object"), O_RDWR | O_CLOEXEC);
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	unsigned int random = 1;

	(void)unused;
	job_must(job, fd >= 0 && page != MAP_FAILED);
	for (;;) {
		random = random * 1103515245u + 12345u;
		*(volatile uint32_t *)(void *)(page + 4096 - 8) = random;
		atomic_fetch_add(&job->steps, 1);
	}
}

static void nonsense_harms_nobody(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);

	(void)unused;
	for (int i = 0; i < 2; i++) {
		struct segfs_object *object =
			make("object", i ? SEGFS_BARRIER : SEGFS_CONDITION, 0, i ? 3 : 0);
		struct job *job = job_start(scribble, NULL);

		assert_non_null(job);
		assert_true(wait_for(atomic_load(&job->steps) > 0));
		for (int j = 0; j < 200; j++) {
			long long begin = milliseconds();
			struct timespec deadline;
			int result;

			segfs_deadline(&deadline, MILLISECOND);
			if (i) {
				result = segfs_barrier_wait(object, &deadline, 0);
				assert_true(result >= 0 || result == -ETIMEDOUT || result == -EBADMSG);
			} else {
				assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
				result = segfs_condition_wait(object, mutex, &deadline, 0);
				assert_true(result == 0 || result == -ETIMEDOUT);
				assert_int_equal(segfs_unlock(mutex), 0);
			}
			assert_true(milliseconds() - begin < 5000);
			segfs_notify(object, 1);
		}
		assert_int_equal(job_kill(&job), 0);
		end(object, "object");
	}
	end(mutex, "mutex");
}

int main(void)
{
#define CASE(function) cmocka_unit_test(function)
	static const struct CMUnitTest cases[] = {
		CASE(conditions_release_the_mutex),
		CASE(notified),
		CASE(interrupted_as_wanted),
		CASE(nothing_is_lost),
		CASE(barriers_open_for_all),
		CASE(who_gives_up_has_not_arrived),
		CASE(all_or_none),
		CASE(woken_when_all_are_there),
		CASE(philosophers_dine),
		CASE(deaths_at_conditions),
		CASE(deaths_at_barriers),
		CASE(nonsense_harms_nobody),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
