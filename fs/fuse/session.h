/* SPDX-License-Identifier: MIT */
/*
 * What libfuse does: the mount, the mount's options, INIT, and notifications. One session per process.
 */
#ifndef SEGFS_FUSE_SESSION_H
#define SEGFS_FUSE_SESSION_H

#include "fs/fuse/fs.h"

/*
 * Makes the session that every worker begins with, before it is mounted.
 * privileged: the mount is for all users. options: of the mount, "" = none. debug: libfuse logs what it does.
 * Returns NULL with the reason logged.
 */
struct fuse_session *session_new(bool privileged, const char *options, bool debug);

/* Whether libfuse has logged an error by itself, as it does for most of what it fails with. */
bool session_has_logged_error(void);

/* Makes the session that of a worker: fs->session, fs->fuse_fd are set. Returns 0; -ENOMEM. */
int session_attach(struct fs *fs, struct fuse_session *session, int fuse_fd);

/*
 * Carries out an INIT: what the kernel and the daemon agree on, see init.c. message: `length` bytes.
 * Sets fs->initialized, unless libfuse lacks memory. Returns whether kernel and libfuse agree.
 */
bool session_init(struct fs *fs, const void *message, size_t length);

/*
 * Drops pages of a node from the cache of the mount, and its attributes; with an offset below 0 the
 * attributes only. Waits for requests on those pages, so it is not for the reader. Returns 0; -ENOENT where
 * the kernel does not know the node.
 */
int session_invalidate(const struct fs *fs, uint64_t node, off_t offset, off_t length);

#endif
