/* SPDX-License-Identifier: MIT */
/*
 * Upgrade: the program file, usually a later version, takes over from the running supervisor with the same
 * pid, descriptors and arena, and hence the same mount, open files, locks and waiters. To users of the mount
 * it looks like the death of a worker.
 *
 * First the file runs as a child to check that it can take over: the layout of the arena, its options, its
 * configuration. Only then is the worker killed and the file executed in place of the supervisor.
 */
#ifndef SEGFS_DAEMON_UPGRADE_H
#define SEGFS_DAEMON_UPGRADE_H

#include "fs/daemon/program.h"

enum upgrade_role {
	UPGRADE_NONE,      /* an ordinary start */
	UPGRADE_CHECK,     /* check whether this program could take over */
	UPGRADE_TAKE_OVER, /* take over */
};

/*
 * To be called first: determines what this process was started for, and by which file and arguments. argv:
 * must stay valid.
 */
enum upgrade_role upgrade_begin(char *argv[]);

/*
 * Starts the check. Returns the pid of the checking process, whose exit status 0 means success; -ENOENT
 * without a file; the negative errno of fork(2).
 */
pid_t upgrade_start_check(const struct program *program);

/*
 * Executes the file in place of this process, which has no worker. Returns only on failure: a negative errno,
 * with nothing changed.
 */
int upgrade_execute(const struct program *program);

/* UPGRADE_CHECK: logs what prevents the upgrade. Returns the exit status. */
int upgrade_check(struct program *program);

/*
 * UPGRADE_TAKE_OVER: fills `program` from the arena. Returns 0, or a negative errno with the reason logged.
 */
int upgrade_adopt(struct program *program);

#endif
