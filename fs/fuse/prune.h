/* SPDX-License-Identifier: MIT */
/*
 * Room for nodes. The kernel keeps references to unused files for as long as it has memory. When these come
 * near the limit of nodes, or of descriptors, it is asked to drop some, so that a user who visits very many
 * files does not keep others from theirs.
 */
#ifndef SEGFS_FUSE_PRUNE_H
#define SEGFS_FUSE_PRUNE_H

#include "fs/fuse/fs.h"

/* Whether the kernel should be asked now. For the reader. */
bool prune_is_due(struct fs *fs);

/* Asks the kernel. The reader hands over, since dirty pages of dropped files may have to be written first. */
void prune(struct fs *fs);

/*
 * For a request that found no room for its node: asks the kernel, and waits for room, a tenth of a second at
 * most. The reader hands over. Returns whether there is room; false at once if it failed a moment ago.
 */
bool prune_for_room(struct fs *fs);

/* The kernel has dropped nodes. */
void prune_made_room(void);

#endif
