// SPDX-License-Identifier: MIT
/* tests/run: waits: for sleepers whom the dead have not woken */
/*
 * libsegfs: mutexes and reader-writer locks. On a mount of segfs, with and without passthrough, and in a
 * directory of another file system.
 */
#include "tests/lib/process.h"
#include "tests/lib/worker.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *shared_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(page, MAP_FAILED);
	return page;
}

/* --- mutexes --- */

static void mutexes_exclude(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct segfs_object *again;
	struct timespec deadline;

	(void)unused;
	assert_int_equal(segfs_unlock(mutex), -EPERM);
	assert_int_equal(segfs_clear_abandoned(mutex), -EPERM);
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	assert_int_equal(segfs_object_value(mutex), 1);
	assert_int_equal(segfs_lock(mutex, NULL, 0), -EDEADLK);
	assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), -EDEADLK);
	/* it is held through another object, as somebody else would */
	assert_int_equal(segfs_object_open("mutex", SEGFS_MUTEX, &again), 0);
	assert_int_equal(segfs_lock(again, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(lock_for_a_while(again, 30 * MILLISECOND), -ETIMEDOUT);
	assert_int_equal(segfs_unlock(again), -EPERM);
	assert_int_equal(segfs_unlock(mutex), 0);
	assert_int_equal(segfs_object_value(mutex), 0);
	assert_int_equal(segfs_lock(again, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(again), 0);
	segfs_object_close(again);
	assert_int_equal(segfs_abandoned(mutex), 0);
	assert_int_equal(segfs_lock(mutex, NULL, 4), -EINVAL);
	assert_int_equal(segfs_lock(mutex, &(struct timespec){0, -1}, 0), -EINVAL);
	assert_int_equal(segfs_lock_shared(mutex, NULL, 0), -EPROTOTYPE);
	assert_int_equal(segfs_wait(mutex, NULL, SEGFS_TRY), -EPROTOTYPE);
	assert_int_equal(segfs_post(mutex, 1), -EPROTOTYPE);
	assert_int_equal(segfs_barrier_wait(mutex, segfs_deadline(&deadline, 0), 0), -EPROTOTYPE);
	assert_int_equal(segfs_notify(mutex, 1), -EPROTOTYPE);
	end(mutex, "mutex");
	mutex = make("event", SEGFS_EVENT, 0, 0);
	assert_int_equal(segfs_lock(mutex, NULL, 0), -EPROTOTYPE);
	assert_int_equal(segfs_unlock(mutex), -EPROTOTYPE);
	assert_int_equal(segfs_abandoned(mutex), -EPROTOTYPE);
	assert_int_equal(segfs_clear_abandoned(mutex), -EPROTOTYPE);
	end(mutex, "event");
}

static void recursive_mutexes_count(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_RECURSIVE_MUTEX, 0, 0);
	struct segfs_object *again;

	(void)unused;
	assert_int_equal(segfs_object_open("mutex", SEGFS_MUTEX, &again), -EPROTOTYPE);
	assert_int_equal(segfs_object_open("mutex", SEGFS_RECURSIVE_MUTEX, &again), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(segfs_lock(again, NULL, SEGFS_TRY), -EAGAIN);
		assert_int_equal(segfs_unlock(mutex), 0);
	}
	assert_int_equal(segfs_unlock(mutex), -EPERM);
	assert_int_equal(segfs_lock(again, NULL, SEGFS_TRY), 0);
	segfs_object_close(again);
	end(mutex, "mutex");
}

/* --- deaths of who holds a mutex --- */

static void lock_and_stay(struct job *job, void *name)
{
	job_must(job, segfs_lock(open_in_job(job, name), NULL, 0) >= 0);
	atomic_fetch_add(&job->steps, 1);
	for (;;)
		pause();
}

static void dies_holding(const char *name)
{
	struct job *job = job_start(lock_and_stay, (void *)(uintptr_t)name);

	assert_non_null(job);
	assert_true(wait_for(atomic_load(&job->steps) > 0));
	assert_int_equal(job_kill(&job), 0);
}

static void death_is_told_until_cleared(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);

	(void)unused;
	dies_holding("mutex");
	assert_int_equal(segfs_abandoned(mutex), SEGFS_ABANDONED);
	assert_int_equal(segfs_object_value(mutex), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(segfs_lock(mutex, NULL, 0), SEGFS_ABANDONED);
		assert_int_equal(segfs_unlock(mutex), 0);
	}
	dies_holding("mutex");
	assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), SEGFS_ABANDONED);
	assert_int_equal(segfs_clear_abandoned(mutex), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(mutex, "mutex");
}

