/* SPDX-License-Identifier: MIT */
/*
 * Parked requests: copies of the messages of requests that wait to read or write, and are carried out later.
 *
 * Used by the reader thread. The number of bytes is bounded, see fs/state/share.h.
 */
#ifndef SEGFS_SEGMENT_PARKED_H
#define SEGFS_SEGMENT_PARKED_H

#include "fs/fuse/fs.h"
#include "fs/state/lock.h"

#include <stddef.h>
#include <stdint.h>

struct parked {
	struct parked *next; /* neighbours in the list of all */
	struct parked *previous;
	unsigned int seen_stuck; /* consecutive deadlock checks that found it deadlocked */
	size_t length;           /* bytes of the message */
	_Alignas(8) char message[];
};

/* Copies a message. Returns 0; -EAGAIN if the share of its user, or of all users, is in use; -ENOMEM. */
int parked_new(struct state *state, const void *message, size_t length, struct parked **parked);

/* parked: may be NULL. */
void parked_free(struct state *state, struct parked *parked);

/* Converts a parked request to the tag that identifies it in the lock queue, and back. */
static inline uint64_t parked_tag(const struct parked *parked)
{
	return (uintptr_t)parked;
}

static inline struct parked *parked_of(uint64_t tag)
{
	return (struct parked *)(uintptr_t)tag;
}

/* Id of the request. */
uint64_t parked_unique(const struct parked *parked);

/* Replies to a parked request, or one that waited for a lock, with outcome->result. Frees the parked one. */
void parked_reply(struct fs *fs, const struct lock_outcome *outcome);

/* The first parked request, or NULL. For the reader. */
struct parked *parked_first(void);

/* The number of parked requests. For any thread. */
unsigned int parked_count(void);

#endif
