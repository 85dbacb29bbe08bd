/* SPDX-License-Identifier: MIT */
/*
 * What carrying out a request may cost others. All are about the calling thread's request, whose header is given.
 */
#ifndef SEGFS_FUSE_COST_H
#define SEGFS_FUSE_COST_H

#include "fs/fuse/aside.h"
#include "fs/fuse/fs.h"
#include "fs/fuse/wire.h"

/* The queue that it stands in, since carrying it out may mean to look into other processes; ASIDE_NONE. */
enum aside_kind cost_aside(const struct fs *fs, const struct wire_in_header *header);

/*
 * True if it changes what segfs keeps of a node by an attribute: that waits for others that do so, one of which may be reserving memory, and
 * may let those go on who wait for locks.
 */
bool cost_changes_policy(const struct fs *fs, const struct wire_in_header *header);

/* True if carrying it out may take long enough for other requests to suffer. */
bool cost_may_be_high(const struct fs *fs, const struct wire_in_header *header);

#endif
