/* SPDX-License-Identifier: MIT */
/*
 * Access to processes as a requester sees them. The kernel decides: a delegate reads /proc with the
 * requester's ids and groups and without capabilities, so that ptrace_may_access(), hidepid, Yama and other
 * security modules answer as for a native access.
 *
 * Functions are thread-safe; the requester is that of the calling thread's request. Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_PROCESS_VIEW_H
#define SEGFS_SOURCE_PROCESS_VIEW_H

#include "fs/source/task.h"
#include "fs/state/state.h"
#include "lib/base/delegate.h"

enum view_kind {
	VIEW_NOTHING, /* sees nothing: an ordinary user in another user or PID namespace than the daemon */
	VIEW_USER,    /* sees what the kernel shows a user without capabilities */
	VIEW_ALL,     /* sees what the daemon sees: root, and the daemon itself */
};

/* Must not be copied. */
struct view {
	enum view_kind kind;
	struct credentials user; /* for VIEW_USER; its groups are owned by the requester, see requester.h */
};

/* Gets the view of the calling thread's requester. Returns 0; -ENOMEM, -EMFILE, -ENFILE. */
int view_of_requester(const struct state *state, struct view *view);

/*
 * Runs a function with the view's credentials and a deadline, see delegate_run().
 * own_descriptors: as in struct delegate. Returns the function's result; -ETIMEDOUT, -EAGAIN, -ENOMEM.
 */
int view_run(const struct view *view, bool own_descriptors, int (*call)(void *context), void *context);

/*
 * Determines which of `n` processes the view sees. seen: receives `n` results. Returns 0; otherwise as
 * view_run().
 */
int view_filter(const struct view *view, const pid_t *processes, size_t n, bool *seen);

/* Like view_filter() for one process. Returns 1 or 0; otherwise as view_run(). */
int view_sees(const struct view *view, const struct task *task);

#endif
