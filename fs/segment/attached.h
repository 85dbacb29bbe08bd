/* SPDX-License-Identifier: MIT */
/*
 * Who has a segment open or mapped: handles, and processes that have a view and no handle any more.
 */
#ifndef SEGFS_SEGMENT_ATTACHED_H
#define SEGFS_SEGMENT_ATTACHED_H

#include "fs/fuse/fs.h"
#include "fs/state/node.h"

/*
 * The value of user.segfs.attached: how many handles a segment has, and processes with a view and no handle of their own. Looks at all
 * processes, where it must. One that did not answer is not counted; but it is never 0 where the kernel knows of somebody.
 * Returns 0; -ENOMEM, -EMFILE, -ENFILE where it can't be found out.
 */
int attached_count(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t *attached);

/*
 * Processes with a view for writing, and no handle for writing, for who may open it if there are fewer than `limit` writers. Looks at
 * processes only where the number matters. Others are served meanwhile. One that did not answer is counted if its user may write to the segment.
 * Returns 0 with their number in *views; -ENOMEM, -EMFILE, -ENFILE; -EBUSY where the calling thread can't hand over, and would have to look.
 */
int attached_writers(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t limit, uint32_t *views);

#endif