static void lock_in_job(struct job *job, void *context)
{
	struct segfs_object *mutex = open_in_job(job, "mutex");
	int wanted = *(int *)context;

	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_lock(mutex, NULL, 0) == wanted);
	job_must(job, segfs_clear_abandoned(mutex) == 0);
	job_must(job, segfs_unlock(mutex) == 0);
}

static void the_waiting_are_woken(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	int wanted = 0;

	(void)unused;
	for (wanted = 0; wanted <= SEGFS_ABANDONED; wanted++) {
		struct job *holder = NULL, *waiter;
		long long begin;

		if (wanted)
			holder = job_start(lock_and_stay, (void *)(uintptr_t) "mutex");
		else
			assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
		assert_true(!holder || wait_for(atomic_load(&holder->steps) > 0));
		waiter = job_start(lock_in_job, &wanted);
		assert_non_null(waiter);
		assert_true(wait_for(job_is_in_call(waiter, SYS_futex)));
		if (is_on_segfs())
			worker_replace(&mounted);
		begin = milliseconds();
		if (holder)
			assert_int_equal(job_kill(&holder), 0);
		else
			assert_int_equal(segfs_unlock(mutex), 0);
		assert_int_equal(job_end(&waiter), 0);
		/* not by looking again after a second */
		assert_true(milliseconds() - begin < 900);
	}
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(mutex, "mutex");
}

static void *lock_and_end(void *mutex)
{
	return (void *)(intptr_t)segfs_lock(mutex, NULL, 0);
}

static void in_thread(void *(*function)(void *argument), void *argument, int wanted)
{
	pthread_t thread;
	void *result;

	assert_int_equal(pthread_create(&thread, NULL, function, argument), 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, wanted);
}

/* POSIX: a robust mutex is inconsistent when its thread has ended. */
static void death_is_by_thread(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_RECURSIVE_MUTEX, 0, 0);

	(void)unused;
	in_thread(lock_and_end, mutex, 0);
	/* the next one takes over what the process knew of the dead thread */
	in_thread(lock_and_end, mutex, SEGFS_ABANDONED);
	assert_int_equal(segfs_unlock(mutex), -EPERM);
	assert_int_equal(segfs_lock(mutex, NULL, 0), SEGFS_ABANDONED);
	assert_int_equal(segfs_lock(mutex, NULL, 0), SEGFS_ABANDONED);
	assert_int_equal(segfs_clear_abandoned(mutex), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	assert_int_equal(segfs_unlock(mutex), -EPERM);
	in_thread(lock_and_end, mutex, 0);
	end(mutex, "mutex");
}

static void exec_with(struct job *job, void *name)
{
	job_must(job, segfs_lock(open_in_job(job, name), NULL, 0) == 0);
	execl("/bin/true", "true", (char *)NULL);
}

static void execve_ends_a_holder(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);

	(void)unused;
	assert_int_equal(job_run(exec_with, (void *)(uintptr_t) "mutex"), 0);
	assert_int_equal(segfs_lock(mutex, NULL, 0), SEGFS_ABANDONED);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(mutex, "mutex");
}

static void closing_ends_a_holder(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct segfs_object *closed;

	(void)unused;
	assert_int_equal(segfs_object_open("mutex", 0, &closed), 0);
	assert_int_equal(segfs_lock(closed, NULL, 0), 0);
	segfs_object_close(closed);
	assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), SEGFS_ABANDONED);
	assert_int_equal(segfs_clear_abandoned(mutex), 0);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(mutex, "mutex");
}

struct closed {
	struct segfs_object *mutex;
	pthread_barrier_t barrier;
};

static void *lock_until_told(void *context)
{
	struct closed *closed = context;
	int result = segfs_lock(closed->mutex, NULL, 0);

	pthread_barrier_wait(&closed->barrier);
	pthread_barrier_wait(&closed->barrier);
	return (void *)(intptr_t)result;
}

