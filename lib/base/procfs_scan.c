// SPDX-License-Identifier: MIT
#include "lib/base/procfs_scan.h"
#include "lib/base/cleanup.h"
#include "lib/base/delegate.h"
#include "lib/base/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MANY_SLOW        4u  /* with this many slow processes the delay is no accident */
#define TIMEOUT_OF_MANY  10u /* milliseconds for each process from then on */
#define SECOND_TIMEOUT   40u /* milliseconds for the second attempt, in case the machine was busy */
#define SECOND_OF_USER   4u  /* second attempts per user; more slow processes than this are not due to load */
#define UNRESPONSIVE_MAX 256u /* processes remembered; a power of two */

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* --- processes that do not answer --- */

static struct {
	pthread_mutex_t lock; /* a leaf lock */
	struct unresponsive {
		pid_t process;         /* 0 = none */
		uint64_t identity;     /* 0 if reading it might block */
		uint64_t until;        /* CLOCK_MONOTONIC, nanoseconds */
	} processes[UNRESPONSIVE_MAX]; /* hashed by pid; a collision overwrites */
} unresponsive_processes = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t identity_of(pid_t process)
{
	uint64_t identity = 0;

	if (!procfs_identity_waits())
		procfs_thread_identity(process, &identity);
	return identity;
}

bool procfs_is_unresponsive(pid_t process)
{
	struct unresponsive found;

	pthread_mutex_lock(&unresponsive_processes.lock);
	found = unresponsive_processes.processes[(uint32_t)process % UNRESPONSIVE_MAX];
	pthread_mutex_unlock(&unresponsive_processes.lock);
	return found.process == process && process > 0 && now() < found.until &&
	       found.identity == identity_of(process);
}

void procfs_mark_unresponsive(pid_t process)
{
	const struct unresponsive found = {
		.process = process,
		.identity = identity_of(process),
		.until = now() + delegate_time(PROCFS_SCAN_BACKOFF) * UINT64_C(1000000),
	};

	pthread_mutex_lock(&unresponsive_processes.lock);
	unresponsive_processes.processes[(uint32_t)process % UNRESPONSIVE_MAX] = found;
	pthread_mutex_unlock(&unresponsive_processes.lock);
}

/* --- the scan --- */

enum answer {
	ANSWER_AWAITED, /* not asked yet */
	ANSWER_SLOW,    /* timed out once */
	ANSWER_NONE,    /* timed out twice, or recently */
	ANSWER_GIVEN,
};

struct asking {
	struct procfs_scan *scan;
	pid_t *processes;
	unsigned char *answers; /* enum answer */
	size_t n;
	size_t at;            /* index of the current process */
	enum answer of;       /* state of the processes to ask in this pass */
	unsigned int timeout; /* milliseconds */
	uint64_t end;         /* deadline of the scan: CLOCK_MONOTONIC, nanoseconds */
};

static void arm(unsigned int milliseconds)
{
	const struct itimerval timer = {.it_value.tv_usec = (suseconds_t)milliseconds * 1000};

	syscall(SYS_setitimer, ITIMER_REAL, &timer, NULL);
}

/*
 * Runs as a delegate. The timer restarts for each process; when it expires it kills the delegate, and the
 * next one continues.
 */
static int ask(void *context)
{
	struct asking *asking = context;
	struct procfs_scan *scan = asking->scan;
	int result = 0;

	for (; asking->at < asking->n && now() < asking->end; asking->at++) {
		if (asking->answers[asking->at] != asking->of)
			continue;
		arm(delegate_time(asking->timeout));
		scan->first = scan->n;
		result = scan->look(scan, asking->processes[asking->at]);
		if (result)
			break;
		asking->answers[asking->at] = ANSWER_GIVEN;
	}
	arm(0);
	return result;
}

static int grow(struct procfs_scan *scan)
{
	size_t max = scan->max ? scan->max * 2 : 64;
	void *results = reallocarray(scan->results, max, scan->size);

	if (!results)
		return -ENOMEM;
	scan->results = results;
	scan->max = max;
	return 0;
}

void *procfs_scan_add(struct procfs_scan *scan, pid_t process)
{
	struct procfs_scanned *element;

	if (scan->n == scan->max)
		return NULL;
	element = (void *)((char *)scan->results + scan->n * scan->size);
	memset(element, 0, scan->size);
	element->process = process;
	scan->n++;
	return element;
}

static void note_slow(struct asking *asking, unsigned int *slow)
{
	unsigned char *answer = &asking->answers[asking->at];

	/* the timer may have expired right after the answer */
	if (*answer != ANSWER_GIVEN) {
		asking->scan->n = asking->scan->first;
		*answer = asking->of == ANSWER_SLOW ? ANSWER_NONE : ANSWER_SLOW;
		if (++*slow == MANY_SLOW && asking->of == ANSWER_AWAITED)
			asking->timeout = TIMEOUT_OF_MANY;
	}
	asking->at++;
}

