/* SPDX-License-Identifier: MIT */
/*
 * The worker: answers requests until the connection ends or a signal asks it to leave. It may die at any instruction;
 * the next one recovers from the arena.
 */
#ifndef SEGFS_DAEMON_WORKER_H
#define SEGFS_DAEMON_WORKER_H

#include "fs/daemon/program.h"

#define WORKER_READY_SIGNAL SIGUSR1 /* sent to the supervisor once the first worker serves */

struct fuse_session;

/*
 * Makes the session object that every worker begins with. For the supervisor, before it mounts.
 * Returns NULL with the reason logged.
 */
struct fuse_session *worker_session_new(const struct program *program);

/* Whether libfuse has logged an error by itself, as it does for most of what it fails with. For the supervisor. */
bool worker_libfuse_has_complained(void);

/*
 * The life of a worker, in a process that shares its supervisor's descriptors.
 * Returns its exit status: 0 where the connection ended or it was asked to leave.
 */
int worker_run(const struct program *program, struct fuse_session *session);

#endif
