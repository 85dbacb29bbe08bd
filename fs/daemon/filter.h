/* SPDX-License-Identifier: MIT */
/*
 * Filters of system calls (seccomp): a list of what a worker may call, and a list of what the supervisor may not.
 *
 * A worker's forbidden call is not carried out: its number is kept for the supervisor, and the worker ends by SIGSYS.
 * Calls by the numbers of another architecture end it at once. What was added to Linux after this was written is
 * answered with ENOSYS, so that a newer C library falls back on what it did before.
 *
 * The filters are made when the program is built: fs/filter/ has the lists. To install one needs neither memory nor a
 * library.
 */
#ifndef SEGFS_DAEMON_FILTER_H
#define SEGFS_DAEMON_FILTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether the kernel has filters. */
bool filter_is_supported(void);

/*
 * Puts the calling thread, and all that it makes from now on, under the worker's filter, for ever. Wants no_new_privs.
 * forbidden: gets the number of a forbidden call, before the process ends by SIGSYS; must stay where it is.
 * Returns 0 or the negative errno of sigaction(2), seccomp(2).
 */
int filter_install_worker(_Atomic int32_t *forbidden);

/*
 * Puts the calling thread, and all that it makes or executes from now on, under the supervisor's filter, for ever. Wants
 * no_new_privs.
 * installed: which filter the process is under by now, 0 = none; the same one is not installed again, which a later
 * version that takes over would do. Gets the one that was installed.
 * Returns 0 or the negative errno of seccomp(2).
 */
int filter_install_supervisor(uint32_t *installed);

/* The name of a system call by its number; "unknown" where it has none. */
const char *filter_call_name(int call);

#endif
