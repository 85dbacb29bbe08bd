/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait to read or write: copies of their messages, carried out when their turn has come.
 *
 * Belong to the reader. How many bytes may wait is bounded, see fs/state/share.h.
 */
#ifndef SEGFS_SEGMENT_PARKED_H
#define SEGFS_SEGMENT_PARKED_H

#include "fs/fuse/fs.h"
#include "fs/state/lock.h"

#include <stddef.h>
#include <stdint.h>

struct parked {
	struct parked *next;     /* neighbours among all that are parked */
	struct parked *previous;
	unsigned int seen_stuck; /* how many times in a row its wait looked like one without end */
	size_t length;           /* bytes of the message */
	_Alignas(8) char message[];
};

/* Copies a message. Returns 0; -EAGAIN where its user or all have too much waiting; -ENOMEM. */
int parked_new(struct state *state, const void *message, size_t length, struct parked **parked);

/* NULL is fine. */
void parked_free(struct state *state, struct parked *parked);

/* A parked message as the tag of a request that waits, and back. */
static inline uint64_t parked_tag(const struct parked *parked)
{
	return (uintptr_t)parked;
}

static inline struct parked *parked_of(uint64_t tag)
{
	return (struct parked *)(uintptr_t)tag;
}

/* Id of the request, as the message has it. */
uint64_t parked_unique(const struct parked *parked);

/* Replies to a request that waited, for a lock or parked, with outcome->result. Frees what is parked. */
void parked_reply(struct fs *fs, const struct lock_outcome *outcome);

/* The first of all, or NULL; for the reader. */
struct parked *parked_first(void);

/* How many there are; for any thread. */
unsigned int parked_count(void);

#endif
