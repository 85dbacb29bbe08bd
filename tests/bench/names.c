// SPDX-License-Identifier: MIT
/* The control plane: opening, creating, listing and removing. */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILES   200 /* permanent files: old000 ... */
#define ROUNDS  36
#define CLIENTS 4

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
	if (place->which == ON_NULL) /* there such names exist */
		return;
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

/* A node of passthrough_hp is a descriptor, and its limit is ours. */
static bool has_room(const struct place *place)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit));
	return place->which != ON_PASSTHROUGH || limit.rlim_max > 2ul * LARGEST;
}

#define FASTER (1 / 0.9) /* at most 0.9 of the peer's time */
#define WITHIN (1 / 1.05)

static const struct workload workloads[] = {
	{.name = "open+close, to read",
	 .count = 200,
	 .argument = O_RDONLY,
	 .repeatable = true,
	 .run = open_and_close,
	 .peer_goal = FASTER},
	{.name = "open+close, to write",
	 .count = 200,
	 .argument = O_RDWR,
	 .repeatable = true,
	 .run = open_and_close,
	 .peer_goal = FASTER},
	{.name = "create+close",
	 .count = 100,
	 .prepare = be_quiet,
	 .run = make_new,
	 .finish = remove_new,
	 .peer_goal = FASTER},
	{.name = "unlink", .count = 100, .prepare = make_new, .run = remove_new, .peer_goal = FASTER},
	{.name = "stat, cached", .count = 5000, .repeatable = true, .run = stat_old, .goal = WITHIN},
	{.name = "stat, asking anew", .count = 200, .repeatable = true, .run = stat_anew, .peer_goal = 1},
	{.name = "stat, name not known yet",
	 .count = 100,
	 .prepare = make_behind,
	 .run = stat_unknown,
	 .finish = remove_unknown,
	 .peer_goal = 1},
	{.name = "stat, no such name", .count = 200, .run = stat_missing, .peer_goal = 1},
	{.name = "readdir, of 1,000",
	 .count = 4 * SMALL,
	 .argument = SMALL,
	 .run = readdir_only,
	 .peer_goal = FASTER},
	{.name = "readdir, of 10,000",
	 .count = LARGE,
	 .argument = LARGE,
	 .run = readdir_only,
	 .peer_goal = FASTER},
	{.name = "readdir, of 100,000",
	 .rounds = 6,
	 .count = LARGEST,
	 .argument = LARGEST,
	 .run = readdir_only,
	 .runs_on = has_room,
	 .peer_goal = FASTER},
	{.name = "readdir+lstat, of 1,000",
	 .count = 2 * SMALL,
	 .argument = SMALL,
	 .run = readdir_and_stat,
	 .peer_goal = 1},
	{.name = "readdir+lstat, of 10,000",
	 .rounds = 12,
	 .count = LARGE,
	 .argument = LARGE,
	 .run = readdir_and_stat,
	 .peer_goal = 1},
	{.name = "ls -l, of 10,000",
	 .rounds = 8,
	 .count = LARGE,
	 .argument = LARGE,
	 .run = run_ls,
	 .peer_goal = 1},
	{.name = "rename", .count = 100, .repeatable = true, .run = rename_twice, .peer_goal = FASTER},
	{.name = "mkdir",
	 .count = 100,
	 .run = make_new_directories,
	 .finish = remove_new_directories,
	 .peer_goal = 1},
	{.name = "rmdir",
	 .count = 100,
	 .prepare = make_new_directories,
	 .run = remove_new_directories,
	 .peer_goal = 1},
	{.name = "setxattr", .count = 200, .repeatable = true, .run = set_attribute, .peer_goal = 1},
	{.name = "getxattr",
	 .count = 200,
	 .prepare = set_attribute,
	 .repeatable = true,
	 .run = get_attribute,
	 .peer_goal = FASTER},
	{.name = "truncate", .count = 200, .repeatable = true, .run = resize, .peer_goal = 1},
};

/* Each client has its own files; counts are of all together. */
#define SHARED .clients = CLIENTS, .apart = true, .peer_goal = FASTER

