// SPDX-License-Identifier: MIT
#include "fs/segment/parked.h"
#include "fs/fuse/protocol.h"
#include "fs/fuse/reply.h"
#include "fs/state/message.h"
#include "fs/state/share.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static struct {
	struct parked *first; /* used by the reader only */
	atomic_uint n;        /* parked requests; read by any thread */
} all;

static uint32_t user_of(const struct parked *parked)
{
	return ((const struct fuse_in_header *)parked->message)->uid;
}

uint64_t parked_unique(const struct parked *parked)
{
	return ((const struct fuse_in_header *)parked->message)->unique;
}

int parked_new(struct state *state, const void *message, size_t length, struct parked **out)
{
	struct parked *parked;

	if (!share_admits(state, ((const struct fuse_in_header *)message)->uid, SHARE_PARKED, length))
		return -EAGAIN;
	parked = malloc(sizeof(*parked) + length);
	if (!parked)
		return -ENOMEM;
	*parked = (struct parked){.next = all.first, .length = length};
	memcpy(parked->message, message, length);
	if (message_save(state, parked_unique(parked), message, length) < 0) {
		free(parked);
		return -ENOMEM;
	}
	if (all.first)
		all.first->previous = parked;
	all.first = parked;
	share_count(state, user_of(parked), SHARE_PARKED, (int64_t)length);
	atomic_fetch_add(&all.n, 1);
	*out = parked;
	return 0;
}

void parked_free(struct state *state, struct parked *parked)
{
	if (!parked)
		return;
	if (parked->next)
		parked->next->previous = parked->previous;
	if (parked->previous)
		parked->previous->next = parked->next;
	else
		all.first = parked->next;
	message_drop(state, parked_unique(parked));
	share_count(state, user_of(parked), SHARE_PARKED, -(int64_t)parked->length);
	atomic_fetch_sub(&all.n, 1);
	free(parked);
}

struct parked *parked_first(void)
{
	return all.first;
}

unsigned int parked_count(void)
{
	return atomic_load(&all.n);
}

void parked_reply(struct fs *fs, const struct lock_outcome *outcome)
{
	struct parked *parked = outcome->access ? parked_of(outcome->tag) : NULL;

	reply_to(fs, parked ? parked_unique(parked) : outcome->tag, outcome->result);
	if (parked)
		parked_free(&fs->state, parked);
	else
		message_drop(&fs->state, outcome->tag);
}
