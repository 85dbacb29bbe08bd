// SPDX-License-Identifier: MIT
#include "fs/fuse/aside.h"
#include "fs/fuse/protocol.h"
#include "fs/state/share.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 6 /* of a kind: of the threads that there may be, some are left for all else */

static const unsigned int places_of[ASIDE_KINDS] = {[ASIDE_FACTS] = PLACES_MAX, [ASIDE_OPENS] = 4};

static struct {
	pthread_mutex_t lock; /* guards what follows; a leaf */
	struct queue {
		uint32_t users[PLACES_MAX]; /* whose requests are carried out */
		unsigned int n;
		struct aside *first; /* those that wait, in the order in which they came */
	} queues[ASIDE_KINDS];
} asides = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Whether a user may have a place: some are left for others, and more of them where others wait. */
static bool may_begin(const struct queue *queue, enum aside_kind kind, uint32_t uid)
{
	unsigned int own = 0;

	if (queue->n >= places_of[kind])
		return false;
	for (unsigned int i = 0; i < queue->n; i++)
		own += queue->users[i] == uid;
	if (own < ASIDE_USER)
		return true;
	if (own + ASIDE_USER >= places_of[kind])
		return false;
	for (const struct aside *waits = queue->first; waits; waits = waits->next)
		if (waits->uid != uid)
			return false;
	return true;
}

static int put(struct state *state, struct queue *queue, uint32_t uid, const void *message, size_t length)
{
	struct aside **last = &queue->first;
	struct aside *waits;

	if (!share_admits(state, uid, SHARE_PARKED, length))
		return -EAGAIN;
	waits = malloc(sizeof(*waits) + length);
	if (!waits)
		return -ENOMEM;
	*waits = (struct aside){.uid = uid, .length = length};
	memcpy(waits->message, message, length);
	while (*last)
		last = &(*last)->next;
	*last = waits;
	share_count(state, uid, SHARE_PARKED, (int64_t)length);
	return 0;
}

int aside_begin(struct state *state, enum aside_kind kind, const void *message, size_t length)
{
	const uint32_t uid = ((const struct fuse_in_header *)message)->uid;
	struct queue *queue = &asides.queues[kind];
	int result = 1;

	pthread_mutex_lock(&asides.lock);
	if (may_begin(queue, kind, uid))
		queue->users[queue->n++] = uid;
	else
		result = put(state, queue, uid, message, length);
	pthread_mutex_unlock(&asides.lock);
	return result;
}

struct aside *aside_next(enum aside_kind kind, uint32_t uid)
{
	struct queue *queue = &asides.queues[kind];
	struct aside **at = &queue->first;
	unsigned int place = 0;
	struct aside *next;

	pthread_mutex_lock(&asides.lock);
	while (queue->users[place] != uid)
		place++;
	queue->users[place] = queue->users[--queue->n];
	while (*at && !may_begin(queue, kind, (*at)->uid))
		at = &(*at)->next;
	next = *at;
	if (next) {
		*at = next->next;
		queue->users[queue->n++] = next->uid;
	}
	pthread_mutex_unlock(&asides.lock);
	return next;
}

static bool is_meant(const struct aside *aside, uint64_t unique)
{
	return (((const struct fuse_in_header *)aside->message)->unique & ~FUSE_UNIQUE_RESEND) == unique;
}

struct aside *aside_cancel(uint64_t unique)
{
	struct aside *found = NULL;

	pthread_mutex_lock(&asides.lock);
	for (int kind = 0; kind < ASIDE_KINDS && !found; kind++) {
		struct aside **at = &asides.queues[kind].first;

		while (*at && !is_meant(*at, unique))
			at = &(*at)->next;
		found = *at;
		if (found)
			*at = found->next;
	}
	pthread_mutex_unlock(&asides.lock);
	return found;
}

void aside_free(struct state *state, struct aside *aside)
{
	share_count(state, aside->uid, SHARE_PARKED, -(int64_t)aside->length);
	free(aside);
}
