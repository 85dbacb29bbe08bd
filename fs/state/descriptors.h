/* SPDX-License-Identifier: MIT */
/*
 * The descriptors that outlive a worker. The supervisor and each worker have one table of them; what is in use is what the header, the
 * stores and the slots of the arena name.
 */
#ifndef SEGFS_STATE_DESCRIPTORS_H
#define SEGFS_STATE_DESCRIPTORS_H

#include "fs/state/arena.h"

/*
 * For the supervisor, before the first worker: notes what it has open beside what the header, the stores and the slots name, which no
 * worker may close as what another one left. Returns 0; -EMFILE where that is more than there is room for; -ENOMEM; the negative
 * errno of reading /proc/self/fd.
 */
int descriptors_note_base(const struct arena *arena);

/*
 * For a worker that takes over, before state_recover(), which closes some of them: a slot that names a descriptor which is not open, or
 * which is another's, forgets it, so that nobody's descriptor is closed or read for it. A worker that went mad before it died
 * may have left that. Returns 0; -EUCLEAN where the header makes no sense; -ENOMEM; the negative errno of reading /proc/self/fd.
 */
int descriptors_check(const struct arena *arena);

/*
 * For the same worker after state_recover(), before it starts threads: closes every descriptor that neither the supervisor had before its
 * first worker nor any slot names: what a worker that died had open between two instructions. Returns the number closed, or as
 * descriptors_check().
 */
int descriptors_close_strays(const struct arena *arena);

/*
 * Finds the descriptors that must outlive a program that another one replaces: those of the connection, the instance and the stores, and
 * all that slots name. named: gets an array that the caller frees, also after a failure, with 1 for each of them. Returns
 * its length; -ENOMEM; the negative errno of reading /proc/self/fd.
 */
int descriptors_name(const struct arena *arena, unsigned char **named);

#endif
