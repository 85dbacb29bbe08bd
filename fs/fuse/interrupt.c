// SPDX-License-Identifier: MIT
#include "fs/fuse/interrupt.h"

#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

#define FIRST_NANOSECONDS  1       /* immediately */
#define REPEAT_NANOSECONDS 2000000 /* 2 ms */

/* guards the list and the interruption of each request in it; a leaf lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct request *registered;

static void do_nothing(int signal)
{
	(void)signal;
}

void interrupt_setup(void)
{
	/* without SA_RESTART */
	struct sigaction action = {.sa_handler = do_nothing};

	sigaction(INTERRUPT_SIGNAL, &action, NULL);
}

void interrupt_register(struct request *request)
{
	pthread_mutex_lock(&lock);
	request->interruption = (struct interruption){.next = registered};
	registered = request;
	pthread_mutex_unlock(&lock);
}

void interrupt_unregister(struct request *request)
{
	struct request **at = &registered;

	pthread_mutex_lock(&lock);
	while (*at && *at != request)
		at = &(*at)->interruption.next;
	if (*at)
		*at = request->interruption.next;
	pthread_mutex_unlock(&lock);
}

void interrupt_request(uint64_t unique)
{
	struct request *request;

	pthread_mutex_lock(&lock);
	for (request = registered; request && request->unique != unique; request = request->interruption.next)
		;
	if (request) {
		request->interruption.came = true;
		if (request->interruption.call)
			request->interruption.call(request->interruption.context);
	}
	pthread_mutex_unlock(&lock);
}

void interrupt_call(struct request *request, void (*call)(void *context), void *context)
{
	pthread_mutex_lock(&lock);
	request->interruption.call = call;
	request->interruption.context = context;
	if (request->interruption.came)
		call(context);
	pthread_mutex_unlock(&lock);
}

void interrupt_ignore(struct request *request)
{
	pthread_mutex_lock(&lock);
	request->interruption.call = NULL;
	pthread_mutex_unlock(&lock);
}

static bool have_timer(struct thread *thread)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = INTERRUPT_SIGNAL};

	event._sigev_un._tid = gettid();
	if (!thread->has_timer)
		thread->has_timer = timer_create(CLOCK_MONOTONIC, &event, &thread->timer) == 0;
	return thread->has_timer;
}

static void start_timer(void *timer)
{
	const struct itimerspec often = {
		.it_value.tv_nsec = FIRST_NANOSECONDS,
		.it_interval.tv_nsec = REPEAT_NANOSECONDS,
	};

	timer_settime(*(timer_t *)timer, 0, &often, NULL);
}

void interrupt_enable(struct request *request)
{
	if (have_timer(request->thread))
		interrupt_call(request, start_timer, &request->thread->timer);
}

void interrupt_disable(struct request *request)
{
	const struct itimerspec never = {0};

	if (!request->thread->has_timer)
		return;
	interrupt_ignore(request);
	timer_settime(request->thread->timer, 0, &never, NULL);
}

void interrupt_thread_done(struct thread *thread)
{
	if (thread->has_timer)
		timer_delete(thread->timer);
	thread->has_timer = false;
}
