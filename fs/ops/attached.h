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
 */
uint32_t attached_views(struct fs *fs, uint64_t id, const struct node_slot *node, bool only_writers);

/* All of them: the value of user.segfs.attached. */
uint32_t attached_count(struct fs *fs, uint64_t id, const struct node_slot *node);

#endif
