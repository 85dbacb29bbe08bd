/* SPDX-License-Identifier: MIT */
/*
 * What a new worker makes of the arena: nodes, then handles, then locks get their indexes, each from its
 * slots alone; what a death left half done is completed or undone; the journal learns which requests were in
 * flight.
 *
 * The daemon's worker.c goes on from there: it closes descriptors and passthrough ids that no slot refers to
 * (descriptors.h), and carries out again what was read and has no reply (message.h, journal.h).
 */
#ifndef SEGFS_STATE_RECOVER_H
#define SEGFS_STATE_RECOVER_H

#include "fs/state/state.h"

/*
 * Builds the indexes over an arena, which may contain the slots of a dead worker. Slots that it has corrupted
 * are freed.
 * max_idle: limit of idle nodes.
 * Returns 0; -ENOMEM; -EUCLEAN if the header is corrupt or there is no root.
 */
int state_recover(struct state *state, struct arena *arena, uint32_t max_idle);

#endif