static const struct workload shared[] = {
	{.name = "open+close, to read, 4",
	 .count = 800,
	 .argument = O_RDONLY,
	 .repeatable = true,
	 .run = open_and_close,
	 SHARED},
	{.name = "open+close, to write, 4",
	 .count = 800,
	 .argument = O_RDWR,
	 .repeatable = true,
	 .run = open_and_close,
	 SHARED},
	{.name = "create+close, 4",
	 .count = 400,
	 .prepare = be_quiet,
	 .run = make_new,
	 .finish = remove_new,
	 SHARED},
	{.name = "unlink, 4", .count = 400, .prepare = make_new, .run = remove_new, SHARED},
	{.name = "rename, 4", .count = 400, .repeatable = true, .run = rename_twice, SHARED},
	{.name = "getxattr, 4",
	 .count = 800,
	 .prepare = set_attribute,
	 .repeatable = true,
	 .run = get_attribute,
	 SHARED},
	{.name = "readdir, of 1,000, 4", .count = 8 * SMALL, .argument = SMALL, .run = readdir_only, SHARED},
	/* as many as a mount has to serve; on files that all share */
	{.name = "open+close, to read, 1000",
	 .count = 8000,
	 .argument = O_RDONLY,
	 .run = open_and_close,
	 .clients = 1000,
	 .rounds = 6,
	 .peer_goal = 1},
	{.name = "getxattr, 1000",
	 .count = 8000,
	 .prepare = set_attribute,
	 .run = get_attribute,
	 .clients = 1000,
	 .rounds = 6,
	 .peer_goal = 1},
};

static void make_old_files(void)
{
	for (unsigned int i = 0; i < FILES; i++)
		make_file(old_names[i]);
}

static void remove_old_files(void)
{
	for (unsigned int i = 0; i < FILES; i++)
		must(unlink(old_names[i]));
}

static void client_directory(unsigned int client, char name[8])
{
	snprintf(name, 8, "c%u", client);
}

static void set_up(const struct place *place)
{
	fill_directory(place->behind, SMALL);
	fill_directory(place->behind, LARGE);
	fill_directory(place->behind, LARGEST);
	enter(place);
	make_old_files();
	for (unsigned int i = 0; i < CLIENTS; i++) {
		char name[8];

		client_directory(i, name);
		enter(place);
		must(mkdir(name, 0755));
		must(chdir(name));
		make_old_files();
		fill_directory(AT_FDCWD, SMALL);
	}
}

static void tear_down(const struct place *place)
{
	/* through the mount passthrough_hp learns of it, and closes descriptors */
	int directory = place->which == ON_PASSTHROUGH ? place->directory : place->behind;

	for (unsigned int i = 0; i < CLIENTS; i++) {
		char name[8];

		client_directory(i, name);
		enter(place);
		must(chdir(name));
		empty_directory(AT_FDCWD, SMALL);
		remove_old_files();
		must(chdir(".."));
		must(rmdir(name));
	}
	enter(place);
	remove_old_files();
	empty_directory(directory, SMALL);
	empty_directory(directory, LARGE);
	empty_directory(place->behind, LARGEST);
}

void bench_names(const char *base)
{
	static const char *const titles[PLACEMENTS] = {
		[ANYWHERE] = "names",
		[TOGETHER] = "names, all on one CPU",
		[APART] = "names, daemons on another",
	};
	/* a request takes ten times as long on another CPU */
	static const unsigned int rounds[PLACEMENTS] = {[ANYWHERE] = 24, [TOGETHER] = ROUNDS, [APART] = 18};
	struct outcome outcomes[sizeof(workloads) / sizeof(workloads[0])];
	struct place places[TARGETS];

	for (unsigned int i = 0; i < FILES; i++) {
		snprintf(old_names[i], sizeof(old_names[i]), "old%03u", i);
		snprintf(new_names[i], sizeof(new_names[i]), "new%03u", i);
	}
	open_places(places, base, "names", ON_NULL);
	place_processes(base, TOGETHER); /* where a request takes the least time */
	for (int i = 0; i < TARGETS; i++)
		if (is_measured(&places[i]))
			set_up(&places[i]);
	for (int placement = 0; placement < PLACEMENTS; placement++) {
		if (!place_processes(base, (enum placement)placement))
			continue;
		measure_table(places, titles[placement], workloads, sizeof(workloads) / sizeof(workloads[0]),
			      rounds[placement], NULL, outcomes);
		if (placement == TOGETHER)
			print_own_work(base, places, workloads, sizeof(workloads) / sizeof(workloads[0]),
				       outcomes);
	}
	place_processes(base, ANYWHERE);
	measure_table(places, "names, 4 clients", shared, sizeof(shared) / sizeof(shared[0]), ROUNDS, NULL,
		      NULL);
	place_processes(base, TOGETHER);
	for (int i = 0; i < TARGETS; i++)
		if (is_measured(&places[i]))
			tear_down(&places[i]);
	place_processes(base, ANYWHERE);
}
