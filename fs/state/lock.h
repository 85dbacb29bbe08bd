/* SPDX-License-Identifier: MIT */
/*
 * Locks: byte ranges (fcntl(2), of processes and of open file descriptions) and whole files (flock(2)), held
 * or waited for.
 *
 * A lock belongs to an owner, an id that the kernel derives from a descriptor table or an open file
 * description, and covers a range of one node. Locks of one owner never overlap: a new lock replaces older
 * ones in its range. Each lock held and each waiting request is a slot in the arena, with its turn; a new
 * worker finds both.
 *
 * A change of several slots is ordered such that a death in between leaves everything held before, or
 * everything held after, with overlaps that a new worker resolves. The replay then changes nothing
 * more. Conversion of a whole-file lock is not atomic: flock(2) drops the old lock first.
 *
 * Waiting requests are served in order of arrival. A request that could be granted waits behind an earlier
 * conflicting one, so that shared locks cannot starve an exclusive one. An owner that already holds a lock is
 * exempt, since others may be waiting for it.
 *
 * With mandatory locks, I/O waits in the same queue, but holds nothing when it is granted. It keeps its place
 * until it has been executed: meanwhile no conflicting lock is granted, and a new worker executes it before
 * later requests.
 *
 * Threads: one mutex, a leaf, guards everything. No function blocks.
 */
#ifndef SEGFS_STATE_LOCK_H
#define SEGFS_STATE_LOCK_H

#include "fs/state/state.h"

#include <sys/types.h>

#define LOCK_END UINT64_MAX /* end of a range without end */

enum lock_kind {
	LOCK_RANGE = 0, /* fcntl(2) */
	LOCK_FLOCK = 1, /* flock(2): the whole file; the two kinds are independent */
	LOCK_KINDS,
};

enum lock_type {
	LOCK_SHARED = 0,
	LOCK_EXCLUSIVE = 1,
	LOCK_TYPES,
	LOCK_NONE = LOCK_TYPES, /* in a request: unlock */
};

/* What an owner stands for, if known. Decides whose I/O passes a mandatory lock. */
enum lock_holder {
	LOCK_OF_UNKNOWN = 0,
	LOCK_OF_PROCESS = 1, /* a descriptor table */
	LOCK_OF_OPEN = 2,    /* an open file description */
};

struct lock_request {
	uint64_t node;   /* node id */
	uint64_t owner;  /* 0 = unknown, for I/O only, which `pid` then identifies */
	uint64_t handle; /* number of the handle through which the lock is set */
	uint64_t unique; /* id of the request */
	uint64_t start;  /* first byte */
	uint64_t end;    /* last byte, LOCK_END for a range without end */
	int32_t pid;     /* requesting process */
	enum lock_kind kind;
	enum lock_type type;
	enum lock_holder holder;
	bool access; /* used by lock_access() */
};

/* Result of a waiting request. */
struct lock_outcome {
	uint64_t tag;  /* of lock_wait() */
	int result;    /* 0: the lock is held, or I/O may start; -ENOLCK; -EBADF: its handle was released */
	bool access;   /* it was queued by lock_access() */
	uint32_t slot; /* used by lock_access_end() */
};

/* A lock held or waited for, for lists. */
struct lock_entry {
	uint64_t node;
	uint64_t handle; /* through which it is set */
	uint64_t start, end;
	uint64_t since; /* CLOCK_REALTIME, nanoseconds */
	int32_t pid;
	enum lock_kind kind;
	enum lock_type type;
	enum lock_holder holder;
	bool waits;
	bool access; /* waits for I/O */
};

/*
 * Finds the conflicting lock with the lowest start.
 * Returns true and fills *conflict; false, leaving it unchanged, if the lock could be set.
 */
bool lock_test(struct state *state, const struct lock_request *request, struct lock_entry *conflict);

/*
 * Sets, changes or drops a lock without waiting.
 * Returns 0; -EAGAIN if another owner's lock conflicts; -ENOLCK if there is no slot, or no memory for one.
 */
int lock_set(struct state *state, const struct lock_request *request);

/*
 * Sets a lock, or queues the request.
 * tag: identifies the request in lock_next_outcome(); not 0.
 * Returns 0: the lock is set; -EINPROGRESS: lock_next_outcome() will report it, unless lock_cancel() is
 * called before; -EDEADLK: the holder waits, directly or not, for this owner; -ENOLCK as lock_set().
 */
int lock_wait(struct state *state, const struct lock_request *request, uint64_t tag);

/*
 * Whether a range may be read (LOCK_SHARED) or written (LOCK_EXCLUSIVE), considering mandatory locks of
 * fcntl(2). Locks of the same process, or set through the same open file description, do not conflict.
 * tag: as for lock_wait(); 0 = do not wait.
 * Returns 0: yes, until the caller changes locks; -EAGAIN: no; -EINPROGRESS, -EDEADLK, -ENOLCK as
 * lock_wait().
 */
int lock_access(struct state *state, const struct lock_request *request, uint64_t tag);

/* Finds the lock that blocks I/O. Returns true and fills *conflict; or false, leaving it unchanged. */
bool lock_access_test(struct state *state, const struct lock_request *request, struct lock_entry *conflict);

/*
 * Cancels a waiting request.
 * outcome: receives its tag, with -EINTR. Returns true; false if it is not waiting, or lock_next_outcome()
 * has reported or will report it.
 */
bool lock_cancel(struct state *state, uint64_t unique, struct lock_outcome *outcome);

/* Grants all I/O that waits on a node, whose locks have become advisory. */
void lock_grant_all_access(struct state *state, uint64_t node);

/* Must be called when I/O granted by lock_next_outcome() has ended or has been deferred again. */
void lock_access_end(struct state *state, const struct lock_outcome *outcome);

/* Gets the next decided request. Must be called after each of the other functions until it returns false. */
bool lock_next_outcome(struct state *state, struct lock_outcome *outcome);

/* Drops all locks of an owner on a node, as closing any descriptor of it does for a process. */
void lock_drop_owner(struct state *state, uint64_t node, uint64_t owner, enum lock_kind kind);

/*
 * Drops all locks set through a handle, whose last descriptor was closed. Requests waiting through it, which
 * no kernel allows, fail with EBADF.
 */
void lock_drop_handle(struct state *state, uint64_t node, uint64_t handle);

/*
 * Ends recovery. Until then a new worker grants no waiting request: they are replayed in any order, but must
 * be served in their original order. Called when the last one was replayed; those not replayed are dropped,
 * because nobody waits for them.
 */
void lock_recovered(struct state *state);

/*
 * Iterates over locks by slot.
 * cursor: initially 0, kept between calls. Returns false after the last one.
 */
bool lock_next_entry(struct state *state, uint32_t *cursor, struct lock_entry *entry);

#endif
