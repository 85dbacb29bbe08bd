/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the benchmark share. One thread. Whatever fails ends the program: a number that was measured on
 * something else than what its line says is worse than none.
 */
#ifndef SEGFS_BENCH_BENCH_H
#define SEGFS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum { ON_TMPFS, ON_SEGFS, ON_BINDFS, TARGETS };

extern const char *const target_names[TARGETS];

/* Where one target is measured. tests/bench/run makes BASE/NAME, the mount, and BASE/NAME.behind, what is below it. */
struct place {
	int which;        /* ON_... */
	int directory;    /* O_PATH descriptor of the working directory */
	int behind;       /* the same directory, reached without the mount */
	int file;         /* the data file, -1 = not open */
	char *view;       /* mapping of a file, or NULL */
	size_t view_size; /* bytes */
	uint64_t random;  /* state of next_random(); set alike for all targets of a round */
	char *buffer;     /* BUFFER_SIZE bytes */
};

#define BUFFER_SIZE (1024u * 1024u)

/* One line of a table. All functions but `run` may be NULL. */
struct workload {
	const char *name;
	size_t bytes;        /* moved by an operation, when MB/s is wanted; 0 = ns per operation is */
	long argument;       /* for `run`: a size, a flag */
	double goal;         /* of tmpfs's speed; 0 = none */
	void (*prepare)(struct place *place, const struct workload *workload, unsigned int count);
	void (*run)(struct place *place, const struct workload *workload, unsigned int count);
	void (*finish)(struct place *place, const struct workload *workload, unsigned int count);
	unsigned int count;  /* operations of one slice */
	unsigned int peer;   /* bindfs is given 1/peer of them, where it takes long; 0 = all */
	bool repeatable;     /* `run` may be called once more, to warm up */
	bool beat_peer;      /* the goal is to be faster than bindfs */
};

/* What is known once all rounds are over. */
struct outcome {
	double cost[TARGETS]; /* ns per operation, medians */
	double of_tmpfs;      /* speed, as a part of tmpfs's: median of the rounds */
	double spread;        /* of that: half of the distance between the quartiles */
	double of_bindfs;     /* speed, in units of bindfs's */
};

/* measure.c */
uint64_t nanoseconds(void); /* CLOCK_MONOTONIC */
void sleep_milliseconds(unsigned int milliseconds);
double median(double *values, unsigned int n); /* sorts them */
double half_spread(const double *sorted, unsigned int n); /* half of the distance between the quartiles */
/* One slice, prepared and finished. seed: of the place's random numbers. Returns ns per operation. */
double measure_slice(struct place *place, const struct workload *workload, uint64_t seed);
/* renew: NULL, or makes the files anew, every few rounds: where their memory lies makes a difference too. */
typedef void (*renew_function)(struct place places[TARGETS]);
void measure(struct place places[TARGETS], const struct workload *workload, unsigned int rounds,
	     renew_function renew, struct outcome *outcome);
void print_heading(const char *title);
void print_outcome(const struct workload *workload, const struct outcome *outcome);

/* place.c */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* A system call that must not fail; its result. */
#define must(call) must_not_fail((long)(call), #call)
long must_not_fail(long result, const char *call);
/* BASE/NAME and its .behind, with a directory `sub` in it; sub is made unless it exists. */
void open_places(struct place places[TARGETS], const char *base, const char *sub);
/* The process works in that directory from now on. */
void enter(const struct place *place);
uint64_t next_random(struct place *place);
/* Waits until the requests that nobody waits for, such as RELEASE, are likely to be over. */
void settle(void);
/*
 * Which CPUs this process and the daemons of BASE run on. A round trip is two wake-ups, and what these cost depends on
 * where the other side sleeps more than on anything that a daemon does.
 */
enum placement {
	ANYWHERE,  /* where the kernel puts them */
	TOGETHER,  /* on one CPU */
	APART,     /* the daemons on another CPU than this process */
	PLACEMENTS
};
/* Returns false where there are not enough CPUs. */
bool place_processes(const char *base, enum placement placement);
/* Number of a key in MOUNT/.segfs/status. */
long long status_number(const char *mount, const char *key);
/* What the daemon holds of its own, in bytes: the blocks of the arena, and the worker's private memory. */
struct memory {
	long long arena;
	long long heap;
};
struct memory memory_of(const char *mount);
/* Nanoseconds of CPU that a process has used, user and system, all its threads. */
uint64_t cpu_of(pid_t pid);

/* Each measures and prints one table. */
void bench_data(const char *base);  /* data.c */
void bench_names(const char *base); /* names.c */
void bench_scale(const char *base); /* scale.c */
void bench_locks(const char *base); /* locks.c */
void bench_calls(const char *base); /* calls.c */
void bench_sources(const char *base); /* sources.c */
void bench_kills(const char *base); /* kills.c */

/* floor.c: mounts a directory of n empty files, or directories, "00000" and on, whose server does the least that one can. */
void floor_start(const char *mount_point, unsigned int n, bool directories);
void floor_stop(void); /* may be called without */

/* Further parts of tables. */
void bench_held_locks(const char *base); /* held.c */

/* Only lines whose name contains it, NULL = all: for those who work on one of them. */
extern const char *only;

#endif
