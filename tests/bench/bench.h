/* SPDX-License-Identifier: MIT */
/*
 * Shared by the parts of the benchmark. One thread. Any failure ends the program: a number measured on
 * something else than its line says is worse than none.
 */
#ifndef SEGFS_BENCH_BENCH_H
#define SEGFS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * bindfs and passthrough_hp, an example of libfuse, are the peers: servers of any directory. The null daemon
 * (null.c) answers from memory: no server can do less. passthrough_hp may be missing.
 */
enum { ON_TMPFS, ON_SEGFS, ON_BINDFS, ON_PASSTHROUGH, ON_NULL, TARGETS };

extern const char *const target_names[TARGETS];

/*
 * A measured target. tests/bench/run creates BASE/NAME, the mount, and BASE/NAME.behind, the directory below
 * it.
 */
struct place {
	int which;        /* ON_... */
	int directory;    /* O_PATH descriptor of the working directory, -1 = the target is not measured */
	int behind;       /* the same directory, outside of the mount */
	int file;         /* the data file, -1 = not open */
	char *view;       /* mapping of a file, or NULL */
	size_t view_size; /* bytes */
	uint64_t random;  /* state of next_random(); equal for all targets of a round */
	char *buffer;     /* BUFFER_SIZE bytes */
	double told;      /* ns per operation by `run` itself, which sets it; 0 = as measured around it */
};

#define BUFFER_SIZE (1024u * 1024u)

/* One line of a table. All functions but `run` may be NULL. */
struct workload {
	const char *name;
	size_t bytes;     /* moved per operation, for MB/s; 0 = print ns per operation */
	long argument;    /* for `run`: a size, a flag */
	double goal;      /* relative to tmpfs's speed; 0 = none */
	double peer_goal; /* relative to the speed of the faster peer; 0 = none */
	void (*prepare)(struct place *place, const struct workload *workload, unsigned int count);
	void (*run)(struct place *place, const struct workload *workload, unsigned int count);
	void (*finish)(struct place *place, const struct workload *workload, unsigned int count);
	unsigned int count;   /* operations per slice */
	unsigned int peer;    /* bindfs runs 1/peer of them if it is slow; 0 = all */
	bool repeatable;      /* `run` may be repeated, for warm-up */
	unsigned int rounds;  /* 0 = those of the table */
	unsigned int clients; /* processes that share the operations; 0 = this one, no other */
	bool apart;           /* each client works in a directory of its own, c0 and on */
	bool (*runs_on)(const struct place *place); /* NULL = on every target of the table */
};

/* Of the rounds of one target. */
struct quartiles {
	double low;
	double median; /* 0 = not measured */
	double high;
};

/* Results after all rounds. */
struct outcome {
	struct quartiles cost[TARGETS];  /* ns per operation */
	struct quartiles speed[TARGETS]; /* of segfs relative to the target, of each round */
	int peer;                        /* the faster of the peers; -1 = none */
	double trip;                     /* ns of a round trip to the null daemon, if that is measured */
};

/* measure.c */
uint64_t nanoseconds(void); /* CLOCK_MONOTONIC */
void sleep_milliseconds(unsigned int milliseconds);
double median(double *values, unsigned int n);            /* sorts them */
double half_spread(const double *sorted, unsigned int n); /* half the interquartile range */
/* Does `only` name one of these workloads, or all? */
bool is_wanted(const struct workload *workloads, size_t n);
/* Is the target measured in this table? */
bool is_measured(const struct place *place);
/* Prepares, runs and finishes one slice. seed: of the target's random numbers. Returns ns per operation. */
double measure_slice(struct place *place, const struct workload *workload, uint64_t seed);
/* renew: recreates the files every few rounds, since the location of their memory matters; or NULL. */
typedef void (*renew_function)(struct place places[TARGETS]);
void measure(struct place places[TARGETS], const struct workload *workload, unsigned int rounds,
	     renew_function renew, struct outcome *outcome);
/*
 * Measures `n` workloads, or those that `only` names, and prints them as a table. A goal is judged only if
 * the distance to it is larger than the spread, otherwise the line says "noise". If BENCH_RESULTS is set, the
 * lines go to that file as well, for tests/bench/report.
 * outcomes: receives those of all `n`, zeroed where left out; or NULL.
 */
void measure_table(struct place places[TARGETS], const char *title, const struct workload *workloads,
		   size_t n, unsigned int rounds, renew_function renew, struct outcome *outcomes);

