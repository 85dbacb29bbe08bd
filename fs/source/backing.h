/* SPDX-License-Identifier: MIT */
/*
 * Maps nodes to backing files and back: opens a node's file by file handle or by the node's descriptor, and
 * finds the node key of a file.
 */
#ifndef SEGFS_SOURCE_BACKING_H
#define SEGFS_SOURCE_BACKING_H

#include "fs/source/source.h"

/*
 * Opens a node's backing file. flags: of open(2), without O_CREAT; O_PATH works for every file type.
 * Returns a descriptor that the caller closes; -ESTALE if the file is gone, or if the node has no file handle
 * and another thread has removed its descriptor; the negative errno of open_by_handle_at(2).
 */
int backing_open(const struct state *state, const struct node_slot *node, int flags);

/*
 * Fills `file` for `name` in the directory `dir_fd`, or for `dir_fd` itself if name is "". Does not follow
 * links.
 * near: the store of the directory; the file is in it unless something is mounted there.
 * file->fd is an open descriptor if the node needs one of its own, else -1.
 * Returns 0; -ENOENT, -ENOTDIR, -ENAMETOOLONG, -EACCES, -ENOMEM of open(2); -EXDEV if another file system,
 * which is not a store of this mount, is mounted there.
 */
int backing_identify(const struct state *state, uint16_t near, int dir_fd, const char *name,
		     struct source_file *file);

/*
 * Fills `file` for the root directory of the default store. Returns 0 or a negative errno; the caller owns
 * file->fd.
 */
int backing_identify_root(struct state *state, struct source_file *file);

#endif
