/* SPDX-License-Identifier: MIT */
/*
 * Passthrough: handing backing files to the kernel, which then reads, writes and maps them itself (fact K3).
 */
#ifndef SEGFS_FUSE_PASSTHROUGH_H
#define SEGFS_FUSE_PASSTHROUGH_H

#include "fs/fuse/fs.h"

/*
 * Registers an open regular file with the connection; the descriptor may be closed afterwards.
 * Returns its id, above 0; -ELOOP, -EINVAL, -EPERM if the kernel does not accept this kind of file; -ENOMEM.
 */
int passthrough_open(const struct fs *fs, int fd);

/*
 * Ends an id that handle_remove() gave; 0 does nothing. The kernel keeps the file for opens that still use
 * it.
 */
void passthrough_close(struct fs *fs, int id);

/*
 * Ends the ids of nodes that are not open, those closed longest ago first, until `limit` nodes keep theirs.
 * Returns how many it has ended.
 */
uint32_t passthrough_trim(struct state *state, uint32_t limit);

/* Closes the ids that a dead worker had taken, or was about to close, and that no node names. */
void passthrough_recover(struct fs *fs);

/* passthrough_close() for code without a struct fs: fs/setup. */
void passthrough_close_in(struct state *state, int id);

#endif
