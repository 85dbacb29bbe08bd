/* SPDX-License-Identifier: MIT */
/*
 * The worker: serves requests until the connection ends or a signal stops it. It may die at any instruction;
 * the next one recovers from the arena.
 */
#ifndef SEGFS_DAEMON_WORKER_H
#define SEGFS_DAEMON_WORKER_H

#include "fs/daemon/program.h"

#define WORKER_READY_SIGNAL SIGUSR1 /* sent to the supervisor once a worker serves, and after a reload */

struct fuse_session;

/*
 * Runs a worker in a process that shares its supervisor's descriptor table.
 * Returns its exit status: 0 if the connection ended or a signal stopped it.
 */
int worker_run(const struct program *program, struct fuse_session *session);

#endif
