/* SPDX-License-Identifier: MIT */
/*
 * Reads the credentials of another thread and lets the calling thread act with them, so that the kernel
 * checks permissions as it does for a native call. See credentials(7), capabilities(7).
 *
 * A thread assumes the effective and file-system ids, the supplementary groups and the effective
 * capabilities. It keeps its real and saved ids and its permitted capabilities: the impersonated user gets no
 * access to the thread (signals, ptrace), and the thread can return. Functions are thread-safe; each changes
 * the calling thread only.
 */
#ifndef SEGFS_BASE_CREDENTIALS_H
#define SEGFS_BASE_CREDENTIALS_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CREDENTIALS_INLINE_GROUPS 32 /* supplementary groups stored without an allocation */

/* Must not be copied: `groups` may point into it. */
struct credentials {
	uid_t uid; /* file-system ids, as all ids here */
	gid_t gid;
	/* effective ones, a bit each; 0 if the thread is in another user namespace than the caller */
	uint64_t capabilities;
	size_t n_groups;
	gid_t *groups; /* `small`, or malloc'd */
	gid_t small[CREDENTIALS_INLINE_GROUPS];
};

/*
 * Reads the credentials of a thread. The caller needs CAP_SYS_PTRACE for threads of other users. Never
 * blocks.
 * thread: in the caller's PID namespace; if it is 0 or has ended, there are no groups and no capabilities.
 * uid, gid: the file-system ids carried by the thread's request. If the request has none, (uid_t)-1: they are
 * then read from the thread, or are the overflow ids if it has ended.
 * out: to be released with credentials_free(). Returns 0; -ENOMEM; -EMFILE, -ENFILE.
 */
int credentials_read(pid_t thread, uid_t uid, gid_t gid, struct credentials *out);

void credentials_free(struct credentials *credentials);

/*
 * Whether a thread is in the caller's user and PID namespaces. The thread should be blocked on the caller;
 * the call may block while another thread is in execve(2).
 * Returns 1; 0, also if the thread has ended; -ENOMEM or another errno of a resource shortage.
 */
int credentials_shares_namespaces(pid_t thread);

/* Whether a capability (CAP_*) is effective. */
static inline bool credentials_can(const struct credentials *credentials, unsigned int capability)
{
	return credentials->capabilities >> capability & 1;
}

#define CREDENTIALS_NONE      ((struct credentials){.uid = (uid_t)-1, .gid = (gid_t)-1})
#define _cleanup_credentials_ __attribute__((cleanup(credentials_free)))

/*
 * Gives the calling thread these credentials for good; meant for a process that exits afterwards. Makes
 * system calls only. Needs CAP_SETUID, CAP_SETGID and SECBIT_NO_SETUID_FIXUP; without the latter the
 * permitted capabilities are dropped too. Capabilities that are not permitted to the thread are left out.
 * Returns 0; the negative errno of setgroups(2), setresuid(2) or capset(2), with the credentials undefined.
 */
int credentials_set(const struct credentials *credentials);

/* The thread's own credentials, to be restored. */
struct credentials_self {
	bool changed;
	uid_t uid, fsuid;
	gid_t gid, fsgid;
	struct __user_cap_data_struct capabilities[_LINUX_CAPABILITY_U32S_3];
};

#define CREDENTIALS_SELF ((struct credentials_self){.changed = false})

/*
 * Like credentials_set(), until credentials_restore(). self: must be CREDENTIALS_SELF. Returns 0; a negative
 * errno, with the thread unchanged.
 */
int credentials_assume(const struct credentials *credentials, struct credentials_self *self);

/*
 * Restores the thread's own credentials, without supplementary groups; does nothing if none were assumed. A
 * thread that cannot be restored must not continue: after RETURN_TRIES attempts the process traps. Preserves
 * errno.
 */
void credentials_restore(struct credentials_self *self);

#define _cleanup_credentials_self_ __attribute__((cleanup(credentials_restore)))

#endif
