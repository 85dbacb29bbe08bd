// SPDX-License-Identifier: MIT
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS    36
#define TRIPS     200 /* per round */
#define FILE_NAME "trip"
#define SHARE     0.3 /* of the round trips: what own work may take */

/* ns of a round trip to the null daemon */
static double floor_trip(const struct place *null)
{
	double costs[ROUNDS];
	struct statx found;

	enter(null);
	close((int)must(open(FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t start = nanoseconds();

		for (int i = 0; i < TRIPS; i++)
			must(statx(AT_FDCWD, FILE_NAME, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found));
		costs[round] = (double)(nanoseconds() - start) / TRIPS;
	}
	must(unlink(FILE_NAME));
	return median(costs, ROUNDS);
}

/* The number of requests of one operation, those without a waiter included. */
static double requests_of(struct place *place, const struct workload *workload, const char *mount)
{
	long long before;
	long long after;
	long long self;

	enter(place);
	if (workload->prepare)
		workload->prepare(place, workload, workload->count);
	before = status_number(mount, "requests");
	self = status_number(mount, "requests") - before;
	before += self;
	workload->run(place, workload, workload->count);
	settle();
	after = status_number(mount, "requests");
	if (workload->finish)
		workload->finish(place, workload, workload->count);
	return (double)(after - before - self - 1) / workload->count;
}

void print_own_work(const char *base, struct place places[TARGETS], const struct workload *workloads,
		    size_t n, const struct outcome *outcomes)
{
	const double trip = floor_trip(&places[ON_NULL]);
	char mount[PATH_MAX];

	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	printf("\nown work, on one CPU: an operation's time without that of its requests to the null daemon, "
	       "which "
	       "answers from\nmemory: %.0f ns each. Requests that nobody waits for count as well. Over null: "
	       "the "
	       "time beyond that of the same\noperation there.\n",
	       trip);
	for (size_t i = 0; i < n; i++) {
		double cost = outcomes[i].cost[ON_SEGFS].median;
		double null = outcomes[i].cost[ON_NULL].median;
		double requests = cost > 0 ? requests_of(&places[ON_SEGFS], &workloads[i], mount) : 0;
		double trips = requests * trip;

		/* a listing has less than one per entry, a program starts first */
		if (requests < 0.5)
			continue;
		printf("%-26s %8.0f ns = %4.2f x %.0f + %6.0f ns own: %3.0f %%  within %.0f %%: %s   over "
		       "null %6.0f "
		       "ns: %3.0f %%\n",
		       workloads[i].name, cost, requests, trip, cost - trips, 100 * (cost - trips) / trips,
		       100 * SHARE, cost - trips <= SHARE * trips ? "ok" : "MISS", cost - null,
		       100 * (cost - null) / null);
	}
}
