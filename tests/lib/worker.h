/* SPDX-License-Identifier: MIT */
/*
 * The worker of a mount under test: stops it, kills it, waits for the next one.
 *
 * Its pid is read from MOUNT/.segfs/status, and used only while it is a child of the supervisor that the test
 * has started. Failures end the case.
 */
#ifndef SEGFS_TESTS_WORKER_H
#define SEGFS_TESTS_WORKER_H

#include "tests/mount/harness.h"

/* The pid of the worker, according to the mount. */
pid_t worker_pid(const struct mount *mount);

/*
 * Stops it with SIGSTOP and waits until all of its threads have stopped: no request is served from then on.
 * Returns its pid.
 */
pid_t worker_stop(const struct mount *mount);

/* Continues a stopped worker. */
void worker_continue(const struct mount *mount, pid_t worker);

/* Sends SIGKILL, without waiting. */
void worker_kill(const struct mount *mount, pid_t worker);

/* Waits until a worker other than `before` serves. Returns its pid. */
pid_t worker_wait_next(const struct mount *mount, pid_t before);

/* Kills it and waits for the next one. */
void worker_replace(const struct mount *mount);

/* Whether a line of the daemon's log contains this text. */
bool log_has(const struct mount *mount, const char *text);

/* The number of such lines. */
unsigned int log_count(const struct mount *mount, const char *text);

#endif
