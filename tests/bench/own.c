// SPDX-License-Identifier: MIT
#include "tests/bench/bench.h"

#include <limits.h>

#define SHARE 0.3 /* of the round trips: what own work may take */

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
	char mount[PATH_MAX];

	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	if (!is_wanted(workloads, n))
		return;
	puts("\nown work, on one CPU: an operation's time without that of its requests to the null daemon,\n"
	     "which answers from memory, measured in the same rounds; requests without a waiter count, too.\n"
	     "Over null: what is beyond the time of the operation there.");
	for (size_t i = 0; i < n; i++) {
		double cost = outcomes[i].cost[ON_SEGFS].median;
		double trip = outcomes[i].trip;
		double null = outcomes[i].cost[ON_NULL].median;
		double requests = cost > 0 ? requests_of(&places[ON_SEGFS], &workloads[i], mount) : 0;
		double trips = requests * trip;

		/* a listing has less than one per entry, a program starts first */
		if (requests < 0.5)
			continue;
		printf("%-26s %8.0f ns = %4.2f x %.0f + %6.0f ns own: %3.0f %%  within %.0f %%: %s"
		       "   over null %6.0f ns: %3.0f %%\n",
		       workloads[i].name, cost, requests, trip, cost - trips, 100 * (cost - trips) / trips,
		       100 * SHARE, cost - trips <= SHARE * trips ? "ok" : "MISS", cost - null,
		       100 * (cost - null) / null);
	}
}
