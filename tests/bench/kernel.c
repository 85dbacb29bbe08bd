// SPDX-License-Identifier: MIT
/*
 * What must cost no request: locks of a mount that leaves them to the kernel, and fsync(2) where all media
 * are memory.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 36
#define GOAL   (1 / 1.05) /* of tmpfs's speed */

static void synchronize(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(fsync(place->file));
}

#define REPEATED .count = 5000, .repeatable = true, .goal = GOAL, .peer = 50

static const struct workload workloads[] = {
	{.name = "fcntl, lock+unlock", .argument = F_SETLK, .run = lock_and_unlock, REPEATED},
	{.name = "fcntl of open file, same", .argument = F_OFD_SETLK, .run = lock_and_unlock, REPEATED},
	{.name = "flock, lock+unlock", .run = flock_and_unlock, REPEATED},
	{.name = "fsync", .run = synchronize, REPEATED},
};

void bench_kernel(const char *base)
{
	struct place places[TARGETS];

	open_places(places, base, "kernel", ON_PASSTHROUGH);
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		places[i].file = (int)must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	}
	measure_table(places, "without a request", workloads, sizeof(workloads) / sizeof(workloads[0]),
		      ROUNDS, NULL, NULL);
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		must(close(places[i].file));
		must(unlink("file"));
	}
}
