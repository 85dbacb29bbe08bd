// SPDX-License-Identifier: MIT
#include "fs/ops/aside.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct {
	pthread_mutex_t lock; /* guards what follows; a leaf */
	unsigned int n;       /* being carried out */
	struct aside *first;  /* those that wait, in the order in which they came */
	struct aside **last;  /* where the next one is noted */
} queue = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.last = &queue.first,
};

int aside_begin(const void *message, size_t length)
{
	struct aside *waits = NULL;
	int result = 0;

	pthread_mutex_lock(&queue.lock);
	if (queue.n < ASIDE_MAX) {
		queue.n++;
		result = 1;
	} else {
		waits = malloc(sizeof(*waits) + length);
		result = waits ? 0 : -ENOMEM;
	}
	if (waits) {
		waits->next = NULL;
		waits->length = length;
		memcpy(waits->message, message, length);
		*queue.last = waits;
		queue.last = &waits->next;
	}
	pthread_mutex_unlock(&queue.lock);
	return result;
}

struct aside *aside_next(void)
{
	struct aside *next;

	pthread_mutex_lock(&queue.lock);
	next = queue.first;
	if (next) {
		queue.first = next->next;
		if (!queue.first)
			queue.last = &queue.first;
	} else {
		queue.n--;
	}
	pthread_mutex_unlock(&queue.lock);
	return next;
}
