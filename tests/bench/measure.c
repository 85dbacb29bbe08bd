// SPDX-License-Identifier: MIT
/*
 * A round gives every target one slice of a few milliseconds, in changing order, so that other load of the
 * machine affects all alike. The result is the median, over the rounds, of each round's own ratio.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define ROUNDS_MAX 200
#define RENEW      12 /* rounds */

uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sleep_milliseconds(unsigned int milliseconds)
{
	const struct timespec time = {
		.tv_sec = (time_t)(milliseconds / 1000),
		.tv_nsec = (long)(milliseconds % 1000) * 1000000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static int compare(const void *a, const void *b)
{
	double first = *(const double *)a;
	double second = *(const double *)b;

	return (first > second) - (first < second);
}

/* values are sorted; part: 0.5 is the median */
static double quantile(const double *values, unsigned int n, double part)
{
	double at = part * (double)(n - 1);
	unsigned int below = (unsigned int)floor(at);
	unsigned int above = below + 1 < n ? below + 1 : below;

	return values[below] + (values[above] - values[below]) * (at - below);
}

double median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return quantile(values, n, 0.5);
}

double half_spread(const double *sorted, unsigned int n)
{
	return (quantile(sorted, n, 0.75) - quantile(sorted, n, 0.25)) / 2;
}

bool is_measured(const struct place *place)
{
	return place->directory >= 0;
}

double measure_slice(struct place *place, const struct workload *workload, uint64_t seed)
{
	unsigned int count = workload->count;
	uint64_t start;
	uint64_t end;

	if (place->which == ON_BINDFS && workload->peer > 1)
		count = count > workload->peer ? count / workload->peer : 1;
	enter(place);
	if (workload->clients > 0)
		return measure_clients(place, workload, seed, count);
	place->random = seed;
	place->told = 0;
	if (workload->prepare)
		workload->prepare(place, workload, count);
	if (workload->repeatable)
		workload->run(place, workload, count / 8 + 1);
	start = nanoseconds();
	workload->run(place, workload, count);
	end = nanoseconds();
	if (workload->finish)
		workload->finish(place, workload, count);
	return place->told > 0 ? place->told : (double)(end - start) / count;
}

static struct quartiles quartiles_of(double *values, unsigned int n)
{
	struct quartiles quartiles = {.median = median(values, n)};

	quartiles.low = quantile(values, n, 0.25);
	quartiles.high = quantile(values, n, 0.75);
	return quartiles;
}

static void shuffle(int order[TARGETS], unsigned int round)
{
	struct place dice = {.random = 0x9e3779b97f4a7c15u * (round + 1)};

	for (int i = 0; i < TARGETS; i++)
		order[i] = i;
	for (int i = TARGETS - 1; i > 0; i--) {
		int other = (int)(next_random(&dice) % (uint64_t)(i + 1));
		int moved = order[i];

		order[i] = order[other];
		order[other] = moved;
	}
}

static bool runs_on(const struct workload *workload, const struct place *place)
{
	return is_measured(place) && (!workload->runs_on || workload->runs_on(place));
}

static void ask_null(struct place *place, const struct workload *workload, unsigned int count)
{
	struct statx found;

	(void)place;
	(void)workload;
	while (count--)
		must(statx(AT_FDCWD, ".", AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found));
}

static const struct workload round_trip = {.count = 50, .repeatable = true, .run = ask_null};

static int faster_peer(const struct outcome *outcome)
{
	double bindfs = outcome->cost[ON_BINDFS].median;
	double passthrough = outcome->cost[ON_PASSTHROUGH].median;

	if (bindfs > 0 && passthrough > 0)
		return passthrough < bindfs ? ON_PASSTHROUGH : ON_BINDFS;
	return passthrough > 0 ? ON_PASSTHROUGH : bindfs > 0 ? ON_BINDFS : -1;
}

void measure(struct place places[TARGETS], const struct workload *workload, unsigned int rounds,
	     renew_function renew, struct outcome *outcome)
{
	double cost[TARGETS][ROUNDS_MAX] = {{0}};
	double speed[TARGETS][ROUNDS_MAX] = {{0}};
	double trip[ROUNDS_MAX] = {0};

	if (workload->rounds > 0 && workload->rounds < rounds)
		rounds = workload->rounds;
	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	for (unsigned int round = 0; round < rounds; round++) {
		int order[TARGETS];

		if (renew && round % RENEW == 0)
			renew(places);
		shuffle(order, round);
		for (int i = 0; i < TARGETS; i++)
			if (runs_on(workload, &places[order[i]]))
				cost[order[i]][round] = measure_slice(&places[order[i]], workload,
								      0x9e3779b97f4a7c15u * (round + 1));
		if (is_measured(&places[ON_NULL]))
			trip[round] = measure_slice(&places[ON_NULL], &round_trip, 1);
		for (int i = 0; i < TARGETS; i++)
			speed[i][round] =
				cost[ON_SEGFS][round] > 0 ? cost[i][round] / cost[ON_SEGFS][round] : 0;
	}
	for (int i = 0; i < TARGETS; i++) {
		outcome->cost[i] = quartiles_of(cost[i], rounds);
		outcome->speed[i] = quartiles_of(speed[i], rounds);
	}
	outcome->trip = median(trip, rounds);
	outcome->peer = faster_peer(outcome);
}

static const char *table; /* the title of the last heading */

static void print_heading(const char *title)
{
	table = title;
	printf("\n%-26s %8s %8s %8s %8s %8s        segfs : tmpfs   : faster peer           goal\n", title,
	       "tmpfs", "segfs", "bindfs", "pass_hp", "null");
}

static double half_range(const struct quartiles *quartiles)
{
	return (quartiles->high - quartiles->low) / 2;
}

static const char *verdict(const struct quartiles *speed, double goal)
{
	if (fabs(speed->median - goal) < half_range(speed))
		return "noise";
	return speed->median >= goal ? "ok" : "MISS";
}

static void record_quartiles(FILE *file, const struct quartiles *quartiles)
{
	fprintf(file, "\t%.6g %.6g %.6g", quartiles->median, quartiles->low, quartiles->high);
}

/* The goal as the line says it, or "". */
static const char *judge(const struct workload *workload, const struct outcome *outcome)
{
	static char text[96];
	const struct quartiles *tmpfs = &outcome->speed[ON_TMPFS];

	*text = 0;
	if (workload->goal > 0 && tmpfs->median > 0)
		snprintf(text, sizeof(text), "%.2f of tmpfs: %s", workload->goal,
			 verdict(tmpfs, workload->goal));
	else if (workload->peer_goal > 0 && outcome->peer >= 0)
		snprintf(text, sizeof(text), "%.2f of %s: %s", workload->peer_goal,
			 target_names[outcome->peer],
			 verdict(&outcome->speed[outcome->peer], workload->peer_goal));
	return text;
}

/* Fields of a line, between tabs: table, name, bytes, goal; cost of each target; speed of segfs relative to
 * each. */
static void record(const struct workload *workload, const struct outcome *outcome)
{
	const char *name = getenv("BENCH_RESULTS");
	FILE *file = name ? fopen(name, "ae") : NULL;

	if (!file)
		return;
	fprintf(file, "%s\t%s\t%zu\t%s", table, workload->name, workload->bytes, judge(workload, outcome));
	for (int i = 0; i < TARGETS; i++)
		record_quartiles(file, &outcome->cost[i]);
	for (int i = 0; i < TARGETS; i++)
		record_quartiles(file, &outcome->speed[i]);
	fputc('\n', file);
	fclose(file);
}

static void print_speed(const struct quartiles *speed)
{
	if (speed && speed->median > 0)
		printf("  %6.2f +-%.2f", speed->median, half_range(speed));
	else
		printf("  %6s %6s", "-", "");
}

static void print_outcome(const struct workload *workload, const struct outcome *outcome)
{
	const char *unit = workload->bytes ? "MB/s" : "ns";

	printf("%-26s", workload->name);
	for (int i = 0; i < TARGETS; i++) {
		double cost = outcome->cost[i].median;

		if (cost <= 0)
			printf(" %8s", "-");
		else if (workload->bytes)
			printf(" %8.0f", (double)workload->bytes * 1000 / cost);
		else
			printf(cost < 100 ? " %8.1f" : " %8.0f", cost);
	}
	printf(" %-4s", unit);
	print_speed(&outcome->speed[ON_TMPFS]);
	print_speed(outcome->peer < 0 ? NULL : &outcome->speed[outcome->peer]);
	printf("  %s\n", judge(workload, outcome));
	record(workload, outcome);
}

bool is_wanted(const struct workload *workloads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!only || strstr(workloads[i].name, only))
			return true;
	return false;
}

void measure_table(struct place places[TARGETS], const char *title, const struct workload *workloads,
		   size_t n, unsigned int rounds, renew_function renew, struct outcome *outcomes)
{
	if (is_wanted(workloads, n))
		print_heading(title);
	for (size_t i = 0; i < n; i++) {
		struct outcome outcome = {.peer = -1};

		if (!only || strstr(workloads[i].name, only)) {
			measure(places, &workloads[i], rounds, renew, &outcome);
			print_outcome(&workloads[i], &outcome);
		}
		if (outcomes)
			outcomes[i] = outcome;
	}
}
