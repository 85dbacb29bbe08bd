// SPDX-License-Identifier: MIT
/*
 * Table "library": synchronization objects and segments of libsegfs, on a mount of segfs, beside what the C
 * library and Boost.Interprocess have. Each round measures all in random order.
 */
#include "tests/bench/library.h"
#include "lib/segfs.h"
#include "tests/bench/bench.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS  24
#define SEGMENT 65536
#define EVENTS  64

static void require(int result, const char *what)
{
	if (result != 0)
		die("%s: %s", what, strerror(result < 0 ? -result : result));
}

#define REQUIRE(call) require(call, #call)

/* --- libsegfs --- */

static struct segfs_object *mutex;
static struct segfs_object *semaphores[LIBRARY_SEMAPHORES];
static struct segfs_object *rwlock;

static struct segfs_object *create(const char *name, unsigned int i, enum segfs_kind kind)
{
	const struct segfs_object_creation creation = {.mode = 0600};
	struct segfs_object *object;
	char numbered[32];

	snprintf(numbered, sizeof(numbered), "%s%u", name, i);
	REQUIRE(segfs_object_create(numbered, kind, &creation, &object));
	return object;
}

static void segfs_set_up(const char *directory)
{
	must(setenv("SEGFS_MOUNT", directory, 1));
	mutex = create("mutex", 0, SEGFS_MUTEX);
	for (unsigned int i = 0; i < LIBRARY_SEMAPHORES; i++)
		semaphores[i] = create("semaphore", i, SEGFS_SEMAPHORE);
	rwlock = create("rwlock", 0, SEGFS_RWLOCK);
}

static void segfs_tear_down(void)
{
	segfs_object_close(mutex);
	for (unsigned int i = 0; i < LIBRARY_SEMAPHORES; i++)
		segfs_object_close(semaphores[i]);
	segfs_object_close(rwlock);
}

static void segfs_mutex(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		REQUIRE(segfs_lock(mutex, NULL, 0));
		REQUIRE(segfs_unlock(mutex));
	}
}

static void segfs_semaphore(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		REQUIRE(segfs_post(semaphores[0], 1));
		REQUIRE(segfs_wait(semaphores[0], NULL, 0));
	}
}

static void segfs_reader(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		REQUIRE(segfs_lock_shared(rwlock, NULL, 0));
		REQUIRE(segfs_unlock(rwlock));
	}
}

static void segfs_lock_mutex(void)
{
	REQUIRE(segfs_lock(mutex, NULL, 0));
}

static void segfs_unlock_mutex(void)
{
	REQUIRE(segfs_unlock(mutex));
}

static void segfs_post_one(unsigned int i)
{
	REQUIRE(segfs_post(semaphores[i], 1));
}

static void segfs_wait_for_one(unsigned int i)
{
	REQUIRE(segfs_wait(semaphores[i], NULL, 0));
}

static void segfs_open_segment(unsigned int n)
{
	const struct segfs_creation creation = {.size = SEGMENT, .mode = 0600, .flags = SEGFS_OPEN_EXISTING};

	for (unsigned int i = 0; i < n; i++) {
		struct segfs_segment *segment;
		struct segfs_view *view;

		if (segfs_create("segment", &creation, &segment) < 0)
			die("segfs_create");
		REQUIRE(segfs_map(segment, 0, 0, SEGFS_MAP_WRITE, NULL, &view));
		segfs_unmap(view);
		segfs_close(segment);
	}
}

static const struct library libsegfs = {"libsegfs",         segfs_set_up,       segfs_tear_down,
					segfs_mutex,        segfs_semaphore,    segfs_reader,
					segfs_lock_mutex,   segfs_unlock_mutex, segfs_post_one,
					segfs_wait_for_one, segfs_open_segment};

/* --- the C library: process-shared objects, robust mutexes; segments by the same calls as libsegfs makes ---
 */

