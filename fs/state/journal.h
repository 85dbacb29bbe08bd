/* SPDX-License-Identifier: MIT */
/*
 * The journal: requests that are being carried out, so that a worker that dies over one leaves behind what the next one has to know.
 *
 * The kernel sends again what was read and not answered. Most requests may simply be carried out once more; of the others the journal says
 * what was found before the deed, so that it can be seen whether it was done, and, once they are done, the answer itself. A slot
 * is taken before a request does anything, and given back once the kernel has the answer. Whatever is sent again without
 * a slot had not been begun.
 *
 * A request over which workers die again and again is poison, and is refused. The slot also tells since when a request is
 * being carried out, by which hangs are found.
 *
 * Knows nothing of FUSE. One slot for each thread: all functions but journal_recover() and those that say so are about
 * the request that the calling thread carries out, and may be called where there is none, which is what they say then.
 */
#ifndef SEGFS_STATE_JOURNAL_H
#define SEGFS_STATE_JOURNAL_H

#include "fs/state/state.h"

#include <sys/uio.h>

#define JOURNAL_CRASHES 2 /* deaths by a fault or a hang over one request, one after the other, that make it poison */
#define JOURNAL_KILLS 10  /* the same for SIGKILL, which comes from outside and need not be the request's fault */

/* A request, as the journal sees it. */
struct journal_request {
	uint64_t unique; /* tells it from all others, and is the same when it is sent again; not 0 */
	uint64_t node;   /* id of the node that it is about */
	uint32_t opcode; /* number of the operation, which is only reported */
	int32_t pid;     /* who made it */
	uint32_t uid;
	bool repeated;   /* it was sent before; others have no slot yet */
	bool lasting;    /* it may take any time, which then is no hang */
};

enum journal_found {
	JOURNAL_NEW,      /* no worker has begun it */
	JOURNAL_AGAIN,    /* a worker has died over it: it is done, or in part, or not at all */
	JOURNAL_ANSWERED, /* ... with the answer ready: journal_answer_of() */
	JOURNAL_POISON,   /* ... more often than may be */
};

/* What was found before a name is removed or replaced. */
struct journal_note {
	uint64_t inode[2]; /* inode numbers, 0 = none */
	uint64_t node;     /* id of the node that loses a name, or 0 */
	uint32_t flags;    /* of the caller's own */
	int fd;            /* a descriptor that is to outlive the worker, or -1 */
};

/* Takes a slot for the calling thread's next request. Without a free one the request goes unrecorded, as a new one. */
enum journal_found journal_begin(const struct journal_request *request);

/* The request is over, or waits for something else than this thread. Gives the slot back. */
void journal_end(void);

/* From here on the request may take any time. */
void journal_may_last(void);

/* True from journal_begin() that returned JOURNAL_AGAIN to the end of the request, or journal_begin_anew(). */
bool journal_is_again(void);

/* What follows is no part of what was asked for, but takes it back: no note of it is of use. */
void journal_begin_anew(void);

/* When the request was begun for the first time: CLOCK_REALTIME as file systems have it, nanoseconds. 0 without a request. */
uint64_t journal_since(void);

/* Who made the request: a user id; 0 without a request. */
uint32_t journal_uid(void);

/*
 * Notes what was found. The descriptor stays the caller's, and stays open when the worker dies; journal_let_go() comes before it is
 * closed, or becomes somebody else's.
 */
void journal_note(const struct journal_note *note);
void journal_let_go(void);

/* What a worker that died over this request has noted. Returns false where it had not come that far. */
bool journal_noted(struct journal_note *note);

/* Keeps an answer, `size` bytes at most JOURNAL_ANSWER_MAX; longer ones are of requests that may be carried out twice. */
void journal_keep_answer(const struct iovec *parts, int n_parts);

/* The answer that was kept: bytes that may be changed, valid until journal_end(). */
void *journal_answer_of(size_t *size);

/* The request whose slot it is, for a line in the log, and how many workers died over it. */
unsigned int journal_deaths(void);

/* To be called in a signal handler, by the thread that is at fault: whatever else was going on is not to blame. */
void journal_blame(void);

/* Used by state_recover(): takes stock of what the worker before this one has left. */
void journal_recover(struct state *state);

/*
 * For the one thread that reads requests, before the kernel is asked to send requests again: `send` gets each answer that was kept, whose
 * bytes it may change, and says whether the kernel has it, by this or since before. Then it is certain who has what was opened, and the
 * slot is given back. What the kernel could not be given waits for the request to come again.
 */
void journal_send_answers(bool (*send)(void *context, void *answer, size_t size), void *context);

/*
 * For the same thread. A request was sent again: what is known of it is kept until it is carried out. Returns whether
 * it needs no more than the answer that was kept. Once none more will come, the rest is given back, since the kernel wants no
 * answers to these: `dropped` hears of each before.
 */
bool journal_expect(uint64_t unique);
void journal_drop_rest(void (*dropped)(void *context, const struct journal_slot *slot), void *context);

#endif
