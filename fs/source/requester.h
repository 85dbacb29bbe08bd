/* SPDX-License-Identifier: MIT */
/*
 * The user on whose behalf the calling thread executes a request.
 *
 * Where others can change files at any time (posix/, sysv/, process/), a check and a later action would race.
 * There the thread acts with the requester's credentials, so that the kernel checks and acts at once. Stores
 * of segfs do not need this: they change by requests only, which the kernel has checked.
 *
 * All state is per thread. Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_REQUESTER_H
#define SEGFS_SOURCE_REQUESTER_H

#include "fs/state/state.h"
#include "lib/base/credentials.h"

/*
 * Sets the requester of the calling thread: thread and ids as in the request, see credentials_read(). Makes
 * no system call. Without a requester, initially and after requester_clear(), the thread acts for the daemon
 * itself.
 */
void requester_set(pid_t thread, uid_t uid, gid_t gid);
void requester_clear(void);

/*
 * Gets the requester's credentials, which are read once per request and owned by the thread. *out is NULL if
 * the thread acts for the daemon itself, or if the daemon is unprivileged and so cannot assume other
 * credentials.
 * Returns 0; -ENOMEM, -EMFILE, -ENFILE.
 */
int requester_credentials(const struct state *state, const struct credentials **out);

/*
 * Whether the requester is in the daemon's user and PID namespaces. Returns as
 * credentials_shares_namespaces().
 */
int requester_shares_namespaces(void);

/*
 * Assumes the requester's credentials until credentials_restore(self). self: must be CREDENTIALS_SELF. Does
 * nothing if requester_credentials() has none, or if the requester may do all that the daemon may. Returns 0;
 * otherwise as credentials_assume().
 */
int requester_assume(const struct state *state, struct credentials_self *self);

/* Like requester_assume(), but does nothing in stores of segfs. store: index of the store_record. */
int requester_assume_in(const struct state *state, uint16_t store, struct credentials_self *self);

#endif
