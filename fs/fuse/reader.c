// SPDX-License-Identifier: MIT
#include "fs/fuse/reader.h"
#include "fs/fuse/interrupt.h"
#include "fs/state/journal.h"
#include "lib/base/sanitizer.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define WAKE_INTERVAL 500000 /* ns between signals: one just before the wait has no effect */

static struct {
	int (*start)(void *context); /* starts a thread; set before the first one starts */
	void *context;
	pthread_mutex_t role;  /* held by the reader */
	bool stays;            /* see reader_stay(); set by the reader */
	atomic_uintptr_t self; /* pthread_self() of the reader; 0 = none */
	atomic_bool waits;     /* the reader waits in read(2) */
	atomic_uint n_taking;  /* threads in reader_take_back() */

	pthread_mutex_t lock;   /* guards the fields below; a leaf */
	pthread_cond_t taken;   /* n_taking is 0 */
	unsigned int n_waiting; /* threads that wait for the role */
	pthread_t thread;       /* the last reader */
	bool is_alive;          /* `thread` lives */
} reader = {
	.role = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.taken = PTHREAD_COND_INITIALIZER,
};

__attribute__((visibility("default"))) bool reader_is_self(void)
{
	/* relaxed: only this thread stores its own id, and it sees its own stores */
	return atomic_load_explicit(&reader.self, memory_order_relaxed) == (uintptr_t)pthread_self();
}

static void count_waiting(int change)
{
	pthread_mutex_lock(&reader.lock);
	reader.n_waiting += (unsigned int)change;
	pthread_mutex_unlock(&reader.lock);
}

static void begin_role(void)
{
	/* relaxed: the mutex `role`, which this thread holds, orders the stores of the readers */
	atomic_store_explicit(&reader.self, (uintptr_t)pthread_self(), memory_order_relaxed);
	pthread_mutex_lock(&reader.lock);
	reader.thread = pthread_self();
	reader.is_alive = true;
	reader.n_waiting--;
	pthread_mutex_unlock(&reader.lock);
}

void reader_become(void)
{
	count_waiting(1);
	pthread_mutex_lock(&reader.role);
	begin_role();
}

void reader_resign(void)
{
	/* relaxed: before the unlock, and so before the next reader's store */
	atomic_store_explicit(&reader.self, 0, memory_order_relaxed);
	pthread_mutex_unlock(&reader.role);
}

static bool has_successor(void)
{
	bool has;

	pthread_mutex_lock(&reader.lock);
	has = reader.n_waiting > 0;
	pthread_mutex_unlock(&reader.lock);
	return has;
}

void reader_setup(int (*start)(void *context), void *context)
{
	reader.start = start;
	reader.context = context;
}

void reader_hand_over(void)
{
	journal_set_unbounded();
	if (!reader_is_self() || reader.stays)
		return;
	/* if no thread can be started, one in flight becomes the reader later */
	if (!has_successor() && reader.start)
		reader.start(reader.context);
	reader_resign();
}

void reader_stay(bool stays)
{
	reader.stays = stays;
}

static bool acquire_role(void)
{
	struct timespec end;

	clock_gettime(SANITIZER_CLOCK, &end);
	end.tv_nsec += WAKE_INTERVAL;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	return sanitizer_clocklock(&reader.role, &end) == 0;
}

void reader_take_back(void)
{
	if (reader_is_self())
		return;
	atomic_fetch_add(&reader.n_taking, 1);
	count_waiting(1);
	do
		reader_wake();
	while (!acquire_role());
	begin_role();
	if (atomic_fetch_sub(&reader.n_taking, 1) == 1) {
		pthread_mutex_lock(&reader.lock);
		pthread_cond_broadcast(&reader.taken);
		pthread_mutex_unlock(&reader.lock);
	}
}

void reader_give_way(void)
{
	/* relaxed: if a thread that wants the role is not seen yet, that one wakes the reader until it has it
	 */
	while (atomic_load_explicit(&reader.n_taking, memory_order_relaxed) > 0) {
		reader_resign();
		pthread_mutex_lock(&reader.lock);
		while (atomic_load(&reader.n_taking) > 0)
			pthread_cond_wait(&reader.taken, &reader.lock);
		pthread_mutex_unlock(&reader.lock);
		reader_become();
	}
}

void reader_waits(bool waits)
{
	/* relaxed: whoever wakes the reader repeats it, as a signal just before the wait has no effect either
	 */
	atomic_store_explicit(&reader.waits, waits, memory_order_relaxed);
}

void reader_wake(void)
{
	pthread_mutex_lock(&reader.lock);
	/* relaxed: see reader_waits(); a signal that is not needed is harmless */
	if (reader.is_alive && atomic_load_explicit(&reader.waits, memory_order_relaxed))
		pthread_kill(reader.thread, INTERRUPT_SIGNAL);
	pthread_mutex_unlock(&reader.lock);
}

void reader_thread_done(void)
{
	pthread_mutex_lock(&reader.lock);
	if (reader.is_alive && pthread_equal(reader.thread, pthread_self()))
		reader.is_alive = false;
	pthread_mutex_unlock(&reader.lock);
}
