// SPDX-License-Identifier: MIT
/*
 * Locks of fcntl(2) and flock(2) without contention, and one that two processes hand to each other. Their
 * cost is also given in round trips to the daemon, measured next to them in the same round: GETATTR of an
 * open file.
 *
 * Those on bindfs are the kernel's own: it does not pass locks to its daemon.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 36
#define BYTES  3 /* on which two processes alternate */

static void lock_byte(int file, int command, short type, off_t byte)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	must(fcntl(file, command, &lock));
}

void lock_and_unlock(struct place *place, const struct workload *workload, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		lock_byte(place->file, (int)workload->argument, F_WRLCK, 0);
		lock_byte(place->file, (int)workload->argument, F_UNLCK, 0);
	}
}

void flock_and_unlock(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	for (unsigned int i = 0; i < count; i++) {
		must(flock(place->file, LOCK_EX));
		must(flock(place->file, LOCK_UN));
	}
}

static void ask_attributes(struct place *place, const struct workload *workload, unsigned int count)
{
	struct statx found;

	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(statx(place->file, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found));
}

/*
 * Each of two processes locks the next byte and then unlocks the previous one, in a circle: with one byte
 * more than processes, each can proceed only after the other has unlocked a byte.
 */
static void take_turns(int file, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		lock_byte(file, F_SETLKW, F_WRLCK, (i + 1) % BYTES);
		lock_byte(file, F_SETLK, F_UNLCK, i % BYTES);
	}
}

static pid_t partner;

static void partner_takes_turns(unsigned int count, int ready, pid_t parent)
{
	int file;

	must(prctl(PR_SET_PDEATHSIG, SIGKILL));
	file = (int)must(open("lock", O_RDWR | O_CLOEXEC));
	must(write(ready, "r", 1));
	if (getppid() == parent) {
		lock_byte(file, F_SETLKW, F_WRLCK, 0);
		take_turns(file, count);
	}
	_exit(0);
}

static void start_partner(struct place *place, const struct workload *workload, unsigned int count)
{
	pid_t parent = getpid();
	int ready[2];
	char byte;

	(void)workload;
	lock_byte(place->file, F_SETLK, F_WRLCK, 0);
	must(pipe2(ready, O_CLOEXEC));
	fflush(NULL);
	partner = (pid_t)must(fork());
	if (partner == 0)
		partner_takes_turns(count / 2, ready[1], parent);
	must(close(ready[1]));
	if (must(read(ready[0], &byte, 1)) != 1)
		die("the other process ended");
	must(close(ready[0]));
}

static void hand_over(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	take_turns(place->file, count / 2);
}

static void end_partner(struct place *place, const struct workload *workload, unsigned int count)
{
	struct flock all = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	int status;

	(void)workload;
	(void)count;
	must(fcntl(place->file, F_SETLK, &all));
	must(waitpid(partner, &status, 0));
	if (status != 0)
		die("the other process failed");
}

/* goal: round trips */
static const struct workload workloads[] = {
	{.name = "fcntl, lock+unlock",
	 .count = 200,
	 .argument = F_SETLK,
	 .goal = 2 * 1.1,
	 .repeatable = true,
	 .run = lock_and_unlock},
	{.name = "fcntl of open file, same",
	 .count = 200,
	 .argument = F_OFD_SETLK,
	 .goal = 2 * 1.1,
	 .repeatable = true,
	 .run = lock_and_unlock},
	{.name = "flock, lock+unlock",
	 .count = 200,
	 .goal = 2 * 1.1,
	 .repeatable = true,
	 .run = flock_and_unlock},
	{.name = "fcntl, hand-over",
	 .count = 200,
	 .goal = 3,
	 .prepare = start_partner,
	 .run = hand_over,
	 .finish = end_partner},
};

static const struct workload round_trip = {.count = 200, .repeatable = true, .run = ask_attributes};

/*
 * With free placement the daemon follows the one process that requests attributes, but can't follow two that
 * alternate: the two times are not comparable, and the goal is not judged.
 */
static bool is_comparable(const struct workload *workload, enum placement placement)
{
	return workload->run != hand_over || placement != ANYWHERE;
}

static void print_locks(const struct workload *workload, double cost[TARGETS][ROUNDS], double *trip,
			double *trips, bool judge)
{
	double in_trips = median(trips, ROUNDS);

	printf("%-26s", workload->name);
	for (int i = 0; i <= ON_BINDFS; i++)
		printf(" %8.0f", median(cost[i], ROUNDS));
	printf(" ns     %8.0f  %5.2f +-%.2f  ", median(trip, ROUNDS), in_trips, half_spread(trips, ROUNDS));
	if (judge)
		printf("within %.1f: %s", workload->goal, in_trips <= workload->goal ? "ok" : "MISS");
	putchar('\n');
}

static void measure_locks(struct place places[TARGETS], const struct workload *workload,
			  enum placement placement)
{
	double cost[TARGETS][ROUNDS] = {{0}};
	double trip[ROUNDS];
	double trips[ROUNDS];

	for (unsigned int round = 0; round < ROUNDS; round++) {
		struct place *segfs = &places[ON_SEGFS];
		double before = measure_slice(segfs, &round_trip, round + 1);

		cost[ON_SEGFS][round] = measure_slice(segfs, workload, round + 1);
		trip[round] = (before + measure_slice(segfs, &round_trip, round + 1)) / 2;
		trips[round] = cost[ON_SEGFS][round] / trip[round];
		for (int i = 0; i <= ON_BINDFS; i++)
			if (i != ON_SEGFS)
				cost[i][round] = measure_slice(&places[i], workload, round + 1);
	}
	print_locks(workload, cost, trip, trips, is_comparable(workload, placement));
}

void bench_locks(const char *base)
{
	static const char *const titles[PLACEMENTS] = {
		[ANYWHERE] = "locks",
		[TOGETHER] = "locks, all on one CPU",
		[APART] = "locks, daemons on another",
	};
	struct place places[TARGETS];

	open_places(places, base, "locks", ON_BINDFS);
	for (int i = 0; i <= ON_BINDFS; i++) {
		enter(&places[i]);
		places[i].file = (int)must(open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	}
	puts("\nbindfs hands no locks on: those are the kernel's own, as tmpfs's are. Round trips to segfs: "
	     "how many one would have\n"
	     "had, in the same round, for the time of one operation.");
	for (int placement = 0; placement < PLACEMENTS; placement++) {
		if (!place_processes(base, (enum placement)placement))
			continue;
		printf("\n%-26s %8s %8s %8s        a round trip, so many  goal\n", titles[placement],
		       target_names[ON_TMPFS], target_names[ON_SEGFS], target_names[ON_BINDFS]);
		for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
			if (!only || strstr(workloads[i].name, only))
				measure_locks(places, &workloads[i], (enum placement)placement);
	}
	for (int i = 0; i <= ON_BINDFS; i++) {
		enter(&places[i]);
		must(close(places[i].file));
		must(unlink("lock"));
	}
	bench_held_locks(base);
	place_processes(base, ANYWHERE);
}
