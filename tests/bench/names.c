// SPDX-License-Identifier: MIT
/* The control plane: opening, creating, listing and removing. */
#include "tests/bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILES  200 /* permanent files: old000 ... */
#define ROUNDS 36
#define SMALL  1000
#define LARGE  10000

static char old_names[FILES][8];
static char new_names[FILES][8];

static void make_file(const char *name)
{
	close((int)must(open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
}

static void make_new(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		make_file(new_names[i]);
	settle();
}

/* The daemon is idle when the slice begins. */
static void be_quiet(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	(void)count;
	settle();
}

static void remove_new(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(unlink(new_names[i]));
}

static void make_new_directories(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(mkdir(new_names[i], 0755));
}

static void remove_new_directories(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(rmdir(new_names[i]));
}

static void open_and_close(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	for (unsigned int i = 0; i < count; i++)
		close((int)must(open(old_names[i % FILES], (int)workload->argument | O_CLOEXEC)));
}

static void stat_old(struct place *place, const struct workload *workload, unsigned int count)
{
	struct stat found;

	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(stat(old_names[i % FILES], &found));
}

static void stat_anew(struct place *place, const struct workload *workload, unsigned int count)
{
	struct statx found;

	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(statx(AT_FDCWD, old_names[i % FILES], AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found));
}

/* Names unknown to the kernel: composed of the number of the slice and that of the file. */
static unsigned int generation[TARGETS];

static void name_unknown(const struct place *place, unsigned int i, char name[24])
{
	snprintf(name, 24, "un%u-%u", generation[place->which], i);
}

static void make_behind(struct place *place, const struct workload *workload, unsigned int count)
{
	char name[24];

	(void)workload;
	generation[place->which]++;
	for (unsigned int i = 0; i < count; i++) {
		name_unknown(place, i, name);
		close((int)must(openat(place->behind, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
	}
}

static void stat_unknown(struct place *place, const struct workload *workload, unsigned int count)
{
	struct stat found;
	char name[24];

	(void)workload;
	for (unsigned int i = 0; i < count; i++) {
		name_unknown(place, i, name);
		must(stat(name, &found));
	}
}

static void remove_unknown(struct place *place, const struct workload *workload, unsigned int count)
{
	char name[24];

	(void)workload;
	for (unsigned int i = 0; i < count; i++) {
		name_unknown(place, i, name);
		must(unlink(name));
	}
}

static void stat_missing(struct place *place, const struct workload *workload, unsigned int count)
{
	struct stat found;

	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		if (stat(new_names[i], &found) == 0)
			die("%s exists", new_names[i]);
}

/* One pass over a directory; returns its number of entries. */
static unsigned int list(const char *name, bool with_stat)
{
	static _Alignas(8) char buffer[32768]; /* as readdir(3) of glibc */
	int directory = (int)must(open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	unsigned int entries = 0;
	long length;

	while ((length = must(getdents64(directory, buffer, sizeof(buffer)))) > 0) {
		for (long at = 0; at < length; entries++) {
			const struct dirent64 *entry = (const void *)(buffer + at);
			struct stat found;

			if (with_stat)
				must(fstatat(directory, entry->d_name, &found, AT_SYMLINK_NOFOLLOW));
			at += entry->d_reclen;
		}
	}
	close(directory);
	return entries;
}

/* argument: entries of the directory */
static void list_passes(const struct workload *workload, unsigned int count, bool with_stat)
{
	const char *name = workload->argument == SMALL ? "small" : "large";

	for (unsigned int done = 0; done < count; done += (unsigned int)workload->argument)
		if (list(name, with_stat) != (unsigned int)workload->argument + 2)
			die("%s: not every entry was listed once", name);
}

static void list_only(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	list_passes(workload, count, false);
}

static void list_and_stat(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	list_passes(workload, count, true);
}

static void rename_twice(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count / 2; i++) {
		must(rename(old_names[i], new_names[i]));
		must(rename(new_names[i], old_names[i]));
	}
}

static void set_attribute(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(setxattr(old_names[i % FILES], "user.bench", "sixteen bytes...", 16, 0));
}

static void get_attribute(struct place *place, const struct workload *workload, unsigned int count)
{
	char value[32];

	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(getxattr(old_names[i % FILES], "user.bench", value, sizeof(value)));
}

static void resize(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		must(truncate(old_names[i % FILES], (off_t)(i % 2 + 1) * 4096));
}

#define BEAT .beat_peer = true

static const struct workload workloads[] = {
	{.name = "open+close, to read",
	 .count = 200,
	 .argument = O_RDONLY,
	 .repeatable = true,
	 .run = open_and_close,
	 BEAT},
	{.name = "open+close, to write",
	 .count = 200,
	 .argument = O_RDWR,
	 .repeatable = true,
	 .run = open_and_close,
	 BEAT},
	{.name = "create+close",
	 .count = 100,
	 .prepare = be_quiet,
	 .run = make_new,
	 .finish = remove_new,
	 BEAT},
	{.name = "unlink", .count = 100, .prepare = make_new, .run = remove_new, BEAT},
	{.name = "stat, cached", .count = 5000, .repeatable = true, .run = stat_old, BEAT},
	{.name = "stat, asking anew", .count = 200, .repeatable = true, .run = stat_anew, BEAT},
	{.name = "stat, name not known yet",
	 .count = 100,
	 .prepare = make_behind,
	 .run = stat_unknown,
	 .finish = remove_unknown,
	 BEAT},
	{.name = "stat, no such name", .count = 200, .run = stat_missing, BEAT},
	{.name = "readdir, of 1,000", .count = 4 * SMALL, .argument = SMALL, .run = list_only, BEAT},
	{.name = "readdir, of 10,000", .count = LARGE, .argument = LARGE, .run = list_only, BEAT},
	{.name = "readdir+lstat, of 1,000",
	 .count = 2 * SMALL,
	 .argument = SMALL,
	 .run = list_and_stat,
	 BEAT},
	{.name = "readdir+lstat, of 10,000", .count = LARGE, .argument = LARGE, .run = list_and_stat, BEAT},
	{.name = "rename", .count = 100, .repeatable = true, .run = rename_twice, BEAT},
	{.name = "mkdir", .count = 100, .run = make_new_directories, .finish = remove_new_directories, BEAT},
	{.name = "rmdir", .count = 100, .prepare = make_new_directories, .run = remove_new_directories, BEAT},
	{.name = "setxattr", .count = 200, .repeatable = true, .run = set_attribute, BEAT},
	{.name = "getxattr",
	 .count = 200,
	 .prepare = set_attribute,
	 .repeatable = true,
	 .run = get_attribute,
	 BEAT},
	{.name = "truncate", .count = 200, .repeatable = true, .run = resize, BEAT},
};

/* Past the mount, since this is not measured. */
static void fill(int directory, const char *sub, unsigned int entries)
{
	int made;

	must(mkdirat(directory, sub, 0755));
	made = (int)must(openat(directory, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (unsigned int i = 0; i < entries; i++) {
		char name[16];

		snprintf(name, sizeof(name), "entry%06u", i);
		close((int)must(openat(made, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644)));
	}
	close(made);
}

static void empty(int directory, const char *sub, unsigned int entries)
{
	int made = (int)must(openat(directory, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	for (unsigned int i = 0; i < entries; i++) {
		char name[16];

		snprintf(name, sizeof(name), "entry%06u", i);
		must(unlinkat(made, name, 0));
	}
	close(made);
	must(unlinkat(directory, sub, AT_REMOVEDIR));
}

static void set_up(struct place places[TARGETS])
{
	for (unsigned int i = 0; i < FILES; i++) {
		snprintf(old_names[i], sizeof(old_names[i]), "old%03u", i);
		snprintf(new_names[i], sizeof(new_names[i]), "new%03u", i);
	}
	for (int i = 0; i < TARGETS; i++) {
		fill(places[i].behind, "small", SMALL);
		fill(places[i].behind, "large", LARGE);
		enter(&places[i]);
		for (unsigned int k = 0; k < FILES; k++)
			make_file(old_names[k]);
	}
}

static void tear_down(struct place places[TARGETS])
{
	for (int i = 0; i < TARGETS; i++) {
		enter(&places[i]);
		for (unsigned int k = 0; k < FILES; k++)
			must(unlink(old_names[k]));
		empty(places[i].behind, "small", SMALL);
		empty(places[i].behind, "large", LARGE);
	}
}

/* --- own work --- */

/* ns of a round trip to a server that answers at once, from memory */
static double floor_trip(const char *base)
{
	double costs[ROUNDS];
	struct statx found;
	char path[4096];

	snprintf(path, sizeof(path), "%s/floor", base);
	must(mkdir(path, 0755));
	floor_start(path, 1, false);
	must(chdir(path));
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t start = nanoseconds();

		for (int i = 0; i < 200; i++)
			must(statx(AT_FDCWD, "00000", AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &found));
		costs[round] = (double)(nanoseconds() - start) / 200;
	}
	must(chdir("/"));
	floor_stop();
	must(rmdir(path));
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

static void print_own_work(const char *base, struct place places[TARGETS], const double *costs)
{
	const double trip = floor_trip(base);
	char mount[4096];

	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	printf("\nown work, on one CPU: an operation's time without that of its requests to a server that "
	       "answers at once, from\nmemory: %.0f ns each. Requests that nobody waits for count as well.\n",
	       trip);
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		double requests = costs[i] > 0 ? requests_of(&places[ON_SEGFS], &workloads[i], mount) : 0;
		double own = costs[i] - requests * trip;

		if (requests > 0.5)
			printf("%-26s %8.0f ns  %5.2f requests, own %6.0f ns: %3.0f %%  within 30 %%: %s\n",
			       workloads[i].name, costs[i], requests, own, 100 * own / (requests * trip),
			       own <= 0.3 * requests * trip ? "ok" : "MISS");
	}
}

void bench_names(const char *base)
{
	double costs[sizeof(workloads) / sizeof(workloads[0])] = {0};
	static const char *const titles[PLACEMENTS] = {
		[ANYWHERE] = "names",
		[TOGETHER] = "names, all on one CPU",
		[APART] = "names, daemons on another",
	};
	struct place places[TARGETS];

	open_places(places, base, "names");
	set_up(places);
	for (int placement = 0; placement < PLACEMENTS; placement++) {
		if (!place_processes(base, (enum placement)placement))
			continue;
		measure_table(places, titles[placement], workloads, sizeof(workloads) / sizeof(workloads[0]),
			      ROUNDS, NULL, costs);
		if (placement == TOGETHER)
			print_own_work(base, places, costs);
	}
	place_processes(base, ANYWHERE);
	tear_down(places);
}
