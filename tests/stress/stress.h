/* SPDX-License-Identifier: MIT */
/*
 * The soak: clients that do everything on a mount while its worker is killed at random moments.
 *
 * Each client has a private tree on the mount and its twin on a tmpfs. An operation is chosen, carried out on both, and
 * what it returns, reads and leaves has to be the same. Besides, all clients work on the same names in a directory that
 * they share, where the order is nobody's and only what can't be is an error.
 *
 * A kill changes nothing of that: what a worker has begun is done once. It may leave a node's count of references too high, which
 * holds the file when it is removed, for a while.
 *
 * Choices come from the seed, by streams of their own for private and shared operations: a client's private
 * operations are the same ones with the same seed, up to the moment at which it ends.
 */
#ifndef SEGFS_TESTS_STRESS_H
#define SEGFS_TESTS_STRESS_H

#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#include <stdlib.h>
#include <sys/stat.h>

#define CLIENTS  8
#define SLOTS    6      /* files that a client has open at one time */
#define RECORD   64     /* bytes that are written to shared files at once, and not torn */
#define LONGEST  70000  /* bytes of a read or write */
#define KINDS    64     /* of operations, at most */
#define COUNTERS 2      /* in the file `shared/counters`, a page each: under a lock, and in a view */

/* What all processes of a part see. */
struct stress_shared {
	atomic_ulong kills;              /* counts the begin and the end of each: odd while one is under way */
	atomic_ulong operations;
	atomic_ulong done[KINDS];        /* by kind */
	atomic_ulong added[COUNTERS];    /* by all clients to the counters */
};

/* A stream of numbers from 0 to below - 1. */
struct choices {
	unsigned short state[3]; /* of nrand48(3) */
};

static inline unsigned int choose(struct choices *choices, unsigned int below)
{
	return below > 0 ? (unsigned int)nrand48(choices->state) % below : 0;
}

/* One of the two places where a client does the same. */
struct side {
	int root;        /* O_PATH */
	int fds[SLOTS];  /* -1 = none */
	bool reads;      /* instead of looking at holes in views, which allocates pages of a tmpfs, but not of a relayed mount */
};

struct operation {
	const struct kind *kind;
	char from[64];           /* path in the tree */
	char to[64];
	int slot;
	int other;               /* another slot */
	unsigned int choice;     /* of what a kind has several of: flags, names */
	off_t offset;
	off_t other_offset;
	size_t length;
	mode_t mode;
	unsigned char byte;      /* of what is written */
};

/* All that an operation has told. */
struct outcome {
	long result;     /* >= 0, or -errno */
	uint64_t sum;    /* of the bytes read */
	char text[256];  /* attributes and such */
};

struct kind {
	const char *name;
	unsigned int weight; /* how often it is chosen */
	/* In the root of the side. Returns >= 0 or -errno; tells more in `outcome`. */
	long (*run)(struct side *side, const struct operation *operation, struct outcome *outcome);
};

struct stress_client {
	struct job *job;
	struct stress_shared *shared;
	unsigned int number;
	bool killing;                /* the worker may be killed */
	struct choices private_choices;
	struct choices common_choices;
	struct side mount;
	struct side twin;
	int common;                  /* the shared directory, O_PATH */
	int common_fds[SLOTS];
	int counters;                /* the open file */
	atomic_ulong *view;          /* of its second page */
	unsigned long n;             /* private operations so far */
};

/* --- names.c, files.c ------------ */

extern const struct kind name_kinds[];
extern const struct kind file_kinds[];
extern const unsigned int n_name_kinds;
extern const unsigned int n_file_kinds;

/* Adds to what an operation tells. */
void tell(struct outcome *outcome, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tell_bytes(struct outcome *outcome, const void *bytes, size_t length);
void tell_attributes(struct outcome *outcome, const struct stat *stat);

/* Puts a descriptor into the slot, which is closed first. Returns 0 or -errno. */
long keep_fd(struct side *side, int slot, int fd);

/* --- private.c, common.c --------- */

/* One private operation, on both sides. The kinds are numbered 0 .. n_private_kinds() - 1, names first. */
void private_step(struct stress_client *client);
unsigned int n_private_kinds(void);
const char *private_kind_name(unsigned int number);

/* Opens what stays open, and does one shared operation. Their kinds are numbered after the private ones. */
void common_prepare(struct stress_client *client);
void common_step(struct stress_client *client);
unsigned int n_common_kinds(void);
const char *common_kind_name(unsigned int number);

/* Checks what must be in the shared directory at the end. Returns 0, or -1 with the reason on stderr. */
int common_check(const char *directory, const struct stress_shared *shared);

/* Fails the client with a text. */
void client_fail(struct stress_client *client, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

/* --- tree.c ---------------------- */

/* Whether two trees have the same names, attributes, contents and xattrs; says on stderr where not. */
bool trees_are_equal(const char *one, const char *other);

#endif
