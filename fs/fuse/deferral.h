/* SPDX-License-Identifier: MIT */
/*
 * Deferral of requests that inspect other processes. An inspection takes up to half a second if processes do
 * not respond, so few run at a time and the rest is queued: threads always remain for all other requests.
 *
 * One user never gets all places, and only a share of them while others wait; the memory of queued requests
 * is shared out as well, see fs/state/share.h.
 *
 * For the threads of the loop.
 */
#ifndef SEGFS_FUSE_DEFERRAL_H
#define SEGFS_FUSE_DEFERRAL_H

#include "fs/state/state.h"

#include <stddef.h>
#include <stdint.h>

/* Requests of different kinds do not wait for each other. */
enum deferral_kind {
	DEFERRAL_FACTS = 0, /* facts about processes and their memory */
	DEFERRAL_OPENS = 1, /* opens of segments with a limited number of writers */
	DEFERRAL_KINDS,
	DEFERRAL_NONE = DEFERRAL_KINDS,
};

#define DEFERRAL_USER 2u /* places that each user may have if any is free */

/* A request in the queue. */
struct deferred {
	struct deferred *next;
	uint32_t uid;  /* of the requester */
	size_t length; /* bytes of the message */
	_Alignas(8) char message[];
};

/*
 * Gives a request a place, or queues a copy of it. Returns 1: the caller carries it out, and then calls
 * deferral_next() until it returns NULL; 0: another thread will; -EAGAIN if its user, or all users, have too
 * much queued; -ENOMEM.
 */
int deferral_begin(struct state *state, enum deferral_kind kind, const void *message, size_t length);

/*
 * Frees a place of user `uid`. Returns the next queued request, which the caller carries out and passes to
 * deferral_free(), or NULL.
 */
struct deferred *deferral_next(enum deferral_kind kind, uint32_t uid);

/*
 * Removes the request with an id from the queue. Returns it: the caller replies and calls deferral_free();
 * NULL if it is not queued.
 */
struct deferred *deferral_cancel(uint64_t unique);

void deferral_free(struct state *state, struct deferred *deferred);

#endif
