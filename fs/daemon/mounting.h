/* SPDX-License-Identifier: MIT */
/*
 * The mount, from its creation to its end. The session belongs to libfuse and to the worker: all that the
 * supervisor needs is the connection, whose descriptor is in the arena's header.
 */
#ifndef SEGFS_DAEMON_MOUNTING_H
#define SEGFS_DAEMON_MOUNTING_H

#include "fs/daemon/program.h"

struct fuse_session;

/*
 * Mounts. session: receives libfuse's session, which is never freed. Returns 0; a negative errno, with the
 * reason logged.
 */
int mounting_begin(struct program *program, struct fuse_session **session);

/* Like mounting_begin(), for the existing mount of the version that this one takes over from. */
int mounting_adopt(const struct program *program, struct fuse_session **session);

/* Whether libfuse accepts the mount options. Returns 0 or a negative errno, with the reason logged. */
int mounting_check_options(const struct program *program);

/*
 * Unmounts, unless something else has been mounted there. Lazy: open files remain usable, and the mount point
 * is free at once.
 */
void mounting_end(const struct program *program);

#endif
