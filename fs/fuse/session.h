/* SPDX-License-Identifier: MIT */
/* The parts that libfuse does: mount, mount options, INIT, and notifications. One session per process. */
#ifndef SEGFS_FUSE_SESSION_H
#define SEGFS_FUSE_SESSION_H

#include "fs/fuse/fs.h"

/*
 * Creates the session with which every worker begins, before the mount. privileged: the mount is for all
 * users. options: mount options, "" = none. debug: libfuse logs its actions. Returns NULL with the reason
 * logged.
 */
struct fuse_session *session_new(bool privileged, const char *options, bool debug);

/* Whether libfuse has logged an error, as it does for most failures. */
bool session_has_logged_error(void);

/* Attaches the session to a worker: sets fs->session and fs->fuse_fd. Returns 0; -ENOMEM. */
int session_attach(struct fs *fs, struct fuse_session *session, int fuse_fd);

/*
 * Processes an INIT, see init.c. message: `length` bytes. Sets fs->initialized, unless libfuse lacks memory.
 * Returns whether kernel and libfuse agree.
 */
bool session_init(struct fs *fs, const void *message, size_t length);

/*
 * Has the kernel ask anew for a name, and whether it exists. Waits for requests that change the directory, so
 * it is not for the reader. Needs Linux 6.2, without which the kernel caches no missing names, see init.c.
 */
void session_expire(const struct fs *fs, uint64_t dir, const char *name);

/*
 * Drops cached pages of a node, and its attributes; with an offset below 0 the attributes only. Waits for
 * requests on those pages, so it is not for the reader. Returns 0; -ENOENT if the kernel does not know the
 * node.
 */
int session_invalidate(const struct fs *fs, uint64_t node, off_t offset, off_t length);

#endif
