/* SPDX-License-Identifier: MIT */
/*
 * Views that outlive their handle. A view of a segment with a passthrough id is one of the backing file, so that the kernel
 * releases the handle with the last descriptor, though the memory is still mapped. Whether it is, only the backing file can tell.
 *
 * Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_VIEWS_H
#define SEGFS_SOURCE_VIEWS_H

#include "fs/source/source.h"

/* A file that is looked at: without opening it again and again, since who watches it would see that. */
struct views_probe {
	int fd; /* O_RDONLY, or -1 */
};

#define VIEWS_PROBE_NONE ((struct views_probe){.fd = -1})

/* Opens a node's file to look at it. Returns 0, or the errno of opening it. */
int views_probe_open(struct state *state, const struct node_slot *node, struct views_probe *probe);

void views_probe_close(struct views_probe *probe);

/*
 * Whether anybody else has the file open or mapped; only_writers: so that he may, or might, write to it.
 * Descriptors count that the daemon itself holds, and so do those of who uses the backing file past the mount.
 * Returns 1 or 0; the errno of fcntl(2) for F_SETLEASE: -EINVAL where the medium has no leases, -EACCES where the daemon may not.
 */
int views_probe(const struct views_probe *probe, bool only_writers);

/* The same with a probe for once. Where there are no leases, false; where it can't be found out for want of memory or descriptors, true. */
bool views_are_left(struct state *state, const struct node_slot *node, bool only_writers);

#endif
