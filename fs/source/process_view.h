/* SPDX-License-Identifier: MIT */
/*
 * With whose eyes processes are looked at. The kernel decides: what is looked at in /proc is looked at with the requester's own ids and
 * groups and without capabilities, by a delegate of which nothing else is asked, so that ptrace_may_access(), hidepid, Yama and other
 * security modules answer what they would natively.
 *
 * All functions may be called by several threads at once, for a request of the calling thread. Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_PROCESS_VIEW_H
#define SEGFS_SOURCE_PROCESS_VIEW_H

#include "fs/source/task.h"
#include "fs/state/state.h"
#include "lib/base/delegate.h"

enum view_kind {
	VIEW_NOTHING, /* an ordinary user of another user or PID namespace than the daemon's */
	VIEW_USER,    /* what the kernel shows to a user without capabilities */
	VIEW_ALL,     /* what the daemon sees: for root, and for the daemon itself */
};

/* Not to be copied. */
struct view {
	enum view_kind kind;
	struct credentials user; /* VIEW_USER; its groups are the requester's, see requester.h */
};

/* The view of the calling thread's requester. Returns 0; -ENOMEM, -EMFILE, -ENFILE. */
int view_of_requester(const struct state *state, struct view *view);

/*
 * Calls a function with these eyes, see delegate_run(), with a deadline.
 * own_descriptors: of the delegate, which may be killed with any of them open. Returns what it returned; -ETIMEDOUT, -EAGAIN, -ENOMEM.
 */
int view_run(const struct view *view, bool own_descriptors, int (*call)(void *context), void *context);

/* Which of `n` processes are seen. seen: gets `n` answers. Returns 0; as view_run(). */
int view_filter(const struct view *view, const pid_t *processes, size_t n, bool *seen);

/* The same for one process. Returns 1 or 0; as view_run(). */
int view_sees(const struct view *view, const struct task *task);

#endif