static struct {
	pthread_mutex_t mutex;
	sem_t semaphores[LIBRARY_SEMAPHORES];
	pthread_rwlock_t rwlock;
} * theirs;

static char their_segment[PATH_MAX];

static void c_set_up(const char *directory)
{
	pthread_mutexattr_t robust;
	pthread_rwlockattr_t shared;

	snprintf(their_segment, sizeof(their_segment), "%s/by-hand", directory);
	theirs = mmap(NULL, sizeof(*theirs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (theirs == MAP_FAILED)
		die("mmap");
	REQUIRE(pthread_mutexattr_init(&robust));
	REQUIRE(pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED));
	REQUIRE(pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST));
	REQUIRE(pthread_mutex_init(&theirs->mutex, &robust));
	for (int i = 0; i < LIBRARY_SEMAPHORES; i++)
		must(sem_init(&theirs->semaphores[i], 1, 0));
	REQUIRE(pthread_rwlockattr_init(&shared));
	REQUIRE(pthread_rwlockattr_setpshared(&shared, PTHREAD_PROCESS_SHARED));
	REQUIRE(pthread_rwlock_init(&theirs->rwlock, &shared));
}

static void c_tear_down(void)
{
	munmap(theirs, sizeof(*theirs));
}

static void c_mutex(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		REQUIRE(pthread_mutex_lock(&theirs->mutex));
		REQUIRE(pthread_mutex_unlock(&theirs->mutex));
	}
}

static void c_semaphore(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		REQUIRE(sem_post(&theirs->semaphores[0]));
		REQUIRE(sem_wait(&theirs->semaphores[0]));
	}
}

static void c_reader(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		REQUIRE(pthread_rwlock_rdlock(&theirs->rwlock));
		REQUIRE(pthread_rwlock_unlock(&theirs->rwlock));
	}
}

static void c_lock(void)
{
	REQUIRE(pthread_mutex_lock(&theirs->mutex));
}

static void c_unlock(void)
{
	REQUIRE(pthread_mutex_unlock(&theirs->mutex));
}

static void c_post(unsigned int i)
{
	must(sem_post(&theirs->semaphores[i]));
}

static void c_wait(unsigned int i)
{
	must(sem_wait(&theirs->semaphores[i]));
}

