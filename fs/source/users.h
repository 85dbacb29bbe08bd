/* SPDX-License-Identifier: MIT */
/*
 * Who uses the file of a node: processes that map it or have it open, themselves or through the mount, and whether anybody does
 * who can't be seen.
 *
 * All of it takes some time where processes do not answer, and none of it is for the thread that reads requests. Knows nothing of FUSE.
 */
#ifndef SEGFS_SOURCE_USERS_H
#define SEGFS_SOURCE_USERS_H

#include "fs/source/source.h"
#include "lib/base/procfs_users.h"

/*
 * Finds the processes that use a node's file, segfs itself left out. For a source whose nodes are files of a file system.
 * users: gets a malloc'd array that the caller frees. Returns how many; -ESTALE where the file is gone; as procfs_find_users().
 */
ssize_t users_find(struct state *state, const struct node_slot *node, struct procfs_user **users);

/* The same for any node. file: its memory, as the processes see it that don't come through the mount. */
ssize_t users_find_of(const struct state *state, const struct node_slot *node, const struct procfs_file *file,
		      struct procfs_user **users);

/*
 * Leaves those among `n` users that the requester may look into, see process_view.h. Returns how many; -ENOMEM, -EMFILE, -ENFILE,
 * -ETIMEDOUT.
 */
ssize_t users_leave_seen(const struct state *state, struct procfs_user *users, size_t n);

/* For values of attributes: how many of the users map the file, which they are, separated by spaces. As source_fact's value(). */
ssize_t users_print_count(const struct procfs_user *users, size_t n, char *value, size_t size);
ssize_t users_print_pids(const struct procfs_user *users, size_t n, char *value, size_t size);

/*
 * Whether nobody uses a file, by what the kernel counts: "yes"; "no" where a process was found that does; "unknown" where
 * somebody has it open who is not among the processes that can be seen, like a message that nobody has received.
 * As source_fact's value().
 */
ssize_t users_print_orphan(struct state *state, const struct node_slot *node, char *value, size_t size);

/* Copies a text to a value. As source_fact's value(). */
ssize_t fact_text(const char *text, char *value, size_t size);
ssize_t fact_time(long long seconds, char *value, size_t size); /* ISO 8601, UTC */
ssize_t fact_number(long long number, char *value, size_t size);

#endif
