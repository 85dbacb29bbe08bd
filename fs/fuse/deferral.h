/* SPDX-License-Identifier: MIT */
/*
 * Requests that look into other processes. Such a look takes up to half a second where processes do not
 * answer, so few are carried out at one time: the others wait in a queue, and there are always threads for
 * all else.
 *
 * A user has a share of the places, as long as somebody else wants one, and never all of them; and a share of
 * the memory of those that wait, see fs/state/share.h.
 *
 * For the threads of the loop.
 */
#ifndef SEGFS_FUSE_DEFERRAL_H
#define SEGFS_FUSE_DEFERRAL_H

#include "fs/state/state.h"

#include <stddef.h>
#include <stdint.h>

/* Those of one kind don't wait for those of another. */
enum deferral_kind {
	DEFERRAL_FACTS = 0, /* facts about processes, and what is in them */
	DEFERRAL_OPENS = 1, /* opens of segments with a limited number of writers */
	DEFERRAL_KINDS,
	DEFERRAL_NONE = DEFERRAL_KINDS,
};

#define DEFERRAL_USER 2u /* places that each user may have at one time, as long as there are any */

/* A request in the queue. */
struct deferred {
	struct deferred *next;
	uint32_t uid;  /* whose it is */
	size_t length; /* bytes of the message */
	_Alignas(8) char message[];
};

/*
 * Begins a request, or puts a copy of it into the queue. Returns 1: the caller carries it out, and then calls
 * deferral_next() until there is none; 0: another thread will; -EAGAIN where its user, or all, have too much
 * waiting; -ENOMEM.
 */
int deferral_begin(struct state *state, enum deferral_kind kind, const void *message, size_t length);

/*
 * Ends one of user `uid`. Returns the next one, which the caller carries out and gives back by
 * deferral_free(), or NULL.
 */
struct deferred *deferral_next(enum deferral_kind kind, uint32_t uid);

/*
 * Takes the request with an id, without the resend bit, out of the queue. Returns it, for the caller to
 * answer and give back; NULL where it is not there.
 */
struct deferred *deferral_cancel(uint64_t unique);

void deferral_free(struct state *state, struct deferred *deferred);

#endif
