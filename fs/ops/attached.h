/* SPDX-License-Identifier: MIT */
/*
 * Who has a segment open or mapped: handles, and processes that have a view and no handle any more.
 */
#ifndef SEGFS_OPS_ATTACHED_H
#define SEGFS_OPS_ATTACHED_H

#include "fs/ops/fs.h"
#include "fs/state/node.h"

/*
 * Processes with a view of a segment, and no handle of their own; only_writers: with a view for writing, and no handle for writing.
 * Looks at all processes, where it must; others are served meanwhile.
 * Returns 0 with their number in *views; -ENOMEM, -EMFILE, -ENFILE where it can't be found out.
 */
int attached_views(struct fs *fs, uint64_t id, const struct node_slot *node, bool only_writers, uint32_t *views);

/* All of them: the value of user.segfs.attached. Returns as attached_views(). */
int attached_count(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t *attached);

#endif
