/* SPDX-License-Identifier: MIT */
/*
 * What all requests of one worker share.
 *
 * Written before the worker starts its threads, unless a field says otherwise.
 */
#ifndef SEGFS_FUSE_FS_H
#define SEGFS_FUSE_FS_H

#include "fs/state/handle.h"
#include "fs/state/state.h"

#include <fuse_lowlevel.h>

/* Mount options that requests depend on. */
struct fs_options {
	double entry_timeout;    /* seconds for which the kernel may cache a name */
	double attr_timeout;     /* seconds for which it may cache attributes */
	double negative_timeout; /* ... that a name does not exist; below 0: decided by init_agree() */
	enum io_mode io_mode;    /* of every open, if the kernel and the file permit it */
	bool allow_root;         /* the mount is for its owner and root only */
	bool devices;            /* device nodes may be made; the kernel has checked CAP_MKNOD */
	bool debug;              /* each request is logged */
	unsigned int max_read;   /* limit of READ in bytes, from the mount options; 0 = none */
};

struct directory_stream;
struct operations;

struct fs {
	struct state state;
	const struct operations *operations;
	struct fuse_session *session; /* libfuse's: INIT and notifications */
	int fuse_fd;                  /* the connection */
	struct fs_options options;
	bool privileged;     /* may mount, open by file handle and register backing files */
	bool passthrough;    /* the kernel takes backing files; set by init_agree() */
	bool short_setxattr; /* the kernel sends no setxattr_flags (before Linux 5.14); set by init_agree() */
	bool allow_idmap; /* mounts of the file system may be idmapped, see identity.h; set by init_agree() */
	bool initialized; /* init_agree() has been called; used by the reader only */
	_Atomic bool cannot_prune; /* the kernel lacks the notification; see prune.h */
	uint64_t pruned_at;        /* value of `requests` at the last prune; the reader's */
	atomic_bool leaving;       /* the worker is ending; set by any thread */
	/* per handle slot: entries read ahead, or NULL; one request of a directory handle at a time */
	struct directory_stream **streams;
};

/*
 * Whether segfs keeps the locks of all users, and can make them mandatory. Otherwise the kernel keeps them,
 * and sends neither lock requests nor FLUSH.
 */
static inline bool fs_keeps_locks(const struct fs *fs)
{
	return fs->state.arena->header->keeps_locks;
}

#endif