static void c_open(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		int fd = (int)must(open(their_segment, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		struct stat found;
		void *view;

		must(fstat(fd, &found));
		if (found.st_size == 0)
			must(ftruncate(fd, SEGMENT));
		view = mmap(NULL, SEGMENT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (view == MAP_FAILED)
			die("mmap");
		must(munmap(view, SEGMENT));
		must(close(fd));
	}
}

static const struct library c_library = {"C library", c_set_up, c_tear_down, c_mutex, c_semaphore, c_reader,
					 c_lock,      c_unlock, c_post,      c_wait,  c_open};

/* --- processes --- */

/* Runs a function in a child that dies with this process. */
static pid_t start(void (*function)(const struct library *library, unsigned int n),
		   const struct library *library, unsigned int n)
{
	const pid_t parent = getpid();
	pid_t child;

	fflush(NULL);
	child = (pid_t)must(fork());
	if (child == 0) {
		must(prctl(PR_SET_PDEATHSIG, SIGKILL));
		if (getppid() == parent)
			function(library, n);
		_exit(0);
	}
	return child;
}

static void finish(pid_t child)
{
	int status;

	must(waitpid(child, &status, 0));
	if (status != 0)
		die("a child failed");
}

/* --- workloads: each returns ns per operation --- */

static double time_of(void (*function)(unsigned int n), unsigned int n)
{
	const uint64_t begin = nanoseconds();

	function(n);
	return (double)(nanoseconds() - begin) / n;
}

static double uncontended_mutex(const struct library *library)
{
	return time_of(library->mutex, 100000);
}

static double uncontended_semaphore(const struct library *library)
{
	return time_of(library->semaphore, 100000);
}

static double uncontended_reader(const struct library *library)
{
	return time_of(library->reader, 100000);
}

static double segments(const struct library *library)
{
	return time_of(library->open, 1000);
}

/* --- who waits, and is woken --- */

#define TURNS  4000
#define WAKES  500
#define ASLEEP 150000 /* ns after which a process that is about to wait sleeps, also for 64 events */

/* Between the one that wakes and the one that is woken; lies in memory of both. */
static struct exchange {
	_Atomic uint64_t begin;         /* when the last one was woken */
	_Atomic uint64_t waited[WAKES]; /* ns until each ran */
	_Atomic unsigned int turns;     /* so many are over */
} * exchange;

static void pass(uint64_t ns)
{
	const uint64_t end = nanoseconds() + ns;

	while (nanoseconds() < end)
		;
}

/* What the one that wakes does just before it, once the other sleeps. */
static void about_to_wake(void)
{
	pass(ASLEEP);
	atomic_store(&exchange->begin, nanoseconds());
}

/* What the woken one does first. */
static void woken(void)
{
	const uint64_t waited = nanoseconds() - atomic_load(&exchange->begin);

	atomic_store(&exchange->waited[atomic_load(&exchange->turns)], waited);
	atomic_fetch_add(&exchange->turns, 1);
}

/* Waits without sleeping until n turns are over. */
static void await_turns(unsigned int n)
{
	while (atomic_load(&exchange->turns) < n)
		;
}

/*
 * Of every `step`th turn from `first` on. The median, since a process may get no CPU for a while.
 */
static double time_until_woken(unsigned int first, unsigned int step)
{
	double waited[WAKES];
	unsigned int n = 0;

	for (unsigned int i = first; i < WAKES; i += step)
		waited[n++] = (double)atomic_load(&exchange->waited[i]);
	return median(waited, n);
}

/* Hands the mutex over to a process that sleeps for it, then sleeps for it: alternately, so that none is
 * taken twice. */
static void hand_over(const struct library *library, unsigned int i, unsigned int end)
{
	for (; i < end; i += 2) {
		about_to_wake();
		library->unlock();
		await_turns(i + 1);
		library->lock();
		woken();
	}
}

static void hand_back(const struct library *library, unsigned int n)
{
	library->lock();
	woken();
	hand_over(library, 1, n - 1);
	about_to_wake();
	library->unlock();
}

/* Time from the unlock until the one that slept has it. */
static double hand_overs(const struct library *library)
{
	pid_t child;

	atomic_store(&exchange->turns, 0);
	library->lock();
	child = start(hand_back, library, WAKES);
	hand_over(library, 0, WAKES);
	library->unlock();
	finish(child);
	return time_until_woken(0, 1);
}

static void answer(const struct library *library, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		library->wait(0);
		library->post(1);
	}
}

static double semaphore_turns(const struct library *library)
{
	const pid_t child = start(answer, library, TURNS);
	const uint64_t begin = nanoseconds();
	uint64_t end;

	for (unsigned int i = 0; i < TURNS; i++) {
		library->post(0);
		library->wait(1);
	}
	end = nanoseconds();
	finish(child);
	return (double)(end - begin) / TURNS;
}

#define STORMERS 8

static void lock_often(const struct library *library, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		library->lock();
		library->unlock();
	}
}

static void read_often(const struct library *library, unsigned int n)
{
	library->reader(n);
}

/* ns per operation of all */
static double together(const struct library *library, unsigned int processes, unsigned int n,
		       void (*function)(const struct library *library, unsigned int n))
{
	const uint64_t begin = nanoseconds();
	pid_t children[STORMERS];

	for (unsigned int i = 0; i < processes; i++)
		children[i] = start(function, library, n);
	for (unsigned int i = 0; i < processes; i++)
		finish(children[i]);
	return (double)(nanoseconds() - begin) / (processes * n);
}

