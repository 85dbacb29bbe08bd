/* SPDX-License-Identifier: MIT */
/*
 * From a node to its backing file and back: opening by file handle or by kept descriptor, and finding the key of a
 * file that a name or descriptor leads to.
 */
#ifndef SEGFS_SOURCE_BACKING_H
#define SEGFS_SOURCE_BACKING_H

#include "fs/source/source.h"

/*
 * Opens a node's backing file, any flags of open(2) but O_CREAT; O_PATH reaches every type of file.
 * Returns a descriptor that the caller closes; ESTALE where the file is gone, or was reached by a kept descriptor only that another
 * thread has taken away; the errno of open_by_handle_at(2).
 */
int backing_open(const struct state *state, const struct node_slot *node, int flags);

/*
 * Fills `file` for `name` in the directory `dir_fd`, or for `dir_fd` itself where name is "".
 * near: the store in which the file is unless something else is mounted there.
 * Does not follow links. file->fd is left open where the node will need a descriptor of its own.
 * Returns 0; ENOENT, ENOTDIR, ENAMETOOLONG, EACCES, ENOMEM of open(2); EXDEV where the file is on a file system
 * that is mounted there and is no store of this mount.
 */
int backing_identify(const struct state *state, uint16_t near, int dir_fd, const char *name, struct source_file *file);

#endif
