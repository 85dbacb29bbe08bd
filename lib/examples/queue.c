// SPDX-License-Identifier: MIT
/*
 * A queue of jobs, which any number of processes add and any number of workers take.
 *
 *   queue add NUMBER...   adds jobs: numbers to be squared
 *   queue work            does jobs until the queue is stopped and empty
 *   queue stop            lets workers end; `rm queue-stop` on the mount undoes it
 *
 * A semaphore tells workers of jobs, a mutex protects the queue. A process may be killed anywhere: the mutex
 * says so to the next one, which puts the queue in order. A job that a killed worker has taken is lost.
 *
 * Build: cc queue.c $(pkg-config --cflags --libs segfs) -o queue
 * Run:   ./queue work & ./queue work & ./queue add 1 2 3 4 5 6; ./queue stop; wait
 */
#include <segfs.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 1024

struct queue {
	uint64_t taken, added; /* how many, ever */
	int64_t jobs[SLOTS];   /* number n is jobs[n % SLOTS] */
};

static struct queue *queue;
static struct segfs_object *jobs, *stop, *mutex;

static int must(const char *name, int result)
{
	char text[512];

	if (result >= 0)
		return result;
	fprintf(stderr, "%s\n", segfs_explain(name, result, text, sizeof(text)));
	exit(1);
}

static struct segfs_object *obtain(const char *name, enum segfs_kind kind)
{
	struct segfs_object_creation creation = {0};
	struct segfs_object *object;

	creation.mode = 0600;
	creation.flags = SEGFS_OPEN_EXISTING;
	must(name, segfs_object_create(name, kind, &creation, &object));
	return object;
}

static void attach(void)
{
	struct segfs_creation creation = {0};
	struct segfs_segment *segment;
	struct segfs_view *view;

	creation.size = sizeof(struct queue);
	creation.mode = 0600;
	creation.flags = SEGFS_OPEN_EXISTING;
	must("queue", segfs_create("queue", &creation, &segment));
	must("queue", segfs_map(segment, 0, sizeof(struct queue), SEGFS_MAP_WRITE, NULL, &view));
	segfs_close(segment);
	queue = segfs_view_data(view);
	jobs = obtain("queue-jobs", SEGFS_SEMAPHORE);
	stop = obtain("queue-stop", SEGFS_EVENT);
	mutex = obtain("queue-mutex", SEGFS_MUTEX);
}

static void lock(void)
{
	if (must("queue-mutex", segfs_lock(mutex, NULL, 0)) & SEGFS_ABANDONED) {
		/* the counts are changed last, by one store each: only nonsense of others is to be repaired
		 */
		if (queue->added - queue->taken > SLOTS)
			queue->taken = queue->added;
		must("queue-mutex", segfs_clear_abandoned(mutex));
	}
}

static void unlock(void)
{
	must("queue-mutex", segfs_unlock(mutex));
}

/* Returns 0 if the queue is full. */
static int add(int64_t job)
{
	int fits;

	lock();
	fits = queue->added - queue->taken < SLOTS;
	if (fits) {
		queue->jobs[queue->added % SLOTS] = job;
		queue->added++;
	}
	unlock();
	if (fits)
		must("queue-jobs", segfs_post(jobs, 1));
	return fits;
}

/* Returns 0 if the queue is empty. */
static int take(int64_t *job)
{
	int found;

	lock();
	found = queue->added != queue->taken;
	if (found) {
		*job = queue->jobs[queue->taken % SLOTS];
		queue->taken++;
	}
	unlock();
	return found;
}

static void work(void)
{
	struct segfs_object *const either[] = {jobs, stop};
	int which = 0;
	int64_t job;

	for (;;) {
		/* all that is there: a killed worker may have taken the count of a job, and not the job */
		while (take(&job)) {
			const long long number = job;

			printf("%lld squared is %lld\n", number, number * number);
			fflush(stdout);
		}
		if (which == 1)
			return;
		/* jobs are looked at before the event */
		which = must("queue", segfs_wait_any(either, 2, NULL, 0));
	}
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";
	const int adds = strcmp(command, "add") == 0, works = strcmp(command, "work") == 0;
	int i;

	if (!adds && !works && strcmp(command, "stop") != 0) {
		fprintf(stderr, "usage: queue add NUMBER... | queue work | queue stop\n");
		return 2;
	}
	attach();
	if (works)
		work();
	else if (!adds)
		must("queue-stop", segfs_set_event(stop));
	for (i = 2; adds && i < argc; i++)
		if (!add(strtoll(argv[i], NULL, 10))) {
			fprintf(stderr, "queue: it is full\n");
			return 1;
		}
	return 0;
}
