/* SPDX-License-Identifier: MIT */
/*
 * What all requests of one worker share.
 *
 * Written before the worker's threads start, but for what says otherwise.
 */
#ifndef SEGFS_FUSE_FS_H
#define SEGFS_FUSE_FS_H

#include "fs/state/handle.h"
#include "fs/state/state.h"

#include <fuse_lowlevel.h>

/* What the mount options say about how the kernel is to be answered. */
struct fs_options {
	double entry_timeout;    /* seconds for which the kernel may trust a name */
	double attr_timeout;     /* seconds for which it may trust attributes */
	double negative_timeout; /* seconds for which it may trust that a name does not exist */
	enum io_mode io_mode;    /* of every open, where it can be had */
	bool allow_root;         /* the mount is for its owner and root only */
	bool devices;            /* they may be made; the kernel has checked that the caller has CAP_MKNOD */
	bool local_posix;        /* locks of fcntl(2) are the kernel's */
	bool local_flock;        /* those of flock(2) are */
	bool debug;              /* each request is logged */
	unsigned int max_read;   /* bytes of a READ, as the mount options say; 0 = they do not */
};

struct directory_stream;
struct operations;

struct fs {
	struct state state;
	const struct operations *operations;
	struct fuse_session *session; /* libfuse's: INIT and notifications */
	int fuse_fd;             /* the connection */
	struct fs_options options;
	bool privileged;         /* may mount, open by file handle and hand backing files to the kernel */
	bool passthrough;        /* the kernel takes backing files; set by op_init() */
	bool short_setxattr;     /* the kernel sends no setxattr_flags (before Linux 5.14); set by op_init() */
	bool allow_idmap;        /* mounts of the file system may be idmapped, see identity.h; set by op_init() */
	bool initialized;        /* op_init() has been called; the reader's */
	_Atomic bool cannot_prune; /* the kernel does not know how; see prune.h */
	uint64_t pruned_at;      /* number of the request after which it was asked last; the reader's */
	atomic_bool leaving;     /* the worker is to end; set by any thread */
	struct directory_stream **streams; /* per handle slot: what was read ahead, or NULL; its handle's user only */
};

#endif
