/* SPDX-License-Identifier: MIT */
/*
 * Least privilege: capabilities, no_new_privs, system-call filters and core dumps of the supervisor and its workers.
 *
 * Privileged, the supervisor keeps what workers need, so that each can be given it, and what no version of the program
 * needs is out of reach for ever. A worker has its capabilities and no way to others. Of an ordinary user's mount
 * neither has any; there the supervisor stays without filter and no_new_privs, since it unmounts by fusermount3, which
 * is set-user-id.
 *
 * For the process's first thread, before it makes others. fs/daemon/privileges.c has the capabilities with their reasons,
 * fs/filter/calls.c the system calls.
 */
#ifndef SEGFS_DAEMON_PRIVILEGES_H
#define SEGFS_DAEMON_PRIVILEGES_H

#include "fs/daemon/program.h"

/*
 * For the supervisor, before its first worker: gives up what is not needed from here on.
 * Returns 0, or a negative errno with the reason logged.
 */
int privileges_limit_supervisor(const struct program *program);

/*
 * For a worker, first of all. Takes no memory and no descriptor.
 * Returns 0, or a negative errno with the reason logged; then the process must end.
 */
int privileges_limit_worker(const struct program *program);

/*
 * For the supervisor, before each worker, and when one was ended by SIGSYS: forgets, and logs, which call was forbidden.
 */
void privileges_expect_no_call(const struct program *program);
void privileges_log_call(const struct program *program, pid_t worker);

#endif
