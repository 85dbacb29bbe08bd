/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: mounts, keeps what must survive a worker (connection, descriptor table, arena), and starts
 * the next worker when one ends.
 *
 * While running it allocates nothing, parses nothing and never accesses the mount: a holder of /dev/fuse that
 * waits for its own file system waits for ever (fact K14).
 */
#ifndef SEGFS_DAEMON_SUPERVISOR_H
#define SEGFS_DAEMON_SUPERVISOR_H

#include "fs/daemon/program.h"

/*
 * Mounts. Returns 0, or a negative errno with the reason logged.
 */
int supervisor_mount(struct program *program);

/* Continues with the mount of the version that this one takes over from. Returns as supervisor_mount(). */
int supervisor_adopt(struct program *program);

/*
 * Runs until the file system is unmounted, a signal ends it, or workers fail repeatedly. Returns the exit
 * status of the program.
 */
int supervisor_run(struct program *program);

#endif
