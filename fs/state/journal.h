/* SPDX-License-Identifier: MIT */
/*
 * The journal of requests in flight: what the next worker needs to know if this one dies.
 *
 * Requests that were read but not replied to are found in message.h. Most are idempotent and are simply
 * executed again. For the others the journal notes the state before the operation, so that a replay can tell
 * whether it was done, and saves the reply once it was. A slot is taken before a request does anything and
 * freed once the kernel has the reply. A request without a slot was not begun.
 *
 * A request over which workers die repeatedly is poison, and is refused. The slots also tell since when
 * requests are in flight, by which hangs are detected.
 *
 * Knows nothing of FUSE. One slot per thread. Unless stated otherwise, functions are about the current
 * request of the calling thread, and may be called without one, with the result given.
 */
#ifndef SEGFS_STATE_JOURNAL_H
#define SEGFS_STATE_JOURNAL_H

#include "fs/state/state.h"

#include <sys/uio.h>

#define JOURNAL_CRASHES 2  /* consecutive deaths by fault or hang that make a request poison */
#define JOURNAL_KILLS   10 /* the same for SIGKILL, which need not be the request's fault */

/* A request, for the journal. */
struct journal_request {
	uint64_t unique; /* unique id, not 0 */
	uint64_t node;   /* id of its node */
	uint32_t opcode; /* for reports only */
	int32_t pid;     /* requesting process */
	uint32_t uid;
	bool unbounded; /* may legitimately take any time */
};

enum journal_found {
	JOURNAL_NEW,     /* not begun by any worker */
	JOURNAL_REPLAY,  /* a worker died over it: it was executed, in part, or not at all */
	JOURNAL_REPLIED, /* ... with the reply saved: journal_saved_reply() */
	JOURNAL_POISON,  /* ... too often */
};

/* The entry of a request. All functions take NULL, which stands for no request. */
struct journal_entry {
	struct journal_slot *slot; /* NULL = it goes unrecorded */
	bool is_replay;            /* see journal_is_replay() */
};

/* The state before a name is removed or replaced. */
struct journal_note {
	uint64_t inode[2]; /* inode numbers, 0 = none */
	uint64_t node;     /* id of the node that loses a name, 0 = none */
	uint32_t flags;    /* private to the caller */
	int fd;            /* descriptor that must survive the worker, -1 = none */
};

/*
 * Takes a slot for the calling thread's next request. Without a free slot it goes unrecorded, as JOURNAL_NEW.
 * The calling thread calls journal_end(), for the same entry.
 */
enum journal_found journal_begin(struct journal_entry *entry, const struct journal_request *request);

/* Frees the slot: the request is completed or deferred. */
void journal_end(struct journal_entry *entry);

/* The request that the calling thread carries out, if any, may take any time from here on. */
void journal_set_unbounded(void);

/*
 * Whether the request is a replay: after journal_begin() returned JOURNAL_REPLAY, until its end or
 * journal_begin_undo().
 */
bool journal_is_replay(const struct journal_entry *entry);

/* What follows undoes the request: notes do not apply to it. */
void journal_begin_undo(struct journal_entry *entry);

/* The time when the request was first begun: CLOCK_REALTIME_COARSE, nanoseconds. 0 without a request. */
uint64_t journal_since(const struct journal_entry *entry);

/* The requesting user. 0 without a request. */
uint32_t journal_uid(const struct journal_entry *entry);

/*
 * Saves a note. The caller keeps the descriptor, which stays open if the worker dies, and calls
 * journal_disown_fd() before closing it or handing it on.
 */
void journal_note(struct journal_entry *entry, const struct journal_note *note);
void journal_disown_fd(struct journal_entry *entry);

/* Gets the note of the worker that died over this request. False if there is none. */
bool journal_get_note(const struct journal_entry *entry, struct journal_note *note);

/* Saves the reply. Replies longer than JOURNAL_REPLY_MAX are ignored: they are of idempotent requests. */
void journal_save_reply(struct journal_entry *entry, const struct iovec *parts, int n_parts);

/* Returns the saved reply, which is valid until journal_end(). */
const void *journal_saved_reply(const struct journal_entry *entry, size_t *size);

/* The number of workers that died over the request. */
unsigned int journal_deaths(const struct journal_entry *entry);

/* Marks the request of the calling thread as the cause of a fault; async-signal-safe. */
void journal_blame(void);

/* Used by state_recover(): examines the slots left by the previous worker. */
void journal_recover(struct state *state);

/*
 * For the reader thread, before the replays: passes each saved reply to `send`, which returns whether the
 * kernel has it, now or from before. Then the ownership of opened handles is certain, and the slot is freed.
 * Other replies wait for the replay of the request.
 */
void journal_send_replies(bool (*send)(void *context, const void *reply, size_t size), void *context);

/*
 * For the reader thread. journal_claim() keeps the slot of a request until it is replayed, and returns
 * whether the saved reply is all it needs. journal_drop_unclaimed(), after all replays, frees the other slots
 * that the earlier worker left.
 */
bool journal_claim(uint64_t unique);
void journal_drop_unclaimed(void);

#endif
