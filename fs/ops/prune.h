/* SPDX-License-Identifier: MIT */
/*
 * Room for nodes. The kernel goes on referring to files that nobody uses any more for as long as it has memory; where it refers to nearly as many as
 * there may be, or as descriptors can be kept for, it is asked to let go of some, so that who looks at a great many files does not keep others from
 * looking at theirs.
 */
#ifndef SEGFS_OPS_PRUNE_H
#define SEGFS_OPS_PRUNE_H

#include "fs/ops/fs.h"

/* Whether it is time to. For the reader. */
bool prune_is_due(struct fs *fs);

/* Asks the kernel. The reader hands over: what is let go of may have to be written first. */
void prune(struct fs *fs);

#endif
