/* SPDX-License-Identifier: MIT */
/*
 * Locks: byte ranges (fcntl(2), of processes and of open file descriptions) and whole files (flock(2)), held and waited for.
 *
 * A lock belongs to an owner, a number that the kernel makes of a process's descriptor table or of an open file
 * description, and covers a range of one node. Locks of one owner never overlap: what it sets replaces what it had. Each
 * lock held is a slot in the arena, and so is each request that waits, with its turn; a new worker finds both again.
 *
 * A change of several slots is made in such an order that a death in between leaves all that was held before, or all
 * that is held after, with overlaps that lock_index_slots() takes away; the request then comes again and changes nothing
 * more. Conversions of whole-file locks are no exchange: flock(2) takes the old one away first.
 *
 * Who waits is served in order of arrival. A request that could be granted waits behind an earlier one that it conflicts
 * with, so that shared locks can't keep an exclusive one waiting for ever; but an owner that holds a lock anywhere
 * does not, since others may wait for it.
 *
 * Where locks are mandatory, I/O waits in the same queue, and holds nothing when its turn has come. It keeps its place there
 * until whoever is told so has carried it out: nobody gets a lock meanwhile that would be in its way, and a new worker
 * has it done before what came later.
 *
 * Threads: one mutex, a leaf, guards all. No function waits.
 */
#ifndef SEGFS_STATE_LOCK_H
#define SEGFS_STATE_LOCK_H

#include "fs/state/state.h"

#include <sys/types.h>

#define LOCK_END UINT64_MAX /* last byte of a range that has no end */

enum lock_kind {
	LOCK_RANGE = 0, /* fcntl(2) */
	LOCK_FLOCK = 1, /* flock(2): all of the file; the two kinds know nothing of each other */
	LOCK_KINDS,
};

enum lock_type {
	LOCK_SHARED = 0,
	LOCK_EXCLUSIVE = 1,
	LOCK_TYPES,
	LOCK_NONE = LOCK_TYPES, /* in a request: give up */
};

/* What an owner stands for, where that is known. It decides whose I/O may pass a mandatory lock. */
enum lock_holder {
	LOCK_OF_UNKNOWN = 0,
	LOCK_OF_PROCESS = 1, /* a descriptor table */
	LOCK_OF_OPEN = 2,    /* an open file description */
};

struct lock_request {
	uint64_t node;   /* node id */
	uint64_t owner;  /* 0 = not known, of I/O only: `pid` tells whose it is */
	uint64_t handle; /* number of the handle through which the lock is set */
	uint64_t unique; /* id of the request, without the resend bit */
	uint64_t start;  /* first byte */
	uint64_t end;    /* last byte, LOCK_END for a range without end */
	int32_t pid;     /* process that asks */
	enum lock_kind kind;
	enum lock_type type;
	enum lock_holder holder;
	bool access;     /* used by lock_access() */
};

/* What a waiting request has come to. */
struct lock_outcome {
	uint64_t tag; /* as lock_wait() was given it */
	int result;   /* 0: it holds the lock, or may read or write; -ENOLCK; -EBADF: its handle is gone */
	bool access;  /* it came by lock_access() */
	uint32_t slot; /* used by lock_access_end() */
};

/* A lock as it is held or waited for, for lists. */
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
	bool access; /* waits to read or write */
};

/*
 * Finds what is in the way of a request: the conflicting lock with the lowest start.
 * Returns true, and fills *conflict; or false, and leaves it alone: the lock could be set.
 */
bool lock_test(struct state *state, const struct lock_request *request, struct lock_entry *conflict);

/*
 * Sets, changes or gives up a lock, at once or not at all.
 * Returns 0; -EAGAIN where another owner is in the way; -ENOLCK where there is no slot or no memory for one.
 */
int lock_set(struct state *state, const struct lock_request *request);

/*
 * Sets a lock, or waits for it.
 * tag: what lock_next_outcome() will tell; not 0.
 * Returns 0: it is set; -EINPROGRESS: lock_next_outcome() will tell, unless lock_cancel() is called before; -EDEADLK: who is
 * in the way waits, directly or not, for this owner; -ENOLCK as lock_set().
 */
int lock_wait(struct state *state, const struct lock_request *request, uint64_t tag);

/*
 * Asks whether bytes may be read (LOCK_SHARED) or written (LOCK_EXCLUSIVE) that others may have locked by fcntl(2). Locks of the
 * same process, or set through the same open file description, are no hindrance.
 * tag: as lock_wait() has it; 0 = don't wait.
 * Returns 0: yes, until the caller does something else with locks; -EAGAIN: no; -EINPROGRESS, -EDEADLK, -ENOLCK as lock_wait().
 */
int lock_access(struct state *state, const struct lock_request *request, uint64_t tag);

/* Finds what is in the way of I/O. Returns true, and fills *conflict; or false, and leaves it alone. */
bool lock_access_test(struct state *state, const struct lock_request *request, struct lock_entry *conflict);

/*
 * Takes a waiting request back.
 * outcome: gets what it was, with -EINTR. Returns true; false where it is not waiting, or not any more, and
 * lock_next_outcome() has told or will tell.
 */
bool lock_cancel(struct state *state, uint64_t unique, struct lock_outcome *outcome);

/* Lets all I/O go on that waits on a node: its locks are advisory now. */
void lock_access_all(struct state *state, uint64_t node);

/* To be called once what lock_next_outcome() has let read or write has ended, or waits for something else. */
void lock_access_end(struct state *state, const struct lock_outcome *outcome);

/* Takes the next waiting request that was decided. To be called after each of the other functions until it says false. */
bool lock_next_outcome(struct state *state, struct lock_outcome *outcome);

/* Gives up all that an owner has of a kind on a node, as closing any descriptor of it does for a process. */
void lock_drop_owner(struct state *state, uint64_t node, uint64_t owner, enum lock_kind kind);

/* Gives up all that was set through a handle: its last descriptor is closed. What waits there, which no kernel lets happen, is told EBADF. */
void lock_drop_handle(struct state *state, uint64_t node, uint64_t handle);

/*
 * Until this is called a new worker grants no request that waits: the kernel sends those again, in any order, and
 * they are to be served in the order in which they first came. Called when the last of them has been read. What has not
 * come again by then counts no more: its requester is dead.
 */
void lock_recovered(struct state *state);

/*
 * Lists locks by slot.
 * cursor: 0 at first; kept from call to call. Returns false after the last one.
 */
bool lock_next_entry(struct state *state, uint32_t *cursor, struct lock_entry *entry);

/* Used by state.c. */
int lock_index_slots(struct state *state);
void lock_close_index(struct state *state);
int lock_check(struct state *state, char *why, size_t size);

#endif
