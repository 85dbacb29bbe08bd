// SPDX-License-Identifier: MIT
#include "fs/fuse/placement.h"
#include "lib/base/procfs.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define TOGETHER_INTERVAL 64u      /* requests of one process until its CPU is asked for, which costs about three of them */
#define FIRST_INTERVAL 16u         /* ... after the reader has moved there */
#define LAST_INTERVAL 256u         /* ... where that did not help */
#define FORBIDDEN_INTERVAL 4096u   /* ... where it may not run there */
#define STACK_SIZE (64u * 1024u)

/* Of the thread that reads; one that becomes the reader begins anew. */
static _Thread_local struct {
	pid_t requester;       /* of the last request */
	unsigned int requests; /* that it made in a row, since the last look */
	unsigned int interval; /* how many it takes for the next look */
	bool moved;            /* at the last look */
	uint32_t asked;        /* number of the question that was asked last, 0 = none */
} self = {.interval = FIRST_INTERVAL};

/* Where a thread runs is asked by a thread of its own, one question at a time: a process that is in execve(2) lets it wait. */
static struct {
	pthread_mutex_t lock; /* guards what follows; a leaf, held for no system call */
	pthread_cond_t asked;
	pid_t thread;         /* that is asked about; 0 = nobody is */
	uint32_t question;    /* its number */
	bool is_there;        /* the thread that asks is */
	_Atomic uint32_t answered; /* number of the last question that was answered; written after `cpu` */
	_Atomic int cpu;      /* -1 = not known */
} ask = {.lock = PTHREAD_MUTEX_INITIALIZER, .asked = PTHREAD_COND_INITIALIZER};

static void *answer(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&ask.lock);
	for (;;) {
		pid_t thread = ask.thread;
		uint32_t question = ask.question;

		if (thread == 0) {
			pthread_cond_wait(&ask.asked, &ask.lock);
			continue;
		}
		pthread_mutex_unlock(&ask.lock);
		atomic_store(&ask.cpu, procfs_cpu(thread));
		pthread_mutex_lock(&ask.lock);
		ask.thread = 0;
		atomic_store(&ask.answered, question);
	}
	return NULL;
}

/* For as long as the worker lives. Without memory for it there is no placement. */
static bool start_asking(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	bool started;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	started = pthread_create(&thread, &attributes, answer, NULL) == 0;
	pthread_attr_destroy(&attributes);
	return started;
}

static void ask_about(pid_t thread)
{
	pthread_mutex_lock(&ask.lock);
	if (!ask.is_there)
		ask.is_there = start_asking();
	if (ask.is_there && ask.thread == 0) {
		ask.thread = thread;
		ask.question = ask.question == UINT32_MAX ? 1 : ask.question + 1;
		self.asked = ask.question;
		pthread_cond_signal(&ask.asked);
	}
	pthread_mutex_unlock(&ask.lock);
}

static bool move_to(int cpu)
{
	cpu_set_t allowed;
	cpu_set_t wanted;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET((size_t)cpu, &allowed))
		return false;
	CPU_ZERO(&wanted);
	CPU_SET((size_t)cpu, &wanted);
	return sched_setaffinity(0, sizeof(wanted), &wanted) == 0 &&
	       sched_setaffinity(0, sizeof(allowed), &allowed) == 0;
}

static void place(int cpu)
{
	bool apart = cpu >= 0 && cpu != sched_getcpu();

	if (!apart)
		self.interval = TOGETHER_INTERVAL;
	else if (!self.moved)
		self.interval = FIRST_INTERVAL;
	else if (self.interval < LAST_INTERVAL)
		self.interval *= 2;
	self.moved = apart && move_to(cpu);
	if (apart && !self.moved)
		self.interval = FORBIDDEN_INTERVAL;
}

void placement_follow(pid_t requester)
{
	if (requester <= 0)
		return;
	if (requester != self.requester) {
		self.requester = requester;
		self.requests = 0;
		self.asked = 0;
	}
	if (self.asked && atomic_load_explicit(&ask.answered, memory_order_acquire) == self.asked) {
		self.asked = 0;
		place(atomic_load_explicit(&ask.cpu, memory_order_relaxed));
	}
	if (++self.requests >= self.interval) {
		self.requests = 0;
		ask_about(requester);
	}
}
