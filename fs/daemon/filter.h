/* SPDX-License-Identifier: MIT */
/*
 * System-call filters (seccomp): an allow list for workers, a deny list for the supervisor.
 *
 * A forbidden call of a worker is not executed: its number is reported to the supervisor, and the worker dies
 * by SIGSYS. A call by another architecture's number kills it at once. System calls newer than the lists fail
 * with ENOSYS, so that a newer C library falls back.
 *
 * The filters are generated when the program is built, from the lists in fs/filter/. Installing one needs
 * neither memory nor a library.
 */
#ifndef SEGFS_DAEMON_FILTER_H
#define SEGFS_DAEMON_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether the kernel supports filters. */
bool filter_is_supported(void);

/*
 * Installs the worker's filter for the calling thread and everything it creates, for good. Requires
 * no_new_privs.
 * forbidden: receives the number of a forbidden call before the process dies by SIGSYS; must stay valid.
 * Returns 0 or the negative errno of sigaction(2), seccomp(2).
 */
int filter_install_worker(_Atomic int32_t *forbidden);

/*
 * Installs the supervisor's filter for the calling thread and everything it creates or executes, for good.
 * Requires no_new_privs.
 * installed: the filter in force, 0 = none, which avoids that a version that takes over installs the same one
 * again; receives the one installed.
 * Returns 0 or the negative errno of seccomp(2).
 */
int filter_install_supervisor(uint32_t *installed);

/* The name of a system call; "unknown" if it has none. */
const char *filter_call_name(int call);

#endif
