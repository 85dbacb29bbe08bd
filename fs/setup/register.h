/* SPDX-License-Identifier: MIT */
/* Store records in the arena. */
#ifndef SEGFS_SETUP_REGISTER_H
#define SEGFS_SETUP_REGISTER_H

#include "fs/source/source.h"

/*
 * Adds a store record that is not attached yet. path: below the mount. root_fd: its root; ipc_fd: an IPC
 * namespace, or -1; both are moved to the record on success only.
 * Returns its index; -ENFILE if there are too many; -EOPNOTSUPP for a disk on a mount that synchronizes
 * nothing; the negative errno of statx(2), fstatfs(2).
 */
int apply_register_hidden(struct state *state, const char *path, enum source_kind source, int root_fd,
			  int ipc_fd);

/* Marks the record as attached. */
void apply_publish(struct state *state, int index);

/* apply_register_hidden() and apply_publish(), for a store that is attached already. */
int apply_register(struct state *state, const char *path, enum source_kind source, int root_fd, int ipc_fd);

/*
 * Finds the record of a source on the mount of `fd`. Returns its index; -ENOENT; the negative errno of
 * statx(2).
 */
int apply_registered(const struct state *state, enum source_kind source, int fd);

/* Removes a record without nodes, and closes its descriptors. */
void apply_unregister(struct state *state, int index);

/* Completes or undoes the registrations that a dead worker has not published. */
void apply_settle(struct state *state);

/*
 * Like apply_register(), for a source that is no directory of a file system. root_fd: what it reads from, or
 * -1; moved on success.
 * Returns its index; -ENFILE.
 */
int apply_register_virtual(struct state *state, const char *path, enum source_kind source, int root_fd);

#endif
