// SPDX-License-Identifier: MIT
#include "fs/state/share.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define USERS 4096u /* users tracked; a power of two. Further ones are subject to the total limit only */

struct user {
	uint32_t uid; /* 0 = free; root is not tracked */
	uint64_t used;
};

struct shares {
	_Atomic uint64_t total[SHARE_KINDS];
	pthread_mutex_t lock; /* guards `users`, except those of SHARE_HANDLES */
	struct user users[SHARE_KINDS][USERS];
};

/* 0 = unlimited. */
static uint64_t limit_of(const struct state *state, enum share_kind kind)
{
	const struct arena_header *header = state->arena->header;

	switch (kind) {
	case SHARE_HANDLES:
		return atomic_load(&header->limit_handles);
	case SHARE_LOCKS:
		return atomic_load(&header->limit_locks);
	case SHARE_PARKED:
		return atomic_load(&header->limit_parked);
	default:
		return 0;
	}
}

/* state.lock, which the caller holds, guards handles, so that an open takes no second lock. */
static void lock_users(struct shares *shares, enum share_kind kind)
{
	if (kind != SHARE_HANDLES)
		pthread_mutex_lock(&shares->lock);
}

static void unlock_users(struct shares *shares, enum share_kind kind)
{
	if (kind != SHARE_HANDLES)
		pthread_mutex_unlock(&shares->lock);
}

/* Open addressing. Entries are never freed; one whose user holds nothing is reused. */
static struct user *find(struct user *users, uint32_t uid)
{
	struct user *vacant = NULL;

	for (uint32_t n = 0; n < USERS; n++) {
		struct user *user = &users[(uid * 2654435761u + n) % USERS];

		if (user->uid == uid)
			return user;
		if (!vacant && user->used == 0)
			vacant = user;
		if (user->uid == 0)
			break;
	}
	if (vacant)
		*vacant = (struct user){.uid = uid};
	return vacant;
}

bool share_admits(const struct state *state, uint32_t uid, enum share_kind kind, uint64_t more)
{
	uint64_t percent = atomic_load(&state->arena->header->user_percent);
	struct shares *shares = state->shares;
	uint64_t limit = limit_of(state, kind);
	const struct user *user;
	bool admits;

	if (limit == 0)
		return true;
	if (atomic_load(&shares->total[kind]) + more > limit)
		return false;
	if (uid == 0 || percent == 0 || percent >= 100)
		return true;
	lock_users(shares, kind);
	user = find(shares->users[kind], uid);
	admits = !user || user->used + more <= limit * percent / 100;
	unlock_users(shares, kind);
	return admits;
}

void share_count(struct state *state, uint32_t uid, enum share_kind kind, int64_t change)
{
	struct shares *shares = state->shares;
	struct user *user;

	atomic_fetch_add(&shares->total[kind], (uint64_t)change);
	if (uid == 0)
		return;
	lock_users(shares, kind);
	user = find(shares->users[kind], uid);
	/* a user who was not tracked when he took it has nothing to give back */
	if (user && (change > 0 || user->used >= (uint64_t)-change))
		user->used += (uint64_t)change;
	unlock_users(shares, kind);
}

uint64_t share_total(const struct state *state, enum share_kind kind)
{
	return atomic_load(&state->shares->total[kind]);
}

int share_open(struct state *state)
{
	state->shares = index_map(1, sizeof(*state->shares));
	if (!state->shares)
		return -ENOMEM;
	pthread_mutex_init(&state->shares->lock, NULL);
	return 0;
}

void share_close(struct state *state)
{
	if (!state->shares)
		return;
	pthread_mutex_destroy(&state->shares->lock);
	index_unmap(state->shares, 1, sizeof(*state->shares));
	state->shares = NULL;
}
