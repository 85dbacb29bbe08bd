/* SPDX-License-Identifier: MIT */
/*
 * What programs do on a mount: the operations that are walked through with a death, or a failure, at each of their points.
 *
 * They run in the scene that was entered, which scene_lay() has laid. Each kind of request that the daemon answers must be among those
 * that they make there, see operations_check_complete().
 */
#ifndef SEGFS_TESTS_OPERATIONS_H
#define SEGFS_TESTS_OPERATIONS_H

#include "tests/lib/scene.h"

struct operation {
	const char *name;
	unsigned int in;       /* IN_*: the scenes in which it can be carried out; 0 = IN_STORE */
	int (*run)(void);      /* 0, or -errno; -EBADMSG where what it found is wrong */
	bool (*done)(void);    /* that it has been carried out, by the store; NULL = it leaves nothing there */
	void (*prepare)(void); /* after scene_lay(); NULL = there is nothing more to prepare */
	bool in_steps;         /* it changes several things, one after another */
	bool asks_after;       /* having done it, it asks about it, which may fail */
	bool looks_at_all;     /* the daemon looks at each process of the machine for it; then it is alike, too */
	bool alike;            /* it has so many system calls made, most of them alike, that it is enough to stop at each kind */
};

/* A table, which ends with an operation without a name. */
extern const struct operation operations_on_bytes[]; /* these take other ways in each I/O mode */
extern const struct operation operations_on_files[]; /* attributes, locks, lists, and what is told */
extern const struct operation operations_on_names[];
extern const struct operation operations_on_objects[];  /* what is of posix/ only */
extern const struct operation operations_on_segments[]; /* ... of sysv/ */
extern const struct operation operations_on_process[];  /* ... of process/ */
extern const struct operation operations_on_control[];  /* ... of .segfs/ */

/* All of them; ends with NULL. */
extern const struct operation *const operations_all[];

/* Lays the scene for an operation. */
void operation_prepare(const struct operation *operation);

/*
 * Calls a function with each operation of some tables that is of the scene, but for those whose name TEST_FILTER, if that is set, is no
 * part of.
 */
void operations_walk(const struct operation *const tables[], void (*function)(const struct operation *operation));

/* How many requests of each kind a daemon has carried out. */
struct operation_counts {
	char status[8192]; /* the line of MOUNT/.segfs/status */
};

void operations_count(const struct mount *mount, struct operation_counts *counts);

/*
 * Fails the case unless requests of every kind that the daemon has a name for came since `before`, but for those that a kernel does not
 * send in this scene. Does nothing where TEST_FILTER is set.
 */
void operations_check_complete(const struct mount *mount, const struct operation_counts *before);

#endif
