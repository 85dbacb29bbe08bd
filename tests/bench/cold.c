// SPDX-License-Identifier: MIT
/*
 * Opening files whose passthrough ids segfs has let go: more files in turn than `hot-segments` of the mount.
 * tests/bench/run sets it to 64.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <unistd.h>

#define ROUNDS 24
#define FILES  3000u
#define SLICE  300 /* opens; a file comes again after FILES of them */

static char names[FILES][12];
static unsigned int next_file[TARGETS];

static void open_in_turn(struct place *place, const struct workload *workload, unsigned int count)
{
	while (count--) {
		const char *name = names[next_file[place->which]++ % FILES];

		close((int)must(open(name, (int)workload->argument | O_CLOEXEC)));
	}
}

static const struct workload workloads[] = {
	{.name = "open+close, to read, cold",
	 .count = SLICE,
	 .argument = O_RDONLY,
	 .run = open_in_turn,
	 .peer_goal = 1 / 0.9},
	{.name = "open+close, to write, cold",
	 .count = SLICE,
	 .argument = O_RDWR,
	 .run = open_in_turn,
	 .peer_goal = 1 / 0.9},
};

void bench_cold(const char *base)
{
	static const char *const titles[PLACEMENTS] = {
		[ANYWHERE] = "cold",
		[TOGETHER] = "cold, all on one CPU",
		[APART] = "cold, daemons on another",
	};
	struct place places[TARGETS];

	for (unsigned int i = 0; i < FILES; i++)
		snprintf(names[i], sizeof(names[i]), "cold%04u", i);
	open_places(places, base, "cold", ON_NULL);
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		for (unsigned int k = 0; k < FILES; k++)
			close((int)must(open(names[k], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
	}
	for (int placement = 0; placement < PLACEMENTS; placement++)
		if (place_processes(base, (enum placement)placement))
			measure_table(places, titles[placement], workloads,
				      sizeof(workloads) / sizeof(workloads[0]), ROUNDS, NULL, NULL);
	place_processes(base, ANYWHERE);
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		for (unsigned int k = 0; k < FILES; k++)
			must(unlink(names[k]));
	}
}
