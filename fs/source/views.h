/* SPDX-License-Identifier: MIT */
/*
 * Detects views that outlive their handle. In direct mode a view maps the backing file, so the kernel
 * releases the handle with the last descriptor while the memory is still mapped. Only the backing file shows
 * that it is.
 *
 * Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_VIEWS_H
#define SEGFS_SOURCE_VIEWS_H

#include "fs/source/source.h"

/* A file being probed. It stays open, since watchers of the file would see each open. */
struct views_probe {
	int fd; /* O_RDONLY, or -1 */
};

#define VIEWS_PROBE_NONE ((struct views_probe){.fd = -1})

/* Opens a node's file for probing. Returns 0; the negative errno of opening it. */
int views_probe_open(struct state *state, const struct node_slot *node, struct views_probe *probe);

void views_probe_close(struct views_probe *probe);

/*
 * Whether anyone else has the file open or mapped; only_writers: in a way that permits writing. Counts
 * descriptors of the daemon, and users of the backing file outside of the mount.
 * Returns 1 or 0; the negative errno of F_SETLEASE: -EINVAL if the medium has no leases, -EACCES if the
 * daemon may not take one.
 */
int views_probe(const struct views_probe *probe, bool only_writers);

/*
 * Probes once. False if there are no leases; true if a shortage of memory or descriptors prevents the probe.
 */
bool views_remain(struct state *state, const struct node_slot *node, bool only_writers);

#endif
