/* SPDX-License-Identifier: MIT */
/*
 * The worker of a mount under test: stopping it, killing it, seeing the next one.
 *
 * Its pid is the one that MOUNT/.segfs/status tells, and is only used while it is a child of the supervisor that the
 * test has started. Failures end the case.
 */
#ifndef SEGFS_TESTS_WORKER_H
#define SEGFS_TESTS_WORKER_H

#include "tests/mount/harness.h"

/* The pid of the worker, as the mount tells it. */
pid_t worker_pid(const struct mount *mount);

/* Stops it with SIGSTOP and waits until none of its threads runs: no request is answered from here on. Returns its pid. */
pid_t worker_stop(const struct mount *mount);

/* Lets a stopped worker go on. */
void worker_continue(const struct mount *mount, pid_t worker);

/* Ends it by SIGKILL, stopped or not, and does not wait for anything. */
void worker_kill(const struct mount *mount, pid_t worker);

/* Waits until another worker than `before` answers. Returns its pid. */
pid_t worker_wait_next(const struct mount *mount, pid_t before);

/* Kills it and waits for the next one. */
void worker_replace(const struct mount *mount);

/* Whether the daemon's log has a line with this text. */
bool log_has(const struct mount *mount, const char *text);

/* How often it says so. */
unsigned int log_count(const struct mount *mount, const char *text);

#endif
