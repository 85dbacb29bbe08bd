/* SPDX-License-Identifier: MIT */
/*
 * Room for nodes. The kernel goes on referring to files that nobody uses any more for as long as it has memory; where it refers to nearly as many as
 * there may be, or as descriptors can be kept for, it is asked to let go of some, so that who looks at a great many files does not keep others from
 * looking at theirs.
 */
#ifndef SEGFS_FUSE_PRUNE_H
#define SEGFS_FUSE_PRUNE_H

#include "fs/fuse/fs.h"

/* Whether it is time to. For the reader. */
bool prune_is_due(struct fs *fs);

/* Asks the kernel. The reader hands over: what is let go of may have to be written first. */
void prune(struct fs *fs);

/*
 * For a request that has found no room for its node: asks the kernel, and waits until it has let go of one, or for a tenth of a second. The
 * reader hands over. Returns whether there is room now; false at once where that was in vain a moment ago.
 */
bool prune_for_room(struct fs *fs);

/* The kernel has let go of some. */
void prune_made_room(void);

#endif
