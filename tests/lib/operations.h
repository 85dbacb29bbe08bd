/* SPDX-License-Identifier: MIT */
/*
 * What programs do on a mount: operations that are run with a death or a failure at each of their points.
 *
 * They run in the current scene, prepared by scene_lay(). Together they must make every kind of request that
 * the daemon serves, see operations_check_complete().
 */
#ifndef SEGFS_TESTS_OPERATIONS_H
#define SEGFS_TESTS_OPERATIONS_H

#include "tests/lib/scene.h"

struct operation {
	const char *name;
	unsigned int in;    /* IN_*: the scenes that support it; 0 = IN_STORE */
	const char *needs;  /* a feature of the kernel, see kernel_has(); NULL = none */
	int (*run)(void);   /* 0, or -errno; -EBADMSG for a wrong result */
	bool (*done)(void); /* whether it has been done, according to the store; NULL = it leaves no trace */
	void (*prepare)(void); /* runs after scene_lay(); NULL = nothing more to prepare */
	bool in_steps;         /* changes several things in sequence */
	bool asks_after;       /* queries the result after the change, which may fail */
	bool looks_at_all;     /* the daemon scans all processes for it; implies `alike` */
	bool alike;            /* causes so many similar system calls that stopping at each kind suffices */
};

/* Tables, each terminated by an operation without a name. */
extern const struct operation operations_on_bytes[]; /* with a different data path in each I/O mode */
extern const struct operation operations_on_files[]; /* attributes, locks, listings, and reported facts */
extern const struct operation operations_on_names[];
extern const struct operation operations_on_objects[];  /* of posix/ only */
extern const struct operation operations_on_segments[]; /* ... of sysv/ */
extern const struct operation operations_on_process[];  /* ... of process/ */
extern const struct operation operations_on_control[];  /* ... of .segfs/ */

/* All tables, terminated by NULL. */
extern const struct operation *const operations_all[];

/* Prepares the scene for an operation. */
void operation_prepare(const struct operation *operation);

/*
 * Calls a function for each operation of some tables that belongs to the scene and whose name contains
 * TEST_FILTER, if set.
 */
void operations_walk(const struct operation *const tables[],
		     void (*function)(const struct operation *operation));

/* The number of requests served by a daemon, by kind. */
struct operation_counts {
	char status[8192]; /* the line of MOUNT/.segfs/status */
};

void operations_count(const struct mount *mount, struct operation_counts *counts);

/*
 * Fails the case unless requests of every named kind were served since `before`, except those that the kernel
 * does not send in this scene. Does nothing if TEST_FILTER is set.
 */
void operations_check_complete(const struct mount *mount, const struct operation_counts *before);

#endif
