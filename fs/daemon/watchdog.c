// SPDX-License-Identifier: MIT
#include "fs/daemon/watchdog.h"
#include "fs/ops/operations.h"
#include "fs/state/fault.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHECKS            8         /* checks within the limit */
#define PAUSE_LEAST       10000000  /* nanoseconds */
#define STACK_NANOSECONDS 100000000 /* for threads to record their stacks */

int64_t watchdog_pause(const struct arena_header *header)
{
	int64_t pause = (int64_t)(atomic_load(&header->hang_limit) / CHECKS);

	return pause == 0 ? 0 : pause < PAUSE_LEAST ? PAUSE_LEAST : pause;
}

static bool is_unread(const struct arena_header *header)
{
	struct pollfd device = {.fd = header->fuse_fd, .events = POLLIN};

	return poll(&device, 1, 0) == 1 && device.revents & POLLIN;
}

/*
 * Returns a request over the limit, or NULL; lasting: receives the number of requests in flight that may take
 * any time.
 */
static struct journal_slot *find_stuck(struct arena_header *header, unsigned int *unbounded)
{
	uint64_t now = monotonic_nanoseconds();
	struct journal_slot *stuck = NULL;

	*unbounded = 0;
	for (unsigned int i = 0; i < ARENA_JOURNAL; i++) {
		struct journal_slot *slot = &header->journal[i];

		if (atomic_load(&slot->state) == JOURNAL_FREE ||
		    atomic_load(&slot->worker) != atomic_load(&header->workers_started))
			continue;
		if (atomic_load(&slot->unbounded))
			++*unbounded;
		else if (atomic_load(&slot->begun_at) + atomic_load(&header->hang_limit) < now)
			stuck = slot;
	}
	return stuck;
}

/* A suspended machine makes time jump, so several consecutive checks must fail. */
bool watchdog_check(struct watchdog *watchdog, struct arena_header *header)
{
	uint64_t requests = atomic_load(&header->requests);
	unsigned int unbounded;
	struct journal_slot *stuck = find_stuck(header, &unbounded);
	bool was_stuck = stuck && stuck->unique == watchdog->unique;
	double seconds = (double)atomic_load(&header->hang_limit) / 1e9;

	watchdog->unread = is_unread(header) && requests == watchdog->requests ? watchdog->unread + 1 : 0;
	watchdog->requests = requests;
	watchdog->unique = stuck ? stuck->unique : 0;
	if (was_stuck) {
		atomic_store(&stuck->blamed, true);
		log_error("%s of node %#llx, requested by process %d of user %u, has run longer than "
			  "hang-limit, %.3g s",
			  operation_name(stuck->opcode), (unsigned long long)stuck->node, stuck->pid,
			  stuck->uid, seconds);
		return true;
	}
	/* if all threads wait for devices, nobody is left to read */
	if (watchdog->unread <= CHECKS || unbounded >= ARENA_THREADS)
		return false;
	log_error("requests have waited longer than hang-limit, %.3g s, and none is read", seconds);
	return true;
}

/* Reads a line of a thread's file in /proc. */
static void read_line(pid_t worker, int thread, const char *name, char *line, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[80];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", worker, thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? 0 : read(fd, line, size - 1);
	line[length > 0 ? length : 0] = 0;
	line[strcspn(line, "\n")] = 0;
}

static void log_thread(pid_t worker, int thread)
{
	char stat[512];
	char wchan[64];
	char call[256];
	char state;

	read_line(worker, thread, "stat", stat, sizeof(stat));
	read_line(worker, thread, "wchan", wchan, sizeof(wchan));
	read_line(worker, thread, "syscall", call, sizeof(call));
	state = procfs_state_in(stat);
	log_warning("thread %d: state %c, in the kernel at %s, system call %s", thread, state ? state : '?',
		    *wchan ? wchan : "?", *call ? call : "?");
}

/* Calls `function` for each thread. */
static void walk_threads(pid_t worker, void (*function)(pid_t worker, int thread))
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/task", worker);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			function(worker, atoi(entry->d_name));
}

static void ask_thread(pid_t worker, int thread)
{
	syscall(SYS_tgkill, worker, thread, FAULT_STACK_SIGNAL);
}

void watchdog_log_threads(struct arena_header *header, pid_t worker)
{
	const struct timespec pause = {.tv_nsec = STACK_NANOSECONDS};

	fault_clear(header);
	/* before the signal changes their state */
	walk_threads(worker, log_thread);
	walk_threads(worker, ask_thread);
	nanosleep(&pause, NULL);
	fault_log(header);
}