/* The entry in the list of the other thread stays mapped. */
static void closing_under_another_thread(void **unused)
{
	struct segfs_object *mutex;
	struct closed closed;
	pthread_t thread;
	void *result;

	(void)unused;
	/* what stays mapped would keep the mount busy */
	if (is_on_segfs())
		return;
	mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	assert_int_equal(segfs_object_open("mutex", 0, &closed.mutex), 0);
	pthread_barrier_init(&closed.barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, lock_until_told, &closed), 0);
	pthread_barrier_wait(&closed.barrier);
	segfs_object_close(closed.mutex);
	assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), -EAGAIN);
	pthread_barrier_wait(&closed.barrier);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_null(result);
	assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), SEGFS_ABANDONED);
	pthread_barrier_destroy(&closed.barrier);
	end(mutex, "mutex");
}

static void use_what_the_parent_has(struct job *job, void *mutex)
{
	struct timespec deadline;

	job_must(job, segfs_unlock(mutex) == -EPERM);
	job_must(job, segfs_lock(mutex, NULL, SEGFS_TRY) == -EAGAIN);
	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_lock(mutex, segfs_deadline(&deadline, 20 * SECOND), 0) == 0);
	/* and dies */
}

static void children_hold_nothing(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);
	struct job *job;

	(void)unused;
	assert_int_equal(segfs_lock(mutex, NULL, 0), 0);
	job = job_start(use_what_the_parent_has, mutex);
	assert_non_null(job);
	assert_true(wait_for(atomic_load(&job->steps) > 0));
	assert_int_equal(segfs_unlock(mutex), 0);
	assert_int_equal(job_end(&job), 0);
	assert_int_equal(segfs_lock(mutex, NULL, 0), SEGFS_ABANDONED);
	assert_int_equal(segfs_unlock(mutex), 0);
	end(mutex, "mutex");
}

static void in_namespaces(struct job *job, void *name)
{
	struct segfs_object *mutex;
	pid_t child;

	job_must(job, unshare(CLONE_NEWPID) == 0);
	for (int i = 0; i < 2; i++) {
		child = fork();
		job_must(job, child >= 0);
		if (child == 0) {
			/* 1 in its namespace, as in others */
			mutex = open_in_job(job, name);
			_exit(getpid() == i + 1 && segfs_lock(mutex, NULL, 0) >= 0 ? 0 : 1);
		}
		if (i == 0) {
			int status;

			job_must(job, waitpid(child, &status, 0) == child && status == 0);
			break; /* no process is made in a namespace whose first one has ended */
		}
	}
}

static void across_pid_namespaces(void **unused)
{
	struct segfs_object *mutex = make("mutex", SEGFS_MUTEX, 0, 0);

	(void)unused;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(job_run(in_namespaces, (void *)(uintptr_t) "mutex"), 0);
		assert_int_equal(segfs_lock(mutex, NULL, SEGFS_TRY), SEGFS_ABANDONED);
		assert_int_equal(segfs_clear_abandoned(mutex), 0);
		assert_int_equal(segfs_unlock(mutex), 0);
	}
	end(mutex, "mutex");
}

/* --- together with the mutexes of the C library --- */

#define EACH 3

struct both {
	pthread_mutex_t *theirs; /* EACH of them */
	struct segfs_object *ours[EACH];
};

static void init_robust(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	assert_int_equal(pthread_mutex_init(mutex, &attributes), 0);
}

/* order: a bit pattern of which are unlocked before the death, and whether first or last ones come first */
static void *lock_both(void *context)
{
	struct both *both = context;

	for (int i = 0; i < EACH; i++) {
		if (pthread_mutex_lock(&both->theirs[i]) || segfs_lock(both->ours[i], NULL, 0))
			return (void *)1;
	}
	return NULL;
}

static void unlock_some(struct both *both, unsigned int which, bool backwards)
{
	for (int i = 0; i < 2 * EACH; i++) {
		const int n = backwards ? 2 * EACH - 1 - i : i;

		if (!(which >> n & 1))
			continue;
		if (n % 2)
			assert_int_equal(segfs_unlock(both->ours[n / 2]), 0);
		else
			assert_int_equal(pthread_mutex_unlock(&both->theirs[n / 2]), 0);
	}
}

struct some {
	struct both *both;
	unsigned int which;
	bool backwards;
};

static void *lock_both_and_die(void *context)
{
	struct some *some = context;
	void *result = lock_both(some->both);

	if (!result)
		unlock_some(some->both, some->which, some->backwards);
	return result;
}

