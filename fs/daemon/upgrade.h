/* SPDX-License-Identifier: MIT */
/*
 * Upgrade: the program file, most of all a later version of it, takes over from the supervisor that runs, with the same pid, the same
 * descriptors, the same arena and hence the same mount, open files, locks and waiters. For those on the mount it is a death
 * of the worker that was asked for.
 *
 * First the file is started beside the supervisor, which goes on, to see whether it can take over: by the layout of the arena, its options and
 * its configuration. Only then is the worker ended and the file executed in the supervisor's place.
 */
#ifndef SEGFS_DAEMON_UPGRADE_H
#define SEGFS_DAEMON_UPGRADE_H

#include "fs/daemon/program.h"

enum upgrade_role {
	UPGRADE_NONE,      /* an ordinary start */
	UPGRADE_CHECK,     /* this process is to see whether it could take over */
	UPGRADE_TAKE_OVER, /* it does */
};

/* To be called first: what this process was started for, and by which file and arguments. argv: must stay as it is. */
enum upgrade_role upgrade_begin(char *argv[]);

/* Starts the check. Returns the pid of the process that makes it, whose exit status 0 says yes; -ENOENT without a file; the errno of fork(2). */
pid_t upgrade_start_check(const struct program *program);

/* Executes the file in this process's place, which has no worker. Returns the negative errno of a failure; then all is as before. */
int upgrade_execute(const struct program *program);

/* UPGRADE_CHECK: returns the exit status; what is in the way is logged. */
int upgrade_check(struct program *program);

/* UPGRADE_TAKE_OVER: fills `program` from the arena. Returns 0, or a negative errno with the reason logged. */
int upgrade_adopt(struct program *program);

#endif
