/* SPDX-License-Identifier: MIT */
/*
 * On whose behalf the calling thread executes a request.
 *
 * What others change at any time (posix/, sysv/, process/) can't be checked first and acted on afterwards: there the thread acts with the
 * requester's own credentials, so that the kernel's check and the deed are one. Own stores need none of this: nothing in them changes
 * but by requests, which the kernel has checked.
 *
 * All of it is the calling thread's. Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_REQUESTER_H
#define SEGFS_SOURCE_REQUESTER_H

#include "fs/state/state.h"
#include "lib/base/credentials.h"

/*
 * From here on the thread executes a request of this thread and user, as the request has them; see credentials_read(). Makes no system
 * call. Until then, and after requester_clear(), it acts for the daemon itself.
 */
void requester_set(pid_t thread, uid_t uid, gid_t gid);
void requester_clear(void);

/*
 * The requester's credentials, which are read once for a request; they are the thread's, until the next one. NULL in *out where the
 * thread acts for the daemon itself, or the mount is an ordinary user's, so that there are no other credentials to act with.
 * Returns 0; -ENOMEM, -EMFILE, -ENFILE.
 */
int requester_credentials(const struct state *state, const struct credentials **out);

/* Whether the requester is in the daemon's user and PID namespaces. Returns as credentials_shares_namespaces(). */
int requester_shares_namespaces(void);

/*
 * Acts with them until credentials_return(self). self: must be CREDENTIALS_SELF. Does nothing where there are none, as above, and where
 * the requester may do all that the daemon may. Returns 0; as credentials_assume().
 */
int requester_assume(const struct state *state, struct credentials_self *self);

/* The same, but nothing for an own store. store: index of the store_record. */
int requester_assume_in(const struct state *state, uint16_t store, struct credentials_self *self);

#endif