static double storm(const struct library *library)
{
	return together(library, STORMERS, 20000, lock_often);
}

static double readers_on_two_cpus(const struct library *library)
{
	return together(library, 2, 200000, read_often);
}

/* --- the table --- */

static const struct row {
	const char *name;
	double (*run)(const struct library *library);
	double goal; /* time of libsegfs relative to the C library's; 0 = none */
} rows[] = {
	{"mutex, lock+unlock", uncontended_mutex, 1.2},
	{"semaphore, post+wait", uncontended_semaphore, 1.2},
	{"rwlock, read lock+unlock", uncontended_reader, 1.2},
	{"rwlock, 2 readers", readers_on_two_cpus, 0},
	{"mutex, handed over", hand_overs, 1.1},
	{"semaphore, ping-pong", semaphore_turns, 1.1},
	{"mutex, 8 processes", storm, 1.0},
	{"segment, open+map+unmap+close", segments, 1.1},
};

#define LIBRARIES 3

static const struct library *libraries[LIBRARIES]; /* libsegfs, C library, Boost or NULL */

static const char *judge(double goal, double ratio, double spread)
{
	if (ratio > goal ? ratio - spread <= goal : ratio + spread > goal)
		return "noise";
	return ratio > goal ? "MISS" : "ok";
}

static void print_goal(double goal, double ratio, double spread)
{
	if (goal > 0)
		printf("  at most %.1f: %s", goal, judge(goal, ratio, spread));
	putchar('\n');
}

static void print_cost(double cost)
{
	if (cost > 0)
		printf(" %12.1f", cost);
	else
		printf(" %12s", "-");
}

static void measure_row(const struct row *row)
{
	double costs[LIBRARIES][ROUNDS] = {{0}};
	double ratios[ROUNDS], ratio, spread;

	for (int round = -1; round < ROUNDS; round++) {
		const int first = rand() % LIBRARIES;

		for (int i = 0; i < LIBRARIES; i++) {
			const int which = (first + i) % LIBRARIES;
			double cost = libraries[which] ? row->run(libraries[which]) : 0;

			/* the first round warms up */
			if (round >= 0)
				costs[which][round] = cost;
		}
		if (round >= 0)
			ratios[round] = costs[0][round] / costs[1][round];
	}
	ratio = median(ratios, ROUNDS);
	spread = half_spread(ratios, ROUNDS);
	printf("%-30s", row->name);
	for (int i = 0; i < LIBRARIES; i++)
		print_cost(median(costs[i], ROUNDS));
	printf("   %5.2f +-%.2f", ratio, spread);
	print_goal(row->goal, ratio, spread);
}

/* --- of two processes: one waits for the last of several events, which the other sets --- */

static struct segfs_object *events[EVENTS];
static struct segfs_object *back;

static void set_last_of(unsigned int n)
{
	REQUIRE(segfs_set_event(events[n - 1]));
}

static void wait_for_last_of(unsigned int n)
{
	if (segfs_wait_any(events, n, NULL, 0) != (int)n - 1)
		die("segfs_wait_any");
}

/* Time of an event and its answer; beginning to wait is part of it. */
static void set_and_await_answers(const struct library *unused, unsigned int n)
{
	(void)unused;
	for (unsigned int i = 0; i < TURNS; i++) {
		set_last_of(n);
		REQUIRE(segfs_wait(back, NULL, 0));
	}
}

static double answers(unsigned int n)
{
	const pid_t child = start(set_and_await_answers, NULL, n);
	const uint64_t begin = nanoseconds();

	for (unsigned int i = 0; i < TURNS; i++) {
		wait_for_last_of(n);
		REQUIRE(segfs_set_event(back));
	}
	finish(child);
	return (double)(nanoseconds() - begin) / TURNS;
}

static void measure_answers(double *one, double *many)
{
	*one = answers(1);
	*many = answers(EVENTS);
}

