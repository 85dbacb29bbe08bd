// SPDX-License-Identifier: MIT
#include "fs/fuse/deferral.h"
#include "fs/fuse/protocol.h"
#include "fs/state/message.h"
#include "fs/state/share.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 6 /* of a kind: some threads remain for all other requests */

static const unsigned int places_of[DEFERRAL_KINDS] = {[DEFERRAL_FACTS] = PLACES_MAX, [DEFERRAL_OPENS] = 4};

static struct {
	pthread_mutex_t lock; /* guards the queues; only leaves are taken under it */
	struct queue {
		uint32_t users[PLACES_MAX]; /* requesters of the requests in progress */
		unsigned int n;
		struct deferred *first; /* queued requests, oldest first */
	} queues[DEFERRAL_KINDS];
} deferrals = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Whether a user may have a place: some remain for other users, more while others wait. */
static bool may_begin(const struct queue *queue, enum deferral_kind kind, uint32_t uid)
{
	unsigned int own = 0;

	if (queue->n >= places_of[kind])
		return false;
	for (unsigned int i = 0; i < queue->n; i++)
		own += queue->users[i] == uid;
	if (own < DEFERRAL_USER)
		return true;
	if (own + DEFERRAL_USER >= places_of[kind])
		return false;
	for (const struct deferred *waits = queue->first; waits; waits = waits->next)
		if (waits->uid != uid)
			return false;
	return true;
}

static uint64_t unique_of(const struct deferred *deferred)
{
	return ((const struct fuse_in_header *)deferred->message)->unique;
}

static int put(struct state *state, struct queue *queue, uint32_t uid, const void *message, size_t length)
{
	struct deferred **last = &queue->first;
	struct deferred *waits;

	if (!share_admits(state, uid, SHARE_PARKED, length))
		return -EAGAIN;
	waits = malloc(sizeof(*waits) + length);
	if (!waits)
		return -ENOMEM;
	*waits = (struct deferred){.uid = uid, .length = length};
	memcpy(waits->message, message, length);
	if (message_save(state, unique_of(waits), message, length) < 0) {
		free(waits);
		return -ENOMEM;
	}
	while (*last)
		last = &(*last)->next;
	*last = waits;
	share_count(state, uid, SHARE_PARKED, (int64_t)length);
	return 0;
}

int deferral_begin(struct state *state, enum deferral_kind kind, const void *message, size_t length)
{
	const uint32_t uid = ((const struct fuse_in_header *)message)->uid;
	struct queue *queue = &deferrals.queues[kind];
	int result = 1;

	pthread_mutex_lock(&deferrals.lock);
	if (may_begin(queue, kind, uid))
		queue->users[queue->n++] = uid;
	else
		result = put(state, queue, uid, message, length);
	pthread_mutex_unlock(&deferrals.lock);
	return result;
}

struct deferred *deferral_next(enum deferral_kind kind, uint32_t uid)
{
	struct queue *queue = &deferrals.queues[kind];
	struct deferred **at = &queue->first;
	unsigned int place = 0;
	struct deferred *next;

	pthread_mutex_lock(&deferrals.lock);
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
	pthread_mutex_unlock(&deferrals.lock);
	return next;
}

struct deferred *deferral_cancel(uint64_t unique)
{
	struct deferred *found = NULL;

	pthread_mutex_lock(&deferrals.lock);
	for (int kind = 0; kind < DEFERRAL_KINDS && !found; kind++) {
		struct deferred **at = &deferrals.queues[kind].first;

		while (*at && unique_of(*at) != unique)
			at = &(*at)->next;
		found = *at;
		if (found)
			*at = found->next;
	}
	pthread_mutex_unlock(&deferrals.lock);
	return found;
}

void deferral_free(struct state *state, struct deferred *deferred)
{
	message_drop(state, unique_of(deferred));
	share_count(state, deferred->uid, SHARE_PARKED, -(int64_t)deferred->length);
	free(deferred);
}
