// SPDX-License-Identifier: MIT
/*
 * Many segments in one directory: the cost of each among 1,000, 10,000 or 100,000, and the daemon's memory
 * for them.
 */
#include "tests/bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZES        3
#define STEPS        4
#define LINEAR       1.5 /* ratio to the cost per entry at 1,000 that counts as linear at 100,000 */
#define BYTES_A_NODE 256

static const unsigned int sizes[SIZES] = {1000, 10000, 100000};
static const unsigned int repeats[SIZES] = {12, 3, 1}; /* odd and even: the median is taken */

static void name_of(unsigned int i, char name[16])
{
	snprintf(name, 16, "s%06u", i);
}

static void create_all(unsigned int n)
{
	char name[16];

	for (unsigned int i = 0; i < n; i++) {
		name_of(i, name);
		close((int)must(open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
	}
}

static void list_all(unsigned int n, bool with_stat)
{
	DIR *directory = opendir(".");
	const struct dirent *entry;
	unsigned int found = 0;

	if (!directory)
		die("opendir failed");
	while ((entry = readdir(directory))) {
		struct stat stat;

		if (with_stat)
			must(lstat(entry->d_name, &stat));
		found++;
	}
	closedir(directory);
	if (found != n + 2)
		die("%u entries listed of %u", found, n + 2);
}

static void list_names(unsigned int n)
{
	list_all(n, false);
}

static void list_attributes(unsigned int n)
{
	list_all(n, true);
}

static void remove_all(unsigned int n)
{
	char name[16];

	for (unsigned int i = 0; i < n; i++) {
		name_of(i, name);
		must(unlink(name));
	}
}

static const struct {
	const char *name;
	void (*run)(unsigned int n);
} steps[STEPS] = {
	{"create", create_all},
	{"ls -f (readdir)", list_names},
	{"ls -l (readdir+lstat)", list_attributes},
	{"rm", remove_all},
};

/* The number of the daemon's nodes, and its memory. */
struct known {
	long long nodes;
	struct memory memory;
};

static struct known known_to(const char *mount)
{
	return (struct known){
		.nodes = status_number(mount, "nodes") + status_number(mount, "nodes_idle"),
		.memory = memory_of(mount),
	};
}

static void print_memory(const struct known *before, const struct known *after)
{
	long long nodes = after->nodes - before->nodes;
	double arena = (double)(after->memory.arena - before->memory.arena) / (double)nodes;
	double heap = (double)(after->memory.heap - before->memory.heap) / (double)nodes;

	printf("memory of the daemon per node, %lld nodes: arena %.0f + heap %.0f = %.0f bytes; goal under "
	       "%d: %s\n",
	       nodes, arena, heap, arena + heap, BYTES_A_NODE, arena + heap < BYTES_A_NODE ? "ok" : "MISS");
}

static double cost[STEPS][TARGETS][SIZES]; /* ns per entry */

/* All steps once, on each target in turn. known: the daemon's state when all entries exist. */
static void run_steps(struct place places[TARGETS], unsigned int n, unsigned int turn,
		      double once[STEPS][TARGETS], const char *mount, struct known *known)
{
	for (unsigned int k = 0; k <= ON_BINDFS; k++) {
		unsigned int which = (k + turn) % (ON_BINDFS + 1);

		enter(&places[which]);
		for (int step = 0; step < STEPS; step++) {
			uint64_t start = nanoseconds();

			steps[step].run(n);
			once[step][which] = (double)(nanoseconds() - start) / n;
			if (which == ON_SEGFS && step == STEPS - 2)
				*known = known_to(mount);
		}
	}
}

static void measure_size(struct place places[TARGETS], int size, const char *mount, struct known *known)
{
	double values[STEPS][TARGETS][16];

	for (unsigned int turn = 0; turn < repeats[size]; turn++) {
		double once[STEPS][TARGETS];

		run_steps(places, sizes[size], turn, once, mount, known);
		for (int step = 0; step < STEPS; step++)
			for (int i = 0; i <= ON_BINDFS; i++)
				values[step][i][turn] = once[step][i];
	}
	for (int step = 0; step < STEPS; step++)
		for (int i = 0; i <= ON_BINDFS; i++)
			cost[step][i][size] = median(values[step][i], repeats[size]);
}

void bench_scale(const char *base)
{
	struct place places[TARGETS];
	char mount[PATH_MAX];
	struct known before;
	struct known after = {0};

	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	open_places(places, base, "scale", ON_BINDFS);
	before = known_to(mount);
	for (int size = 0; size < SIZES; size++)
		measure_size(places, size, mount, &after);

	printf("\n%-26s %8s %9u %9u %9u\n", "scale, ns per entry", "", sizes[0], sizes[1], sizes[2]);
	for (int step = 0; step < STEPS; step++) {
		for (int i = 0; i <= ON_BINDFS; i++) {
			const double *row = cost[step][i];

			printf("%-26s %8s %9.0f %9.0f %9.0f", i ? "" : steps[step].name, target_names[i],
			       row[0], row[1], row[2]);
			if (i == ON_SEGFS)
				printf("  linear: %s (x %.2f)", row[2] < row[0] * LINEAR ? "ok" : "MISS",
				       row[2] / row[0]);
			putchar('\n');
		}
	}
	print_memory(&before, &after);
}