/* Time from the setting of an event until the one that slept runs: alternately for one, and for any of all.
 */
static unsigned int watched_in(unsigned int turn)
{
	return turn % 2 ? EVENTS : 1;
}

static void wake_sleepers(const struct library *unused, unsigned int n)
{
	(void)unused;
	for (unsigned int i = 0; i < n; i++) {
		about_to_wake();
		set_last_of(watched_in(i));
		await_turns(i + 1);
	}
}

static void measure_wakes(double *one, double *many)
{
	pid_t child;

	atomic_store(&exchange->turns, 0);
	child = start(wake_sleepers, NULL, WAKES);
	for (unsigned int i = 0; i < WAKES; i++) {
		wait_for_last_of(watched_in(i));
		woken();
	}
	finish(child);
	*one = time_until_woken(0, 2);
	*many = time_until_woken(1, 2);
}

/* goal: for the time of waiting for any of EVENTS relative to that of waiting for one; 0 = none */
static void measure_wait(const char *name, void (*run)(double *one, double *many), double goal)
{
	double one[ROUNDS], many[ROUNDS], ratios[ROUNDS], ratio, spread;

	for (int round = 0; round < ROUNDS; round++) {
		run(&one[round], &many[round]);
		ratios[round] = many[round] / one[round];
	}
	ratio = median(ratios, ROUNDS);
	spread = half_spread(ratios, ROUNDS);
	printf("%-30s %12.1f %12.1f %12s   %5.2f +-%.2f", name, median(many, ROUNDS), median(one, ROUNDS), "",
	       ratio, spread);
	print_goal(goal, ratio, spread);
}

static void measure_events(void)
{
	for (unsigned int i = 0; i < EVENTS; i++)
		events[i] = create("event", i, SEGFS_AUTO_EVENT);
	back = create("back", 0, SEGFS_AUTO_EVENT);
	printf("\n%-30s %12s %12s %12s   any : one\n", "waiting for events", "any of 64", "one", "");
	measure_wait("woken from sleep", measure_wakes, 1.5);
	measure_wait("an event and its answer", measure_answers, 0);
	for (unsigned int i = 0; i < EVENTS; i++)
		segfs_object_close(events[i]);
	segfs_object_close(back);
}

/* The path of another file in the directory of one. */
static const char *beside(const char *path, const char *name)
{
	static char other[PATH_MAX + 16];

	snprintf(other, sizeof(other), "%.*s/%s", (int)(strrchr(path, '/') - path), path, name);
	return other;
}

static const struct library *load_boost(void)
{
	char path[PATH_MAX];
	const ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	const struct library *(*get)(void) = NULL;
	void *loaded;

	if (length <= 0)
		return NULL;
	path[length] = '\0';
	loaded = dlopen(beside(path, "boost.so"), RTLD_NOW);
	if (loaded)
		*(void **)&get = dlsym(loaded, "boost_library");
	return get ? get() : NULL;
}

void bench_library(const char *base)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s/segfs/library", base);
	must(mkdir(directory, 0700));
	exchange = mmap(NULL, sizeof(*exchange), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (exchange == MAP_FAILED)
		die("mmap");
	libraries[0] = &libsegfs;
	libraries[1] = &c_library;
	libraries[2] = load_boost();
	for (int i = 0; i < LIBRARIES; i++)
		if (libraries[i])
			libraries[i]->set_up(directory);
	printf("\nlibrary; ns, and the time of libsegfs relative to the C library's, the less the better\n");
	printf("%-30s %12s %12s %12s   segfs : C library\n", "", "libsegfs", "C library",
	       libraries[2] ? "Boost" : "(no Boost)");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!only || strstr(rows[i].name, only))
			measure_row(&rows[i]);
	if (!only || strstr("events", only))
		measure_events();
	for (int i = 0; i < LIBRARIES; i++)
		if (libraries[i])
			libraries[i]->tear_down();
}
