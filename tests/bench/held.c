// SPDX-License-Identifier: MIT
/*
 * Many held locks: on many files, and on one. The cost of one more, in ns and, as the speed of a machine
 * varies, in round trips to the daemon measured in between; and the daemon's memory.
 *
 * Everything runs on one CPU. bindfs is not measured: its locks are the kernel's own, as are those of tmpfs.
 * The kernel walks lists to set a lock, so tmpfs is not measured where this would take minutes.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES        1000u
#define SIZES        4
#define SLICES       21
#define SLICE        100 /* operations */
#define FLAT         1.5 /* ratio to the cost at the smallest size that counts as flat */
#define BYTES_A_LOCK 128
#define TMPFS_LOCKS  100000 /* at most; on one file a tenth of it */
#define STEP         4      /* distance of held locks in bytes; probed locks lie between, without conflict */

static const unsigned int sizes[SIZES] = {1000, 10000, 100000, 1000000};

/* Locks held on a target, the same number on each of its files. */
struct held {
	int files[FILES];
	int others[FILES]; /* opened again, as another owner: the open file description */
	unsigned int n_files;
	unsigned int each; /* locks held per file */
	uint64_t random;
};

static uint64_t next(struct held *held)
{
	struct place place = {.random = held->random};

	return held->random = next_random(&place);
}

static void lock_byte(int file, int command, short type, off_t byte)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	must(fcntl(file, command, &lock));
	if (command == F_OFD_GETLK && lock.l_type == F_UNLCK)
		die("a lock that is held is not found");
}

