/* SPDX-License-Identifier: MIT */
/*
 * The index over lock slots: what a new worker makes of the slots that the previous one left, and its end.
 *
 * For state.c and recover.c, before and after there are threads.
 */
#ifndef SEGFS_STATE_LOCK_RECOVER_H
#define SEGFS_STATE_LOCK_RECOVER_H

#include "fs/state/state.h"

/*
 * Builds the index, after those of nodes and handles. Resolves overlaps that a death in the middle of a
 * change left, and frees locks of handles that were released. Returns 0 or -ENOMEM.
 */
int lock_index_slots(struct state *state);
void lock_close_index(struct state *state);

/* Verifies the locks' invariants, as state_check(). */
int lock_check(struct state *state, char *why, size_t size);

#endif
