/* SPDX-License-Identifier: MIT */
/*
 * Users of a node's file: processes that map it or have it open, natively or through the mount, and whether
 * it has users that cannot be seen.
 *
 * Functions may take long if processes do not answer; the reader thread must not call them. Knows nothing of
 * FUSE.
 */
#ifndef SEGFS_SOURCE_USERS_H
#define SEGFS_SOURCE_USERS_H

#include "fs/source/source.h"
#include "lib/base/procfs_users.h"

/*
 * Finds the processes that use a node's file, except segfs itself. For sources whose nodes are files of a
 * file system.
 * users: receives a malloc'd array that the caller frees. Returns the number; -ESTALE if the file is gone;
 * otherwise as procfs_find_users().
 */
ssize_t users_find(struct state *state, const struct node_slot *node, struct procfs_user **users);

/* Like users_find() for any node. file: identity of its memory for processes that do not use the mount. */
ssize_t users_find_of(const struct state *state, const struct node_slot *node, const struct procfs_file *file,
		      struct procfs_user **users);

/*
 * Keeps those of `n` users that the requester may inspect, see process_view.h. Returns their number; -ENOMEM,
 * -EMFILE, -ENFILE, -ETIMEDOUT.
 */
ssize_t users_filter_visible(const struct state *state, struct procfs_user *users, size_t n);

/*
 * Format as attribute values the number of users that map the file, and their pids separated by blanks. As
 * source_fact's value().
 */
ssize_t users_print_count(const struct procfs_user *users, size_t n, char *value, size_t size);
ssize_t users_print_pids(const struct procfs_user *users, size_t n, char *value, size_t size);

/*
 * Formats whether a file has no user, by the kernel's own count: "yes"; "no" if a process uses it; "unknown"
 * if it is open but no visible process has it, for example in a message that nobody has received yet. As
 * source_fact's value().
 */
ssize_t users_print_orphan(struct state *state, const struct node_slot *node, char *value, size_t size);

/* Format an attribute value. As source_fact's value(). */
ssize_t fact_text(const char *text, char *value, size_t size);
ssize_t fact_time(long long seconds, char *value, size_t size); /* ISO 8601, UTC */
ssize_t fact_number(long long number, char *value, size_t size);

#endif
