/* SPDX-License-Identifier: MIT */
/*
 * Least privilege for the supervisor and its workers: capabilities, no_new_privs, system-call filters, core
 * dumps.
 *
 * A privileged supervisor keeps the capabilities that its workers need and drops all others for good. A
 * worker has its capabilities and cannot gain more. For an unprivileged mount neither has any; the supervisor
 * then has no filter and no no_new_privs, since it unmounts with fusermount3, which is set-user-id.
 *
 * For the process's first thread, before it creates others. fs/daemon/privileges.c lists the capabilities
 * with reasons, fs/filter/calls.c the system calls.
 */
#ifndef SEGFS_DAEMON_PRIVILEGES_H
#define SEGFS_DAEMON_PRIVILEGES_H

#include "fs/daemon/program.h"

/*
 * For the supervisor, before its first worker: drops what is not needed any more.
 * Returns 0, or a negative errno with the reason logged.
 */
int privileges_limit_supervisor(const struct program *program);

/*
 * For a worker, before anything else. Uses no memory and no descriptors.
 * Returns 0, or a negative errno with the reason logged, upon which the process must exit.
 */
int privileges_limit_worker(const struct program *program);

/*
 * For the supervisor: the first clears the forbidden call before a worker starts, the second logs it after a
 * worker died by SIGSYS.
 */
void privileges_expect_no_call(const struct program *program);
void privileges_log_call(const struct program *program, pid_t worker);

#endif
