/* SPDX-License-Identifier: MIT */
/*
 * For fuzz_request: a worker without its loop, supervisor and mount. The operations are the real ones, over a store in a directory
 * of its own, which is the same small tree at the beginning of each input.
 */
#ifndef SEGFS_TESTS_FUZZ_STAND_H
#define SEGFS_TESTS_FUZZ_STAND_H

#include "fs/fuse/fs.h"

/* What an input chooses. */
enum stand_option {
	STAND_PASSTHROUGH = 1,  /* the kernel takes backing files */
	STAND_MEDIATED = 2,     /* io_mode=mediated */
	STAND_NO_HANDLES = 4,   /* the store's medium has no file handles */
	STAND_NEGATIVE = 8,     /* negative_timeout */
	STAND_LOCAL_POSIX = 16, /* local_lock=posix */
	STAND_ON_DISK = 32,     /* operations may wait for a device */
	STAND_LATER = 64,       /* it is not the first worker */
	STAND_FEW_SLOTS = 128,  /* ... and narrow bounds */
};

/* A node id in an input that stands for the node of the handle that the message names. */
#define STAND_NODE_OF_HANDLE 255

/* Once. */
void stand_setup(void);

struct fs *stand_begin(unsigned int options);

/* Ends the process unless all that there is fits together. */
void stand_check(const struct fs *fs);

/* The same once nothing is open and all is forgotten: nothing must be left, neither descriptors nor passthrough ids. */
void stand_end(struct fs *fs);

/* Requests that wait for a lock, or for who has one. */
size_t stand_waiting(const struct fs *fs);

#endif
