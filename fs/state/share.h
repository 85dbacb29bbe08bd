/* SPDX-License-Identifier: MIT */
/*
 * Bounds: how much there may be of what clients make the daemon hold, and how much of that one user may take, so that who takes
 * all he can leaves something to others. User 0 is bound by the whole only.
 *
 * All functions may be called by several threads at once. Their lock is a leaf.
 */
#ifndef SEGFS_STATE_SHARE_H
#define SEGFS_STATE_SHARE_H

#include "fs/state/state.h"

enum share_kind {
	SHARE_HANDLES,
	SHARE_LOCKS,
	SHARE_PARKED, /* bytes of requests that wait to read or write */
	SHARE_KINDS,
};

/* Whether a user may have `more` of a kind. */
bool share_admits(const struct state *state, uint32_t uid, enum share_kind kind, uint64_t more);

/* Counts what a user has taken, or, negative, given back. */
void share_count(struct state *state, uint32_t uid, enum share_kind kind, int64_t change);

/* What all have of a kind. */
uint64_t share_total(const struct state *state, enum share_kind kind);

/* Used by state.c. Returns 0 or -ENOMEM. */
int share_open(struct state *state);
void share_close(struct state *state);

#endif
