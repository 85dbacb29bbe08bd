/* SPDX-License-Identifier: MIT */
/*
 * Who has a segment open or mapped: handles, and processes that have a view but no handle.
 */
#ifndef SEGFS_SEGMENT_ATTACHED_H
#define SEGFS_SEGMENT_ATTACHED_H

#include "fs/fuse/fs.h"
#include "fs/state/node.h"

/*
 * Gets the value of user.segfs.attached: the number of handles of a segment, plus that of processes with a
 * view but no handle. Scans all processes if necessary, while another thread is the reader. A process that
 * does not respond is not counted; but the result is never 0 if the kernel knows of a user.
 * Returns 0; -ENOMEM, -EMFILE, -ENFILE if it cannot be determined.
 */
int attached_count(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t *attached);

/*
 * Counts the processes with a writable view but no handle for writing, to decide on an open for writing that
 * requires fewer than `limit` writers. Scans processes only if their number matters, while another thread is
 * the reader. A process that does not respond is counted if its user may write to the segment.
 * Returns 0 with the number in *views; -ENOMEM, -EMFILE, -ENFILE; -EBUSY if a scan is necessary and the
 * calling thread cannot hand over.
 */
int attached_writers(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t limit,
		     uint32_t *views);

#endif
