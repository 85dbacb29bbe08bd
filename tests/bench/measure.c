// SPDX-License-Identifier: MIT
/*
 * A round gives every target one slice of a few milliseconds, in changing order, so that other load of the
 * machine affects all alike. The result is the median, over the rounds, of each round's own ratio.
 */
#include "tests/bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
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

double measure_slice(struct place *place, const struct workload *workload, uint64_t seed)
{
	unsigned int count = workload->count;
	uint64_t start;
	uint64_t end;

	if (place->which == ON_BINDFS && workload->peer > 1)
		count = count > workload->peer ? count / workload->peer : 1;
	enter(place);
	place->random = seed;
	if (workload->prepare)
		workload->prepare(place, workload, count);
	if (workload->repeatable)
		workload->run(place, workload, count / 8 + 1);
	start = nanoseconds();
	workload->run(place, workload, count);
	end = nanoseconds();
	if (workload->finish)
		workload->finish(place, workload, count);
	return (double)(end - start) / count;
}

void measure(struct place places[TARGETS], const struct workload *workload, unsigned int rounds,
	     renew_function renew, struct outcome *outcome)
{
	static const int orders[6][TARGETS] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0},
					       {0, 2, 1}, {2, 0, 1}, {1, 0, 2}};
	double cost[TARGETS][ROUNDS_MAX] = {{0}};
	double of_tmpfs[ROUNDS_MAX] = {0};
	double of_bindfs[ROUNDS_MAX] = {0};

	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	for (unsigned int round = 0; round < rounds; round++) {
		if (renew && round % RENEW == 0)
			renew(places);
		for (int i = 0; i < TARGETS; i++) {
			int which = orders[round % 6][i];

			cost[which][round] =
				measure_slice(&places[which], workload, 0x9e3779b97f4a7c15u * (round + 1));
		}
		of_tmpfs[round] = cost[ON_TMPFS][round] / cost[ON_SEGFS][round];
		of_bindfs[round] = cost[ON_BINDFS][round] / cost[ON_SEGFS][round];
	}
	for (int i = 0; i < TARGETS; i++)
		outcome->cost[i] = median(cost[i], rounds);
	outcome->of_tmpfs = median(of_tmpfs, rounds);
	outcome->spread = half_spread(of_tmpfs, rounds);
	outcome->of_bindfs = median(of_bindfs, rounds);
	outcome->spread_bindfs = half_spread(of_bindfs, rounds);
}

static const char *table; /* the title of the last heading */

static void print_heading(const char *title)
{
	table = title;
	printf("\n%-26s %8s %8s %8s        segfs : tmpfs   : bindfs           goal\n", title,
	       target_names[ON_TMPFS], target_names[ON_SEGFS], target_names[ON_BINDFS]);
}

static const char *verdict(double speed, double spread, double goal)
{
	if (fabs(speed - goal) < spread)
		return "noise";
	return speed >= goal ? "ok" : "MISS";
}

static void record(const struct workload *workload, const struct outcome *outcome)
{
	const char *name = getenv("BENCH_RESULTS");
	FILE *file = name ? fopen(name, "ae") : NULL;

	if (!file)
		return;
	fprintf(file, "%s\t%s\t%zu", table, workload->name, workload->bytes);
	for (int i = 0; i < TARGETS; i++)
		fprintf(file, "\t%.1f", outcome->cost[i]);
	fprintf(file, "\t%.3f\t%.3f\t%.3f\t%.3f\n", outcome->of_tmpfs, outcome->spread, outcome->of_bindfs,
		outcome->spread_bindfs);
	fclose(file);
}

static void print_outcome(const struct workload *workload, const struct outcome *outcome)
{
	const char *unit = workload->bytes ? "MB/s" : "ns";

	printf("%-26s", workload->name);
	for (int i = 0; i < TARGETS; i++) {
		double cost = outcome->cost[i];

		if (workload->bytes)
			printf(" %8.0f", (double)workload->bytes * 1000 / cost);
		else
			printf(cost < 100 ? " %8.1f" : " %8.0f", cost);
	}
	printf(" %-4s   %5.2f +-%.2f  %7.2f +-%.2f  ", unit, outcome->of_tmpfs, outcome->spread,
	       outcome->of_bindfs, outcome->spread_bindfs);
	if (workload->goal > 0)
		printf("%.2f of tmpfs: %s", workload->goal,
		       verdict(outcome->of_tmpfs, outcome->spread, workload->goal));
	else if (workload->beat_peer)
		printf("over bindfs: %s", verdict(outcome->of_bindfs, outcome->spread_bindfs, 1));
	putchar('\n');
	record(workload, outcome);
}

void measure_table(struct place places[TARGETS], const char *title, const struct workload *workloads,
		   size_t n, unsigned int rounds, renew_function renew, double *costs)
{
	print_heading(title);
	for (size_t i = 0; i < n; i++) {
		struct outcome outcome;

		if (costs)
			costs[i] = 0;
		if (only && !strstr(workloads[i].name, only))
			continue;
		measure(places, &workloads[i], rounds, renew, &outcome);
		print_outcome(&workloads[i], &outcome);
		if (costs)
			costs[i] = outcome.cost[ON_SEGFS];
	}
}