static void open_files(struct held *held, const char *prefix, unsigned int n, bool others)
{
	char name[32];

	*held = (struct held){.n_files = n, .random = 0x9e3779b97f4a7c15u};
	for (unsigned int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%04u", prefix, i);
		held->files[i] = (int)must(open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
		held->others[i] = others ? (int)must(open(name, O_RDWR | O_CLOEXEC)) : -1;
		must(unlink(name));
	}
}

/* Returns ns per lock for releasing them by close(2). */
static double close_files(struct held *held)
{
	uint64_t start = nanoseconds();

	for (unsigned int i = 0; i < held->n_files; i++)
		must(close(held->files[i]));
	start = nanoseconds() - start;
	for (unsigned int i = 0; i < held->n_files; i++)
		if (held->others[i] >= 0)
			must(close(held->others[i]));
	return (double)start / ((double)held->n_files * held->each);
}

/* Locks a number of bytes of each file. */
static void hold(struct held *held, unsigned int each)
{
	for (unsigned int i = 0; i < held->n_files; i++)
		for (unsigned int k = held->each; k < each; k++)
			lock_byte(held->files[i], F_SETLK, F_WRLCK, (off_t)k * STEP);
	held->each = each;
}

enum probe { SAME_OWNER, OTHER_OWNER, LOOK, TRIP, PROBES };

static const char *const probe_names[PROBES] = {
	[SAME_OWNER] = "lock+unlock",
	[OTHER_OWNER] = "same, another owner's",
	[LOOK] = "F_GETLK of a held one",
};

static void probe_once(struct held *held, enum probe probe)
{
	unsigned int file = (unsigned int)(next(held) % held->n_files);
	off_t at = (off_t)(next(held) % held->each) * STEP;
	struct statx found;

	switch (probe) {
	case SAME_OWNER:
		lock_byte(held->files[file], F_SETLK, F_WRLCK, at + STEP / 2);
		lock_byte(held->files[file], F_SETLK, F_UNLCK, at + STEP / 2);
		break;
	case OTHER_OWNER:
		lock_byte(held->others[file], F_OFD_SETLK, F_WRLCK, at + STEP / 2);
		lock_byte(held->others[file], F_OFD_SETLK, F_UNLCK, at + STEP / 2);
		break;
	case LOOK:
		lock_byte(held->others[file], F_OFD_GETLK, F_WRLCK, at);
		break;
	default:
		must(statx(held->files[file], "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS,
			   &found));
	}
}

static double probe_slice(struct held *held, enum probe probe, unsigned int count)
{
	uint64_t start = nanoseconds();

	for (unsigned int i = 0; i < count; i++)
		probe_once(held, probe);
	return (double)(nanoseconds() - start) / count;
}

/* ns per operation by probe and size, and the same in round trips */
struct costs {
	double tmpfs[PROBES][SIZES];
	double segfs[PROBES][SIZES];
	double trips[PROBES][SIZES];
};

/* tmpfs: not measured if it has fewer locks. */
static void probe_size(struct held *tmpfs, struct held *segfs, int size, enum probe first, enum probe last,
		       struct costs *costs)
{
	double on_tmpfs[PROBES][SLICES];
	double on_segfs[PROBES][SLICES];
	double trips[PROBES][SLICES];

	for (int i = 0; i < SLICES; i++) {
		double trip = probe_slice(segfs, TRIP, SLICE);

		for (enum probe probe = first; probe <= last; probe++) {
			on_tmpfs[probe][i] =
				tmpfs->each < segfs->each ? NAN : probe_slice(tmpfs, probe, SLICE / 10);
			on_segfs[probe][i] = probe_slice(segfs, probe, SLICE);
			trips[probe][i] = on_segfs[probe][i] / trip;
		}
	}
	for (enum probe probe = first; probe <= last; probe++) {
		costs->tmpfs[probe][size] = tmpfs->each < segfs->each ? NAN : median(on_tmpfs[probe], SLICES);
		costs->segfs[probe][size] = median(on_segfs[probe], SLICES);
		costs->trips[probe][size] = median(trips[probe], SLICES);
	}
}

static void print_row(const char *name, const char *target, const double *values, int n, int digits)
{
	printf("%-26s %11s", name, target);
	for (int size = 0; size < n; size++) {
		if (isnan(values[size]))
			printf(" %9s", "-");
		else
			printf(" %9.*f", digits, values[size]);
	}
}

static void print_costs(const struct costs *costs, enum probe first, enum probe last, int n)
{
	for (enum probe probe = first; probe <= last; probe++) {
		const double *trips = costs->trips[probe];
		double growth = trips[n - 1] / trips[0];

		print_row(probe_names[probe], target_names[ON_TMPFS], costs->tmpfs[probe], n, 0);
		putchar('\n');
		print_row("", target_names[ON_SEGFS], costs->segfs[probe], n, 0);
		putchar('\n');
		print_row("", "round trips", trips, n, 2);
		printf("  flat: %s (x %.2f)\n", growth < FLAT ? "ok" : "MISS", growth);
	}
}

static void print_close(struct held *tmpfs, struct held *segfs)
{
	unsigned int on_tmpfs = tmpfs->n_files * tmpfs->each;
	unsigned int on_segfs = segfs->n_files * segfs->each;
	double cost = close_files(tmpfs);

	printf("close, ns per lock: tmpfs %.0f with %u locks, segfs %.0f with %u\n", cost, on_tmpfs,
	       close_files(segfs), on_segfs);
}

static void print_sizes(const char *title, int n)
{
	printf("\n%-26s %11s", title, "");
	for (int size = 0; size < n; size++)
		printf(" %9u", sizes[size]);
	putchar('\n');
}

static double each_of(long long after, long long before, unsigned int n)
{
	return (double)(after - before) / n;
}

static void over_many_files(struct place places[TARGETS], const char *mount)
{
	static struct held tmpfs;
	static struct held segfs;
	static struct costs costs;
	struct memory memory[SIZES];
	struct memory before;
	double arena;
	double heap;

	enter(&places[ON_TMPFS]);
	open_files(&tmpfs, "many", FILES, false);
	enter(&places[ON_SEGFS]);
	open_files(&segfs, "many", FILES, false);
	before = memory_of(mount);
	for (int size = 0; size < SIZES; size++) {
		if (sizes[size] <= TMPFS_LOCKS)
			hold(&tmpfs, sizes[size] / FILES);
		hold(&segfs, sizes[size] / FILES);
		memory[size] = memory_of(mount);
		probe_size(&tmpfs, &segfs, size, SAME_OWNER, SAME_OWNER, &costs);
	}
	print_sizes("locks over 1,000 files, ns", SIZES);
	print_costs(&costs, SAME_OWNER, SAME_OWNER, SIZES);
	print_close(&tmpfs, &segfs);
	arena = each_of(memory[SIZES - 1].arena, before.arena, sizes[SIZES - 1]);
	heap = each_of(memory[SIZES - 1].heap, before.heap, sizes[SIZES - 1]);
	printf("memory of the daemon per lock, %u locks: arena %.0f + heap %.0f = %.0f bytes; goal under %d: "
	       "%s\n",
	       sizes[SIZES - 1], arena, heap, arena + heap, BYTES_A_LOCK,
	       arena + heap < BYTES_A_LOCK ? "ok" : "MISS");
}

static void on_one_file(struct place places[TARGETS])
{
	static struct held tmpfs;
	static struct held segfs;
	static struct costs costs;

	enter(&places[ON_TMPFS]);
	open_files(&tmpfs, "one", 1, true);
	enter(&places[ON_SEGFS]);
	open_files(&segfs, "one", 1, true);
	for (int size = 0; size < SIZES - 1; size++) {
		if (sizes[size] <= TMPFS_LOCKS / 10)
			hold(&tmpfs, sizes[size]);
		hold(&segfs, sizes[size]);
		probe_size(&tmpfs, &segfs, size, SAME_OWNER, LOOK, &costs);
	}
	print_sizes("locks on one file, ns", SIZES - 1);
	print_costs(&costs, SAME_OWNER, LOOK, SIZES - 1);
	print_close(&tmpfs, &segfs);
}

/* Files of both targets, and others of the program. */
static void raise_limit(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur < 2 * FILES + 100)
		die("only %llu descriptors", (unsigned long long)limit.rlim_cur);
}

void bench_held_locks(const char *base)
{
	struct place places[TARGETS];
	char mount[PATH_MAX];

	if (only && !strstr("held", only))
		return;
	raise_limit();
	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	open_places(places, base, "held", ON_BINDFS);
	place_processes(base, TOGETHER);
	over_many_files(places, mount);
	on_one_file(places);
}
