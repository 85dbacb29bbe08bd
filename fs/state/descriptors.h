/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that outlive a worker. The supervisor and the workers share one descriptor table; the header,
 * the stores and the slots of the arena tell which descriptors are in use.
 */
#ifndef SEGFS_STATE_DESCRIPTORS_H
#define SEGFS_STATE_DESCRIPTORS_H

#include "fs/state/arena.h"

/*
 * For the supervisor, before the first worker: records the descriptors open now that the arena does not refer
 * to, so that no worker closes them as leaked. Returns 0; -EMFILE if there are more than can be recorded;
 * -ENOMEM; the negative errno of reading /proc/self/fd.
 */
int descriptors_note_base(const struct arena *arena);

/*
 * For a new worker before state_recover(), which closes some descriptors: clears references to descriptors
 * that are not open or belong to another slot, so that none is read or closed by mistake. A dying worker may
 * have corrupted them. Returns 0; -EUCLEAN if the header is invalid; -ENOMEM; the negative errno of reading
 * /proc/self/fd.
 */
int descriptors_check(const struct arena *arena);

/*
 * For a new worker after state_recover(), before it starts threads: closes the descriptors leaked by a dead
 * worker, that is those neither recorded by descriptors_note_base() nor referred to by a slot. Returns the
 * number closed; errors as descriptors_check().
 */
int descriptors_close_strays(const struct arena *arena);

/*
 * Finds the descriptors that must survive an upgrade: those of connection, instance and stores, and those of
 * slots. named: receives an array, 1 for each of them, that the caller frees, also on failure. Returns its
 * length; -ENOMEM; the negative errno of reading /proc/self/fd.
 */
int descriptors_name(const struct arena *arena, unsigned char **named);

#endif
