/* SPDX-License-Identifier: MIT */
/*
 * For fuzz_request: a worker without its loop, supervisor and mount. The operations are the real ones, on a
 * store in its own directory, which holds the same small tree at the start of each input.
 */
#ifndef SEGFS_TESTS_FUZZ_STAND_H
#define SEGFS_TESTS_FUZZ_STAND_H

#include "fs/fuse/request.h"

extern struct thread stand_thread; /* the only one */

/* Chosen by an input. */
enum stand_option {
	STAND_PASSTHROUGH = 1,   /* the kernel supports passthrough */
	STAND_MEDIATED = 2,      /* io_mode=mediated */
	STAND_NO_HANDLES = 4,    /* the store's medium has no file handles */
	STAND_NEGATIVE = 8,      /* negative_timeout */
	STAND_KERNEL_LOCKS = 16, /* without -o mand */
	STAND_ON_DISK = 32,      /* operations may block on a device */
	STAND_LATER = 64,        /* not the first worker */
	STAND_FEW_SLOTS = 128,   /* ... with low limits */
};

/* A node id in an input that stands for the node of the message's handle. */
#define STAND_NODE_OF_HANDLE 255

/* In the id of a message: an earlier worker has read it. */
#define STAND_REPLAY (UINT64_C(1) << 63)

/* stand_setup() is called once. */
void stand_setup(void);

struct fs *stand_begin(unsigned int options);

/* Ends the process if the state is inconsistent. */
void stand_check(const struct fs *fs);

/*
 * Like stand_check(), after everything is closed and forgotten: no descriptor or passthrough id may be left.
 */
void stand_end(struct fs *fs);

/* The number of requests that wait for a lock or for I/O. */
size_t stand_waiting(const struct fs *fs);

#endif