/* Asks all processes in one state. */
static int ask_all(struct asking *asking, enum answer of, unsigned int timeout)
{
	unsigned int slow = 0;

	asking->at = 0;
	asking->of = of;
	asking->timeout = timeout;
	while (asking->at < asking->n && now() < asking->end) {
		const struct delegate how = {.milliseconds = asking->timeout, .own_descriptors = true};
		int result;

		asking->scan->first = asking->scan->n;
		result = delegate_run(&how, ask, asking);
		if (result == -ETIMEDOUT) {
			note_slow(asking, &slow);
			continue;
		}
		if (result == PROCFS_SCAN_FULL) {
			asking->scan->n = asking->scan->first;
			result = grow(asking->scan);
		}
		if (result < 0)
			return result;
	}
	return 0;
}

static int add_process(struct asking *asking, pid_t process)
{
	/* a delegate shares this process's descriptors */
	if (delegate_is(process))
		return 0;
	if ((asking->n & (asking->n - 1)) == 0) {
		size_t max = asking->n ? asking->n * 2 : 1;
		pid_t *processes = reallocarray(asking->processes, max, sizeof(*processes));

		if (!processes)
			return -ENOMEM;
		asking->processes = processes;
	}
	asking->processes[asking->n++] = process;
	return 0;
}

/* Listing /proc never blocks. */
static int list_processes(struct asking *asking)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc");
	const struct dirent *entry;
	int result = 0;

	if (!dir)
		return -errno;
	for (errno = 0; result == 0 && (entry = readdir(dir)); errno = 0)
		if (atoi(entry->d_name) > 0)
			result = add_process(asking, atoi(entry->d_name));
	return result < 0 ? result : -errno;
}

/*
 * Whether a missing answer matters. It does not for a process without memory, nor for our own delegates,
 * which share our memory.
 */
static bool matters(pid_t process, uid_t *user)
{
	struct procfs_brief brief;

	if (procfs_brief(process, &brief) < 0 || !brief.has_memory || brief.parent == getpid())
		return false;
	*user = brief.user;
	return true;
}

/* Reports the processes that have not answered as unknown. */
static int add_unknown(struct asking *asking)
{
	for (size_t i = 0; i < asking->n; i++) {
		struct procfs_scanned *element;
		int result = 0;
		uid_t user;

		if (asking->answers[i] == ANSWER_GIVEN || !matters(asking->processes[i], &user))
			continue;
		if (asking->answers[i] == ANSWER_SLOW || asking->answers[i] == ANSWER_NONE)
			procfs_mark_unresponsive(asking->processes[i]);
		if (asking->scan->n == asking->scan->max)
			result = grow(asking->scan);
		element = result < 0 ? NULL : procfs_scan_add(asking->scan, asking->processes[i]);
		if (!element)
			return -ENOMEM;
		element->is_unknown = true;
	}
	return 0;
}

/* Limits second attempts per user: one user's slow processes must not use up the time of others. */
static int choose_for_second(struct asking *asking)
{
	uid_t *users = calloc(asking->n + 1, sizeof(*users));
	size_t n_users = 0;

	if (!users)
		return -ENOMEM;
	for (size_t i = 0; i < asking->n; i++) {
		unsigned int same = 0;

		if (asking->answers[i] != ANSWER_SLOW)
			continue;
		if (!matters(asking->processes[i], &users[n_users])) {
			asking->answers[i] = ANSWER_GIVEN;
			continue;
		}
		for (size_t j = 0; j < n_users; j++)
			same += users[j] == users[n_users];
		n_users++;
		if (same >= SECOND_OF_USER)
			asking->answers[i] = ANSWER_NONE;
	}
	free(users);
	return 0;
}

static int scan_listed(struct asking *asking)
{
	int result;

	for (size_t i = 0; i < asking->n; i++)
		if (procfs_is_unresponsive(asking->processes[i]))
			asking->answers[i] = ANSWER_NONE;
	result = ask_all(asking, ANSWER_AWAITED, PROCFS_TIMEOUT);
	if (result == 0)
		result = choose_for_second(asking);
	if (result == 0)
		result = ask_all(asking, ANSWER_SLOW, SECOND_TIMEOUT);
	return result < 0 ? result : add_unknown(asking);
}

int procfs_scan(struct procfs_scan *scan)
{
	struct asking asking = {.scan = scan,
				.end = now() + delegate_time(PROCFS_SCAN_TIME) * UINT64_C(1000000)};
	int result = list_processes(&asking);

	if (result == 0) {
		asking.answers = calloc(asking.n + 1, sizeof(*asking.answers));
		result = asking.answers ? grow(scan) : -ENOMEM;
	}
	if (result == 0)
		result = scan_listed(&asking);
	free(asking.processes);
	free(asking.answers);
	if (result < 0) {
		free(scan->results);
		scan->results = NULL;
		scan->n = scan->max = 0;
	}
	return result;
}
