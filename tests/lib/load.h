/* SPDX-License-Identifier: MIT */
/*
 * Loads for tests that kill the worker: clients that do file operations on a mount, each in a process and a
 * directory of its own and on a file that all share, and that fail at the first wrong result.
 *
 * LOAD_REPEATABLE has idempotent operations only; LOAD_ANY also creates, renames and removes names. No client
 * may see an error that it would not see without kills.
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
	unsigned int number; /* of this load, part of its file names */
	unsigned int seed;
};

/* Creates the clients' files and starts them. Returns 0, or -1 with the reason on stderr. */
int load_start(struct load *load, const struct mount *mount, enum load_kind kind, unsigned int n_clients);

/* Operations done by all clients. */
unsigned long load_operations(const struct load *load);

/*
 * Kills the worker after at most `most` more operations, and waits until the clients do some with the next
 * worker. False if they do not.
 */
bool load_kill_worker(struct load *load, unsigned int most);

/*
 * Ends the clients and checks all files, in the mount and in the store. The files stay.
 * Returns 0, or -1 with the reason on stderr.
 */
int load_end(struct load *load);

/* Shared by load.c and load_names.c. */
struct load_shared {
	atomic_ulong kills; /* odd while one is in progress */
	atomic_ulong operations;
};

struct load_client {
	struct job *job;
	struct load_shared *shared;
	unsigned int number;
	char directory[PATH_MAX]; /* the client's own, in the mount */
	char common[PATH_MAX];    /* the file that all share */
	int fd;                   /* of its own file, always open */
	char *view;               /* of that file */
	unsigned long round;
};

/* Opens what stays open; does one round of operations. Called in the client. */
void load_prepare(struct load_client *client);
void load_repeatable_round(struct load_client *client);
void load_names_round(struct load_client *client);

#define load_must(client, condition)                                                                         \
	((condition) ? (void)atomic_fetch_add(&(client)->shared->operations, 1)                              \
		     : job_fail((client)->job, __FILE__, __LINE__, #condition))

/* The byte of a client's file at a position. */
static inline char load_byte(unsigned int client, long at)
{
	return (char)(1 + (client * 31 + (unsigned long)at * 7 + (unsigned long)at / 4096) % 251);
}

#define LOAD_SIZE    131072 /* bytes of a client's file */
#define LOAD_ENTRIES 60     /* of a client's directory `list` */

#endif
