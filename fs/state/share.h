/* SPDX-License-Identifier: MIT */
/*
 * Limits on resources that clients make the daemon hold, and the share of each that one user may take, so
 * that a greedy user leaves something to others. Root is subject to the total limit only.
 *
 * All functions are thread-safe; for SHARE_HANDLES, if the caller holds state.lock. Their own lock is a leaf.
 */
#ifndef SEGFS_STATE_SHARE_H
#define SEGFS_STATE_SHARE_H

#include "fs/state/state.h"

enum share_kind {
	SHARE_HANDLES,
	SHARE_LOCKS,
	SHARE_PARKED, /* bytes of deferred reads and writes */
	SHARE_KINDS,
};

/* Whether a user may take `more` of a resource. */
bool share_admits(const struct state *state, uint32_t uid, enum share_kind kind, uint64_t more);

/* Records that a user has taken a resource, or, negative, returned it. */
void share_count(struct state *state, uint32_t uid, enum share_kind kind, int64_t change);

/* The total in use of a resource. */
uint64_t share_total(const struct state *state, enum share_kind kind);

/* Used by state.c. Returns 0 or -ENOMEM. */
int share_open(struct state *state);
void share_close(struct state *state);

#endif
