/* SPDX-License-Identifier: MIT */
/*
 * The soak test: clients that do everything on a mount while its worker is killed at random moments.
 *
 * Each client has a private tree on the mount and a twin on a tmpfs. An operation is chosen and run on both;
 * its results, the data read and the trees must be equal. Besides, all clients work on the same names in a
 * shared directory, where the order is undefined and only impossible results are errors.
 *
 * A kill changes nothing of that: an operation that a worker has begun is done once. It may leave a lookup
 * count too high, which holds the file after its removal for a while.
 *
 * Choices come from the seed, in separate streams for private and shared operations: a client's private
 * operations are the same for the same seed, until it is stopped.
 */
#ifndef SEGFS_TESTS_STRESS_H
#define SEGFS_TESTS_STRESS_H

#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#include <stdlib.h>
#include <sys/stat.h>

#define CLIENTS  8
#define SLOTS    6     /* files that a client has open at one time */
#define RECORD   64    /* bytes that are written to shared files at once, and not torn */
#define LONGEST  70000 /* bytes of a read or write */
#define KINDS    64    /* of operations, at most */
#define COUNTERS 2     /* in the file `shared/counters`, a page each: under a lock, and in a view */

/* Shared by all processes of a part. */
struct stress_shared {
	atomic_ulong kills; /* counts the start and the end of each: odd while one is in progress */
	atomic_ulong operations;
	atomic_ulong done[KINDS];     /* by kind */
	atomic_ulong added[COUNTERS]; /* to the counters, by all clients */
};

/* A stream of random numbers from 0 to below - 1. */
struct choices {
	unsigned short state[3]; /* of nrand48(3) */
};

static inline unsigned int choose(struct choices *choices, unsigned int below)
{
	return below > 0 ? (unsigned int)nrand48(choices->state) % below : 0;
}

/* One of the two directories where a client does the same. */
struct side {
	int root;       /* O_PATH */
	int fds[SLOTS]; /* -1 = none */
	/* reads instead of viewing holes, which allocates pages on a tmpfs but not on a relayed mount */
	bool reads;
};

struct operation {
	const struct kind *kind;
	char from[64]; /* path in the tree */
	char to[64];
	int slot;
	int other;           /* another slot */
	unsigned int choice; /* among the variants of a kind: flags, names */
	off_t offset;
	off_t other_offset;
	size_t length;
	mode_t mode;
	unsigned char byte; /* to be written */
};

/* Everything that an operation reports. */
struct outcome {
	long result;    /* >= 0, or -errno */
	uint64_t sum;   /* of the bytes read */
	char text[256]; /* attributes and the like */
};

struct kind {
	const char *name;
	unsigned int weight; /* relative frequency */
	/* Runs it in the root of the side. Returns >= 0 or -errno; adds details to `outcome`. */
	long (*run)(struct side *side, const struct operation *operation, struct outcome *outcome);
};

struct stress_client {
	struct job *job;
	struct stress_shared *shared;
	unsigned int number;
	bool killing; /* the worker may be killed */
	struct choices private_choices;
	struct choices common_choices;
	struct side mount;
	struct side twin;
	int common; /* the shared directory, O_PATH */
	int common_fds[SLOTS];
	int counters;       /* the open file */
	atomic_ulong *view; /* of its second page */
	unsigned long n;    /* private operations so far */
};

/* --- names.c, files.c ------------ */

extern const struct kind name_kinds[];
extern const struct kind file_kinds[];
extern const unsigned int n_name_kinds;
extern const unsigned int n_file_kinds;

/* Add to what an operation reports. */
void tell(struct outcome *outcome, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tell_bytes(struct outcome *outcome, const void *bytes, size_t length);
void tell_attributes(struct outcome *outcome, const struct stat *stat);

/* Stores a descriptor in the slot, closing the previous one. Returns 0 or -errno. */
long keep_fd(struct side *side, int slot, int fd);

/* --- private.c, common.c --------- */

/* Runs one private operation on both sides. Kinds are numbered 0 .. n_private_kinds() - 1, names first. */
void private_step(struct stress_client *client);
unsigned int n_private_kinds(void);
const char *private_kind_name(unsigned int number);

/* Opens what stays open; runs one shared operation. Kinds are numbered after the private ones. */
void common_prepare(struct stress_client *client);
void common_step(struct stress_client *client);
unsigned int n_common_kinds(void);
const char *common_kind_name(unsigned int number);

/* Checks the shared directory at the end. Returns 0, or -1 with the reason on stderr. */
int common_check(const char *directory, const struct stress_shared *shared);

/* Fails the client with a text. */
void client_fail(struct stress_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* --- tree.c ---------------------- */

/*
 * Whether two trees have the same names, attributes, contents and xattrs; otherwise prints the difference to
 * stderr.
 */
bool trees_are_equal(const char *one, const char *other);

#endif