static void with_robust_mutexes_of_pthreads(void **unused)
{
	static const char *const names[EACH] = {"one", "two", "three"};
	struct both both = {.theirs = shared_page()};

	(void)unused;
	for (int i = 0; i < EACH; i++) {
		init_robust(&both.theirs[i]);
		both.ours[i] = make(names[i], SEGFS_MUTEX, 0, 0);
	}
	for (unsigned int which = 0; which < 1u << (2 * EACH); which++) {
		struct some some = {&both, which, which % 3 == 0};

		in_thread(lock_both_and_die, &some, 0);
		for (int i = 0; i < EACH; i++) {
			const bool theirs = which >> (2 * i) & 1, ours = which >> (2 * i + 1) & 1;

			assert_int_equal(pthread_mutex_trylock(&both.theirs[i]), theirs ? 0 : EOWNERDEAD);
			assert_int_equal(segfs_lock(both.ours[i], NULL, SEGFS_TRY),
					 ours ? 0 : SEGFS_ABANDONED);
			if (!theirs)
				assert_int_equal(pthread_mutex_consistent(&both.theirs[i]), 0);
			assert_int_equal(segfs_clear_abandoned(both.ours[i]), 0);
		}
		unlock_some(&both, (1u << (2 * EACH)) - 1, which % 2);
	}
	for (int i = 0; i < EACH; i++)
		end(both.ours[i], names[i]);
	munmap(both.theirs, 4096);
}

/* --- reader-writer locks --- */

static void readers_share_and_writers_do_not(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	struct segfs_object *other;

	(void)unused;
	assert_int_equal(segfs_object_open("lock", SEGFS_RWLOCK, &other), 0);
	assert_int_equal(segfs_unlock(lock), -EPERM);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
		assert_int_equal(segfs_lock_shared(other, NULL, SEGFS_TRY), 0);
	}
	assert_int_equal(segfs_object_value(lock), 2);
	assert_int_equal(segfs_lock(lock, NULL, 0), -EDEADLK);
	assert_int_equal(segfs_clear_abandoned(lock), -EPERM);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(segfs_unlock(lock), 0);
		assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), i ? -EAGAIN : -EDEADLK);
	}
	assert_int_equal(lock_for_a_while(lock, 30 * MILLISECOND), -ETIMEDOUT);
	/* a writer that has not come to its turn leaves nothing */
	assert_int_equal(segfs_lock_shared(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_unlock(other), 0);
	assert_int_equal(segfs_unlock(other), 0);
	assert_int_equal(segfs_unlock(other), -EPERM);
	assert_int_equal(segfs_lock(lock, NULL, 0), 0);
	assert_int_equal(segfs_object_value(other), UINT32_MAX);
	assert_int_equal(segfs_lock(lock, NULL, 0), -EDEADLK);
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), -EDEADLK);
	assert_int_equal(segfs_lock_shared(other, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(read_for_a_while(other, 30 * MILLISECOND), -ETIMEDOUT);
	assert_int_equal(segfs_lock(other, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(segfs_lock_shared(other, NULL, 8), -EINVAL);
	assert_int_equal(segfs_unlock(other), -EPERM);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_object_value(lock), 0);
	segfs_object_close(other);
	end(lock, "lock");
}

static void *read_once(void *lock)
{
	return (void *)(intptr_t)segfs_lock_shared(lock, NULL, 0);
}

static void *write_once(void *lock)
{
	return (void *)(intptr_t)segfs_lock(lock, NULL, 0);
}

/* A thread of this process waits in futex(2). */
static bool is_waiting(pid_t thread)
{
	char text[64];
	int fd = open(path_of("/proc/self/task/%d/syscall", thread), O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = '\0';
	return length > 0 && strtol(text, NULL, 10) == SYS_futex && text[0] != 'r';
}

struct waiting {
	struct segfs_object *lock;
	void *(*function)(void *lock);
	_Atomic pid_t thread;
};

static void *call(void *context)
{
	struct waiting *waiting = context;
	void *result;

	atomic_store(&waiting->thread, gettid());
	result = waiting->function(waiting->lock);
	segfs_unlock(waiting->lock);
	return result;
}

static pthread_t start_waiting(struct waiting *waiting)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, call, waiting), 0);
	assert_true(wait_for(atomic_load(&waiting->thread) && is_waiting(atomic_load(&waiting->thread))));
	return thread;
}

