// SPDX-License-Identifier: MIT
#include "fs/fuse/interrupt.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NANOSECONDS 1          /* at once */
#define REPEAT_NANOSECONDS 2000000   /* 2 ms */

static _Thread_local struct {
	timer_t timer; /* signals this thread only */
	bool made;
} self;

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

static bool have_timer(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = INTERRUPT_SIGNAL};

	event._sigev_un._tid = gettid();
	if (!self.made)
		self.made = timer_create(CLOCK_MONOTONIC, &event, &self.timer) == 0;
	return self.made;
}

/* Called by the thread that read the INTERRUPT. */
static void interrupted(fuse_req_t req, void *timer)
{
	const struct itimerspec often = {
		.it_value.tv_nsec = FIRST_NANOSECONDS,
		.it_interval.tv_nsec = REPEAT_NANOSECONDS,
	};

	(void)req;
	timer_settime(*(timer_t *)timer, 0, &often, NULL);
}

void interrupt_enable(fuse_req_t req)
{
	if (have_timer())
		fuse_req_interrupt_func(req, interrupted, &self.timer);
}

void interrupt_disable(fuse_req_t req)
{
	const struct itimerspec never = {0};

	if (!self.made)
		return;
	/* waits for a call of interrupted() that is under way */
	fuse_req_interrupt_func(req, NULL, NULL);
	timer_settime(self.timer, 0, &never, NULL);
}

void interrupt_thread_done(void)
{
	if (self.made)
		timer_delete(self.timer);
	self.made = false;
}
