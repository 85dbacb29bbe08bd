// SPDX-License-Identifier: MIT
#include "fs/ops/placement.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOGETHER_INTERVAL 64u      /* requests of one process until its CPU is asked for, which costs about three of them */
#define FIRST_INTERVAL 16u         /* ... after the reader has moved there */
#define LAST_INTERVAL 256u         /* ... where that did not help */
#define FORBIDDEN_INTERVAL 4096u   /* ... where it may not run there */
#define PROCESSOR_FIELD 39         /* of proc_pid_stat(5): CPU on which it ran last */

/* Of the thread that reads; one that becomes the reader begins anew. */
static _Thread_local struct {
	pid_t requester;       /* of the last request */
	unsigned int requests; /* that it made in a row, since the last look */
	unsigned int interval; /* how many it takes for the next look */
	bool moved;            /* at the last look */
} self = {.interval = FIRST_INTERVAL};

static int cpu_of(pid_t pid)
{
	_cleanup_close_ int fd = -1;
	char path[32];
	char text[512];
	ssize_t length;
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (length < 0)
		return -1;
	text[length] = '\0';
	/* the second field, a name in parentheses, may itself contain blanks and parentheses */
	at = strrchr(text, ')');
	for (int field = 2; at && field < PROCESSOR_FIELD; field++)
		at = strchr(at + 1, ' ');
	return at ? atoi(at) : -1;
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

static void look(void)
{
	int cpu = cpu_of(self.requester);
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
	}
	if (++self.requests >= self.interval) {
		self.requests = 0;
		look();
	}
}
