/* SPDX-License-Identifier: MIT */
/*
 * The mount of a program, from its making to its end. The session belongs to libfuse, and to the worker: all that the supervisor
 * needs of it is the connection, whose descriptor is in the arena's header.
 */
#ifndef SEGFS_DAEMON_MOUNTING_H
#define SEGFS_DAEMON_MOUNTING_H

#include "fs/daemon/program.h"

struct fuse_session;

/*
 * Mounts. session: gets libfuse's, for ever. Returns 0; a negative errno, with the reason logged.
 */
int mounting_begin(struct program *program, struct fuse_session **session);

/* The same where the mount is there, of the program from which this one takes over. */
int mounting_adopt(const struct program *program, struct fuse_session **session);

/* Whether libfuse takes the options of the mount. Returns 0 or a negative errno, with the reason logged. */
int mounting_check_options(const struct program *program);

/*
 * Unmounts, but not what somebody else has mounted there since. Lazily: open files keep what they have, and nobody finds the name
 * any more.
 */
void mounting_end(const struct program *program);

#endif
