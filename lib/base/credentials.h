/* SPDX-License-Identifier: MIT */
/*
 * The credentials of another thread, and a thread that acts with them: so that the kernel decides what that thread may do, as it
 * would natively. See credentials(7), capabilities(7).
 *
 * What is assumed is effective and file-system ids, supplementary groups, and effective capabilities. Real and saved ids and permitted
 * capabilities stay, so nobody gets a hold on the thread meanwhile, and it can return. Functions may be called by several threads at
 * once; each changes the calling thread only.
 */
#ifndef SEGFS_BASE_CREDENTIALS_H
#define SEGFS_BASE_CREDENTIALS_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CREDENTIALS_INLINE_GROUPS 32 /* supplementary groups that need no memory of their own */

/* Not to be copied: `groups` may lead into it. */
struct credentials {
	uid_t uid; /* file-system ids */
	gid_t gid;
	uint64_t capabilities; /* effective ones, a bit each; 0 for a thread in another user namespace than the caller's */
	size_t n_groups;
	gid_t *groups; /* `small`, or its own memory */
	gid_t small[CREDENTIALS_INLINE_GROUPS];
};

/*
 * Reads what a thread may do. The caller needs CAP_SYS_PTRACE for other users' threads. Waits for nobody.
 * thread: in the caller's PID namespace; 0 or one that is gone: no groups, no capabilities.
 * uid, gid: file-system ids, as the request of that thread has them; (uid_t)-1 where the request does not tell: those of the thread, and
 * the overflow ids where there is none.
 * out: the caller releases it by credentials_free(). Returns 0; -ENOMEM; -EMFILE, -ENFILE.
 */
int credentials_read(pid_t thread, uid_t uid, gid_t gid, struct credentials *out);

void credentials_free(struct credentials *credentials);

/*
 * Whether a thread is in the caller's user and PID namespaces. It must wait for the caller, or may be waited for, being in execve(2).
 * Returns 1; 0, also for a thread that is gone; -ENOMEM, or another errno of a lack of our own.
 */
int credentials_shares_namespaces(pid_t thread);

/* Whether they have a capability effective: CAP_*. */
static inline bool credentials_can(const struct credentials *credentials, unsigned int capability)
{
	return credentials->capabilities >> capability & 1;
}

#define CREDENTIALS_NONE ((struct credentials){.uid = (uid_t)-1, .gid = (gid_t)-1})
#define _cleanup_credentials_ __attribute__((cleanup(credentials_free)))

/*
 * The calling thread acts with these credentials from here on. Needs CAP_SETUID and CAP_SETGID, and SECBIT_NO_SETUID_FIXUP, without which
 * the permitted capabilities would go as well. Capabilities that the thread is not permitted are left out.
 * For a process that ends after it. Makes only system calls. Returns 0; the negative errno of setgroups(2), setresuid(2), capset(2), with
 * the credentials undefined.
 */
int credentials_take(const struct credentials *credentials);

/* What a thread returns to. */
struct credentials_self {
	bool changed;
	uid_t uid, fsuid;
	gid_t gid, fsgid;
	struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];
};

#define CREDENTIALS_SELF ((struct credentials_self){.changed = false})

/*
 * The same until credentials_return(). self: must be CREDENTIALS_SELF. Returns 0; a negative errno, with the thread as it was.
 */
int credentials_assume(const struct credentials *credentials, struct credentials_self *self);

/*
 * Returns to what the thread was, which had no supplementary groups; does nothing where nothing was assumed. A thread that can't return must not go on: after many tries
 * the process ends by a trap. errno is kept.
 */
void credentials_return(struct credentials_self *self);

#define _cleanup_credentials_self_ __attribute__((cleanup(credentials_return)))

#endif
