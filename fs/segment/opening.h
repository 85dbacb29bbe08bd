/* SPDX-License-Identifier: MIT */
/*
 * An open in progress: its I/O mode, and the descriptors that it needs.
 *
 * Used only by the thread that carries the request out.
 */
#ifndef SEGFS_SEGMENT_OPENING_H
#define SEGFS_SEGMENT_OPENING_H

#include "fs/fuse/request.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"

#include <fcntl.h>

/* Flags of open(2) with which a backing file is opened. O_APPEND and O_DIRECT take effect per write. */
#define OPENING_FLAGS (O_ACCMODE | O_SYNC | O_DSYNC | O_NOATIME)

struct opening {
	struct fs *fs;
	struct request *request;
	const struct source *source;
	struct node_slot *node;
	uint64_t id;      /* node id */
	int flags;        /* of open(2), as the kernel sent them */
	int fd;           /* backing file, or -1 if it is not opened */
	int path_fd;      /* O_PATH descriptor of it, to register in the kernel, or -1 */
	bool is_new;      /* created by this open, with mode_bits; `fd` permits all that `flags` do */
	mode_t mode_bits; /* st_mode, set only if it is needed */
	enum io_mode mode;
	uint32_t policy; /* policy word of the node: enum node_policy */
	uint32_t views;  /* writers with only a view; closes: handle_closes() before they were counted */
	uint32_t closes;
	bool handed_over; /* others may have set mandatory locks since the check: check again to truncate */
	bool registered;  /* views are the backing file's own pages */
	uint64_t number;  /* results: number of the handle */
	int backing_id;   /* passthrough id, 0 = none */
};

/*
 * Adds the handle of an open, in the best mode that is available.
 * opening: all fields are set but the results, `mode`, `policy`, `registered` and, unless is_new, `fd` and
 * `mode_bits`.
 * Returns 0; -EBUSY if the policy allows no more writers; -EOPNOTSUPP if it requires mandatory locks, but the
 * mount's locks are the kernel's; the errors of source->open() and source->writable(); -ENFILE, -ENOMEM,
 * -ENOSPC as handle_add().
 */
int opening_establish(struct opening *opening);

/*
 * The same for a file that this open has made, and which has no node yet: the node and the handle are added
 * at once.
 * file: the node. opening: is_new; `node` and `id` are results, too. If `id` is set on failure, the open has
 * referenced the node.
 * Returns the same, and what node_reference() does.
 */
int opening_establish_new(struct opening *opening, const struct node_new *file);

/* Whether the open may change the file's bytes. */
bool opening_writes(const struct opening *opening);

/* Whether it opens a file under .segfs. */
static inline bool opening_is_control(const struct opening *opening)
{
	return opening->node->store == NODE_STORE_CONTROL;
}

static inline void cleanup_opening(struct opening *opening)
{
	cleanup_close(&opening->fd);
	cleanup_close(&opening->path_fd);
}

#define _cleanup_opening_ __attribute__((cleanup(cleanup_opening)))

#endif