/*
 * clients.c: as measure_slice(), with the operations shared by workload->clients processes, which prepare,
 * run and finish their part each. Returns ns per operation: from the start of all to the end of the last.
 */
double measure_clients(struct place *place, const struct workload *workload, uint64_t seed,
		       unsigned int count);

/* place.c */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* Checks a system call that must not fail; returns its result. */
#define must(call) must_not_fail((long)(call), #call)
long must_not_fail(long result, const char *call);
/*
 * Opens BASE/NAME and its .behind, with a directory `sub` that is created if necessary. Targets after `last`
 * are not measured, nor is passthrough_hp if it is missing.
 */
void open_places(struct place places[TARGETS], const char *base, const char *sub, int last);
/* Changes the working directory to the target's. */
void enter(const struct place *place);
uint64_t next_random(struct place *place);
/* Waits until requests without a waiter, such as RELEASE, are likely to be done. */
void settle(void);
/*
 * CPU placement of this process and the daemons of BASE. A round trip is two wake-ups, whose cost depends
 * more on the CPU of the other side than on anything that a daemon does.
 */
enum placement {
	ANYWHERE, /* as the kernel places them */
	TOGETHER, /* all on one CPU */
	APART,    /* daemons on another CPU than this process */
	PLACEMENTS
};
/* Returns false if there are not enough CPUs. */
bool place_processes(const char *base, enum placement placement);
/* The number for a key in MOUNT/.segfs/status. */
long long status_number(const char *mount, const char *key);
/* The daemon's own memory in bytes: blocks of the arena, and private memory of the worker. */
struct memory {
	long long arena;
	long long heap;
};
struct memory memory_of(const char *mount);
/* CPU time of a process in nanoseconds, user and system, all threads. */
uint64_t cpu_of(pid_t pid);

/* Each measures and prints a table. */
void bench_data(const char *base);     /* data.c */
void bench_relayed(const char *base);  /* data.c */
void bench_names(const char *base);    /* names.c */
void bench_kernel(const char *base);   /* kernel.c */
void bench_programs(const char *base); /* programs.c */
void bench_scale(const char *base);    /* scale.c */
void bench_locks(const char *base);    /* locks.c */
void bench_calls(const char *base);    /* calls.c */
void bench_sources(const char *base);  /* sources.c */
void bench_kills(const char *base);    /* kills.c */
void bench_cold(const char *base);     /* cold.c */
void bench_library(const char *base);  /* library.c */
void bench_tool(const char *base);     /* tool.c */

/* locks.c: pairs of calls on place->file. workload->argument of the first: the command of fcntl(2) */
void lock_and_unlock(struct place *place, const struct workload *workload, unsigned int count);
void flock_and_unlock(struct place *place, const struct workload *workload, unsigned int count);

/*
 * null.c: a file system that is all in memory. null_serve() mounts it empty, and serves it until it is
 * unmounted. null_start() has a child serve one of n empty files or directories, "00000" and on, until
 * null_stop(), which does nothing if there is none.
 */
void null_serve(const char *mount_point);
void null_start(const char *mount_point, unsigned int n, bool directories);
void null_stop(void);

/*
 * own.c: an operation's time without that of its requests to the null daemon, and without that of the whole
 * operation there. All processes are on one CPU.
 */
void print_own_work(const char *base, struct place places[TARGETS], const struct workload *workloads,
		    size_t n, const struct outcome *outcomes);

/*
 * listing.c: directories by their number of entries: SMALL, LARGE or LARGEST. `directory` is that in which
 * they are made and removed. workload->argument of the three that list: the number of entries, in each of
 * which `count` is counted.
 */
#define SMALL   1000u
#define LARGE   10000u
#define LARGEST 100000u
void fill_directory(int directory, unsigned int entries);
void empty_directory(int directory, unsigned int entries);
void readdir_only(struct place *place, const struct workload *workload, unsigned int count);
void readdir_and_stat(struct place *place, const struct workload *workload, unsigned int count);
void run_ls(struct place *place, const struct workload *workload, unsigned int count);

/* Further parts of tables. */
void bench_held_locks(const char *base); /* held.c */
void bench_lmdb(const char *base);       /* lmdb.c */
void bench_postgres(const char *base);   /* postgres.c */

/* Only lines whose name contains it; NULL = all. */
extern const char *only;

#endif