static void writers_come_to_their_turn(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	struct waiting writer = {.lock = lock, .function = write_once};
	struct waiting reader = {.lock = lock, .function = read_once};
	pthread_t threads[2];

	(void)unused;
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	threads[0] = start_waiting(&writer);
	threads[1] = start_waiting(&reader);
	/* who reads may do so once more: otherwise it would wait for itself */
	assert_int_equal(segfs_lock_shared(lock, NULL, 0), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_object_value(lock), 1);
	assert_int_equal(segfs_unlock(lock), 0);
	for (int i = 0; i < 2; i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
	assert_int_equal(segfs_object_value(lock), 0);
	end(lock, "lock");
}

struct many {
	struct segfs_object *lock;
	pthread_barrier_t barrier;
};

static void *read_together(void *context)
{
	struct many *many = context;
	int result = segfs_lock_shared(many->lock, NULL, 0);

	pthread_barrier_wait(&many->barrier);
	pthread_barrier_wait(&many->barrier);
	return (void *)(intptr_t)(result ? result : segfs_unlock(many->lock));
}

static void as_many_readers_as_there_are_pages(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	struct many many = {.lock = lock};
	pthread_t threads[SEGFS_READERS_MAX];

	(void)unused;
	pthread_barrier_init(&many.barrier, NULL, SEGFS_READERS_MAX + 1);
	for (int i = 0; i < SEGFS_READERS_MAX; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_together, &many), 0);
	pthread_barrier_wait(&many.barrier);
	assert_int_equal(segfs_object_value(lock), SEGFS_READERS_MAX);
	assert_int_equal(segfs_lock_shared(lock, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(read_for_a_while(lock, 30 * MILLISECOND), -ETIMEDOUT);
	pthread_barrier_wait(&many.barrier);
	assert_int_equal(read_for_a_while(lock, 20 * SECOND), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	for (int i = 0; i < SEGFS_READERS_MAX; i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
	pthread_barrier_destroy(&many.barrier);
	end(lock, "lock");
}

static void read_and_stay(struct job *job, void *name)
{
	job_must(job, segfs_lock_shared(open_in_job(job, name), NULL, 0) >= 0);
	atomic_fetch_add(&job->steps, 1);
	for (;;)
		pause();
}

static void write_after_readers(struct job *job, void *name)
{
	struct segfs_object *lock = open_in_job(job, name);

	atomic_fetch_add(&job->steps, 1);
	segfs_lock(lock, NULL, 0);
}

static struct job *start(void (*function)(struct job *job, void *name))
{
	struct job *job = job_start(function, (void *)(uintptr_t) "lock");

	assert_non_null(job);
	assert_true(wait_for(atomic_load(&job->steps) > 0));
	return job;
}

static void deaths_of_readers_and_writers(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	struct job *reader = start(read_and_stay), *writer;

	(void)unused;
	/* a writer that dies while it waits has written nothing */
	writer = start(write_after_readers);
	assert_true(wait_for(job_is_in_call(writer, SYS_futex)));
	assert_int_equal(segfs_lock_shared(lock, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(job_kill(&writer), 0);
	assert_int_equal(segfs_lock_shared(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), -EAGAIN);
	/* a reader's death lets a writer in, who is told */
	assert_int_equal(job_kill(&reader), 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), SEGFS_READER_DIED);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_abandoned(lock), SEGFS_READER_DIED);
	/* a writer's */
	writer = job_start(lock_and_stay, (void *)(uintptr_t) "lock");
	assert_true(wait_for(atomic_load(&writer->steps) > 0));
	assert_int_equal(segfs_lock_shared(lock, NULL, SEGFS_TRY), -EAGAIN);
	assert_int_equal(job_kill(&writer), 0);
	assert_int_equal(segfs_lock_shared(lock, NULL, SEGFS_TRY), SEGFS_ABANDONED | SEGFS_READER_DIED);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), SEGFS_ABANDONED | SEGFS_READER_DIED);
	assert_int_equal(segfs_clear_abandoned(lock), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_lock(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	assert_int_equal(segfs_lock_shared(lock, NULL, SEGFS_TRY), 0);
	assert_int_equal(segfs_unlock(lock), 0);
	end(lock, "lock");
}

/* The kernel wakes one; who reads wakes the others. */
static void all_readers_go_on_after_a_dead_writer(void **unused)
{
	struct segfs_object *lock = make("lock", SEGFS_RWLOCK, 0, 0);
	struct waiting readers[4];
	pthread_t threads[4];
	struct job *writer = start(lock_and_stay);
	long long begin;

	(void)unused;
	for (int i = 0; i < 4; i++) {
		readers[i] = (struct waiting){.lock = lock, .function = read_once};
		threads[i] = start_waiting(&readers[i]);
	}
	begin = milliseconds();
	assert_int_equal(job_kill(&writer), 0);
	for (int i = 0; i < 4; i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_int_equal((intptr_t)result, SEGFS_ABANDONED);
	}
	assert_true(milliseconds() - begin < 900);
	end(lock, "lock");
}

/* --- a death at each instruction --- */

static struct segfs_object *victim;
static _Atomic int *progress; /* 1 while the victim surely holds the lock */

static void lock_and_unlock(void)
{
	segfs_lock(victim, NULL, 0);
	atomic_store(progress, 1);
	atomic_store(progress, 2);
	segfs_unlock(victim);
}

static void read_and_unlock(void)
{
	segfs_lock_shared(victim, NULL, 0);
	atomic_store(progress, 1);
	atomic_store(progress, 2);
	segfs_unlock(victim);
}

static void lock_twice(void)
{
	segfs_lock(victim, NULL, 0);
	segfs_lock(victim, NULL, 0);
	atomic_store(progress, 1);
	atomic_store(progress, 2);
	segfs_unlock(victim);
	segfs_unlock(victim);
}

static void wait_for_it(struct job *job, void *name)
{
	struct segfs_object *object = open_in_job(job, name);
	struct timespec deadline;

	atomic_fetch_add(&job->steps, 1);
	job_must(job, segfs_lock(object, segfs_deadline(&deadline, 20 * SECOND), 0) >= 0);
	job_must(job, segfs_unlock(object) == 0);
}

static void dies_everywhere(enum segfs_kind kind, void (*function)(void), int told)
{
	unsigned int deaths = 0, held = 0, waited = 0, ended = 0;

	progress = shared_page();
	/*
	 * A child whose page of a reader is mapped ends earlier than others. The instructions are the same
	 * everywhere: on segfs steps grow, but less than the writing of a reader-writer lock has
	 * instructions.
	 */
	for (unsigned int n = 1; ended < 5; n += is_on_segfs() || SANITIZED ? 1 + n / 32 : 1) {
		struct job *job = NULL;
		bool killed;
		int result;

		victim = make("object", kind, 0, 0);
		atomic_store(progress, 0);
		/* the pages of readers are mapped, as they mostly are */
		if (n % 2 && kind == SEGFS_RWLOCK) {
			assert_int_equal(segfs_lock_shared(victim, NULL, 0), 0);
			assert_int_equal(segfs_unlock(victim), 0);
		}
		if (n % 5 == 0) {
			job = job_start(wait_for_it, (void *)(uintptr_t) "object");
			assert_non_null(job);
		}
		killed = dies_after(function, n);
		if (job)
			assert_int_equal(job_end(&job), 0);
		result = lock_for_a_while(victim, 20 * SECOND);
		assert_true(result == 0 || result == told);
		if (killed && atomic_load(progress) == 1)
			assert_int_equal(result, told);
		if (!killed)
			assert_int_equal(result, 0);
		held += result == told;
		waited += n % 5 == 0;
		assert_int_equal(segfs_clear_abandoned(victim), 0);
		assert_int_equal(segfs_unlock(victim), 0);
		assert_int_equal(segfs_lock(victim, NULL, SEGFS_TRY), 0);
		assert_int_equal(segfs_unlock(victim), 0);
		end(victim, "object");
		deaths += killed;
		ended += !killed;
	}
	print_message("%u deaths, %u while it was held, %u while another waited\n", deaths, held, waited);
	assert_true(deaths > 20 && held > 0 && held < deaths);
	munmap(progress, 4096);
}

static void a_death_at_each_instruction(void **unused)
{
	(void)unused;
	dies_everywhere(SEGFS_MUTEX, lock_and_unlock, SEGFS_ABANDONED);
	dies_everywhere(SEGFS_RECURSIVE_MUTEX, lock_twice, SEGFS_ABANDONED);
	dies_everywhere(SEGFS_RWLOCK, lock_and_unlock, SEGFS_ABANDONED);
	dies_everywhere(SEGFS_RWLOCK, read_and_unlock, SEGFS_READER_DIED);
}

/* --- storms --- */

#define PROCESSES 8
#define ROUNDS    2000

struct storm {
	enum segfs_kind kind;
	volatile unsigned long *words; /* that are equal under the lock */
	_Atomic unsigned long *deaths; /* told */
	bool kills;                    /* until it is stopped; otherwise for ROUNDS */
};

static void storm(struct job *job, void *context)
{
	const struct storm *its = context;
	struct segfs_object *object = open_in_job(job, "object");
	const bool reads = its->kind == SEGFS_RWLOCK;

	for (int i = 0; its->kills ? !atomic_load(&job->stop) : i < ROUNDS; i++) {
		struct timespec deadline;
		int result;

		segfs_deadline(&deadline, 60 * SECOND);
		if (reads && i % 4) {
			result = segfs_lock_shared(object, &deadline, 0);
			job_must(job, result >= 0);
			if (!(result & SEGFS_ABANDONED))
				job_must(job, its->words[0] == its->words[1]);
		} else {
			result = segfs_lock(object, &deadline, 0);
			job_must(job, result >= 0);
			if (result & SEGFS_ABANDONED) {
				its->words[0] = its->words[1];
				atomic_fetch_add(its->deaths, 1);
			} else {
				job_must(job, its->words[0] == its->words[1]);
			}
			if (result)
				job_must(job, segfs_clear_abandoned(object) == 0);
			its->words[0]++;
			its->words[1]++;
		}
		job_must(job, segfs_unlock(object) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void storm_of(enum segfs_kind kind, bool kills)
{
	struct segfs_object *object = make("object", kind, 0, 0);
	char *page = shared_page();
	struct storm its = {kind, (void *)page, (void *)(page + 64), kills};
	struct job *jobs[PROCESSES];
	unsigned long killed = 0;

	for (int i = 0; i < PROCESSES; i++)
		assert_non_null(jobs[i] = job_start(storm, &its));
	for (; kills && killed < (is_on_segfs() ? 40 : 200); killed++) {
		struct job **job = &jobs[killed % (PROCESSES / 2)];

		assert_true(job_goes_on(*job, 10));
		assert_int_equal(job_kill(job), 0);
		assert_non_null(*job = job_start(storm, &its));
	}
	for (int i = 0; i < PROCESSES; i++) {
		/* it ends by itself */
		if (!kills)
			assert_true(wait_for(atomic_load(&jobs[i]->steps) == ROUNDS));
		assert_int_equal(job_end(&jobs[i]), 0);
	}
	assert_int_equal(lock_for_a_while(object, SECOND) & ~(SEGFS_ABANDONED | SEGFS_READER_DIED), 0);
	if (!kills)
		assert_int_equal(its.words[0], PROCESSES * ROUNDS / (kind == SEGFS_RWLOCK ? 4 : 1));
	assert_true(*its.deaths <= killed);
	print_message("%lu killed, %lu while they wrote\n", killed, *its.deaths);
	assert_int_equal(segfs_unlock(object), 0);
	munmap(page, 4096);
	end(object, "object");
}

static void storms(void **unused)
{
	(void)unused;
	storm_of(SEGFS_MUTEX, false);
	storm_of(SEGFS_MUTEX, true);
	storm_of(SEGFS_RWLOCK, false);
	storm_of(SEGFS_RWLOCK, true);
}

/* --- peers that write nonsense --- */

static void scribble(struct job *job, void *name)
{
	int fd = open(at(name), O_RDWR | O_CLOEXEC);
	uint32_t *words = mmap(NULL, 65 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	const uint32_t parent = (uint32_t)getppid();
	unsigned int random = 1;

	job_must(job, fd >= 0 && words != MAP_FAILED);
	for (;;) {
		const size_t page =
			(random >> 24) % 4 && lseek(fd, 0, SEEK_END) > 4096 ? random >> 16 & 63 : 0;
		const uint32_t values[] = {random, 0, parent, parent | 0x80000000u, 0x40000000u, UINT32_MAX};

		random = random * 1103515245u + 12345u;
		((volatile uint32_t *)words)[page * 1024 + 1016 + (random >> 8) % 8] =
			values[(random >> 12) % 6];
		atomic_fetch_add(&job->steps, 1);
	}
}

static void *use(void *object)
{
	for (int i = 0; i < 50; i++) {
		long long begin = milliseconds();
		struct timespec deadline;
		int result;

		segfs_deadline(&deadline, MILLISECOND);
		result = i % 2 ? segfs_lock_shared(object, &deadline, 0) : segfs_lock(object, &deadline, 0);
		if (result >= 0) {
			segfs_abandoned(object);
			segfs_clear_abandoned(object);
			result = segfs_unlock(object);
		}
		if ((result < 0 && result != -EBADMSG && result != -ETIMEDOUT && result != -EPROTOTYPE) ||
		    milliseconds() - begin > 10000)
			return (void *)(intptr_t)(result ? result : 1);
	}
	return NULL;
}

/* Several threads, each of which could take what another one holds. */
static void nonsense_harms_nobody(void **unused)
{
	static const enum segfs_kind kinds[] = {SEGFS_MUTEX, SEGFS_RECURSIVE_MUTEX, SEGFS_RWLOCK};

	(void)unused;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct segfs_object *object = make("object", kinds[i], 0, 0);
		struct job *job = job_start(scribble, (void *)(uintptr_t) "object");
		pthread_mutex_t *theirs = shared_page();
		pthread_t threads[3];

		init_robust(theirs);
		assert_non_null(job);
		assert_true(wait_for(atomic_load(&job->steps) > 0));
		for (int j = 0; j < 3; j++)
			assert_int_equal(pthread_create(&threads[j], NULL, use, object), 0);
		for (int j = 0; j < 3; j++) {
			void *result;

			assert_int_equal(pthread_join(threads[j], &result), 0);
			assert_null(result);
		}
		assert_int_equal(job_kill(&job), 0);
		/* the list of this thread is as it was */
		assert_int_equal(pthread_mutex_lock(theirs), 0);
		assert_int_equal(pthread_mutex_unlock(theirs), 0);
		munmap(theirs, 4096);
		end(object, "object");
	}
}

static void what_a_peer_has_taken_is_told(void **unused)
{
	struct segfs_object *object = make("object", SEGFS_MUTEX, 0, 0);
	const uint32_t zero = 0;
	int fd = (int)check(open(at("object"), O_RDWR | O_CLOEXEC));

	(void)unused;
	assert_int_equal(segfs_lock(object, NULL, 0), 0);
	assert_int_equal(pwrite(fd, &zero, 4, sysconf(_SC_PAGESIZE) - 8), 4);
	assert_int_equal(segfs_unlock(object), -EBADMSG);
	assert_int_equal(segfs_unlock(object), -EPERM);
	assert_int_equal(segfs_lock(object, NULL, 0), 0);
	assert_int_equal(segfs_unlock(object), 0);
	close(fd);
	end(object, "object");
}

/* --- between users --- */

static int lock_as_user(void *unused)
{
	struct segfs_object *object;
	int result = segfs_object_open("object", 0, &object);

	(void)unused;
	return result < 0 ? result : segfs_lock(object, NULL, SEGFS_TRY);
}

static void users_share_as_modes_allow(void **unused)
{
	struct segfs_object *object = make("object", SEGFS_MUTEX, 0, 0);

	(void)unused;
	assert_int_equal(as_user(TEST_UID, TEST_GID, lock_as_user, NULL), 0);
	assert_int_equal(segfs_lock(object, NULL, 0), SEGFS_ABANDONED);
	assert_int_equal(as_user(TEST_UID, TEST_GID, lock_as_user, NULL), -EAGAIN);
	assert_int_equal(segfs_unlock(object), 0);
	check(chmod(at("object"), 0644));
	assert_int_equal(as_user(TEST_UID, TEST_GID, lock_as_user, NULL), -EACCES);
	end(object, "object");
}

int main(void)
{
#define CASE(function) cmocka_unit_test(function)
	static const struct CMUnitTest cases[] = {
		CASE(mutexes_exclude),
		CASE(recursive_mutexes_count),
		CASE(death_is_told_until_cleared),
		CASE(the_waiting_are_woken),
		CASE(death_is_by_thread),
		CASE(execve_ends_a_holder),
		CASE(closing_ends_a_holder),
		CASE(closing_under_another_thread),
		CASE(children_hold_nothing),
		CASE(across_pid_namespaces),
		CASE(with_robust_mutexes_of_pthreads),
		CASE(readers_share_and_writers_do_not),
		CASE(writers_come_to_their_turn),
		CASE(as_many_readers_as_there_are_pages),
		CASE(deaths_of_readers_and_writers),
		CASE(all_readers_go_on_after_a_dead_writer),
		CASE(a_death_at_each_instruction),
		CASE(storms),
		CASE(nonsense_harms_nobody),
		CASE(what_a_peer_has_taken_is_told),
		CASE(users_share_as_modes_allow),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
