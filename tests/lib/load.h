/* SPDX-License-Identifier: MIT */
/*
 * Loads for tests that kill the worker: clients that do file operations on a mount, each in a process of its own and in a
 * directory of its own, beside a file that all of them share, and that fail at the first result that is not right.
 *
 * LOAD_REPEATABLE has only operations that may be carried out twice. LOAD_ANY has those that make, move and remove names as well. No
 * client may ever see an error that it would not see without kills.
 */
#ifndef SEGFS_TESTS_LOAD_H
#define SEGFS_TESTS_LOAD_H

#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#define LOAD_CLIENTS 8

enum load_kind {
	LOAD_REPEATABLE,
	LOAD_ANY,
};

struct load {
	const struct mount *mount;
	unsigned int n_clients;
	struct job *clients[LOAD_CLIENTS]; /* a step is a round of all operations; see also `operations` */
	struct load_shared *shared;
	unsigned int number;               /* of this load: its files have names of their own */
	unsigned int seed;
};

/* Makes the clients' files and starts them. Returns 0, or -1 with the reason on stderr. */
int load_start(struct load *load, const struct mount *mount, enum load_kind kind, unsigned int n_clients);

/* Operations done by all clients. */
unsigned long load_operations(const struct load *load);

/*
 * Kills the worker once the clients have done some operations more, at most `most`, and waits until the clients do some
 * with the next one. False where they don't.
 */
bool load_kill_worker(struct load *load, unsigned int most);

/*
 * Ends the clients and checks that all files are as they must be, in the mount and in the store. The files stay.
 * Returns 0, or -1 with the reason on stderr.
 */
int load_end(struct load *load);

/* Used between load.c and load_names.c. */
struct load_shared {
	atomic_ulong kills;      /* odd while one is under way */
	atomic_ulong operations;
};

struct load_client {
	struct job *job;
	struct load_shared *shared;
	unsigned int number;
	char directory[PATH_MAX]; /* the client's own, in the mount */
	char common[PATH_MAX];    /* the file that all share */
	int fd;                   /* of its own file, open for all the time */
	char *view;               /* of it */
	unsigned long round;
};

/* Opens what stays open, and does one round of everything. Called in the client. */
void load_prepare(struct load_client *client);
void load_repeatable_round(struct load_client *client);
void load_names_round(struct load_client *client);

#define load_must(client, condition)                                                                               \
	((condition) ? (void)atomic_fetch_add(&(client)->shared->operations, 1)                                    \
		     : job_fail((client)->job, __FILE__, __LINE__, #condition))

/* The byte that a client's file has at a position. */
static inline char load_byte(unsigned int client, long at)
{
	return (char)(1 + (client * 31 + (unsigned long)at * 7 + (unsigned long)at / 4096) % 251);
}

#define LOAD_SIZE 131072  /* bytes of a client's file */
#define LOAD_ENTRIES 60   /* of a client's directory `list` */

#endif
