/* SPDX-License-Identifier: MIT */
/*
 * An open under way: which way reads, writes and views will take, and what has to be open for it.
 *
 * Belongs to the thread that carries the request out.
 */
#ifndef SEGFS_SEGMENT_OPENING_H
#define SEGFS_SEGMENT_OPENING_H

#include "fs/fuse/request.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>

/* Flags of open(2) that a backing file is opened with. O_APPEND and O_DIRECT are seen to per write. */
#define OPENING_FLAGS (O_ACCMODE | O_SYNC | O_DSYNC | O_NOATIME)

struct opening {
	struct fs *fs;
	struct request *request;
	const struct source *source;
	struct node_slot *node;
	uint64_t id;       /* of the node */
	int flags;         /* of open(2), as the kernel sent them */
	int fd;            /* the backing file, or -1: not opened */
	int path_fd;       /* O_PATH descriptor of it for the kernel, or -1 */
	bool is_new;       /* made by this open, with the mode that `mode_bits` tells; `fd` can do all that `flags` say */
	bool is_control;   /* a file under .segfs */
	mode_t mode_bits;  /* st_mode, where it matters */
	enum io_mode mode;
	uint32_t policy;   /* of the node: enum node_policy */
	uint32_t views;    /* of writers, and handle_closes() from before they were counted */
	uint32_t closes;
	bool handed_over;  /* where locks are mandatory and it is to be truncated: somebody may have locked it since they were looked at */
	bool registered;   /* views are the backing file's own pages */
	uint64_t number;   /* results: of the handle */
	int backing_id;    /* and its passthrough id */
};

/*
 * Gives an open its handle, in the best mode that can be had.
 * opening: all but the results, `mode`, `policy`, `registered` and, unless is_new, `fd` and `mode_bits` are filled.
 * Returns 0; -EBUSY where the policy allows no further writer; -EOPNOTSUPP where it asks for locks that the kernel keeps; what source->open() and source->writable() return; -ENFILE, -ENOMEM, -ENOSPC as handle_add().
 */
int opening_establish(struct opening *opening);

/* Whether the open can change the file's bytes. */
bool opening_writes(const struct opening *opening);

static inline void cleanup_opening(struct opening *opening)
{
	cleanup_close(&opening->fd);
	cleanup_close(&opening->path_fd);
}

#define _cleanup_opening_ __attribute__((cleanup(cleanup_opening)))

#endif
