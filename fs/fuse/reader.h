/* SPDX-License-Identifier: MIT */
/*
 * The role of the reader: the one thread that takes requests from the kernel. It waits for nobody but the kernel: what may wait for
 * another process, a device, or another user's file system is done by a thread that has handed the role over.
 *
 * For the threads of the loop. The role is a lock, taken before any other.
 */
#ifndef SEGFS_FUSE_READER_H
#define SEGFS_FUSE_READER_H

#include <stdbool.h>

/* Whether the calling thread has the role. Exported, so that a preloaded library can tell what the reader does. */
bool reader_is_self(void);

/* Waits until the calling thread has it. */
void reader_become(void);

/* Gives it up; somebody who waits for it gets it. */
void reader_resign(void);

/*
 * Says how a thread is started that becomes the reader: `start` gets `context`, and returns 0 or a negative errno. Called before there is
 * a reader.
 */
void reader_setup(int (*start)(void *context), void *context);

/*
 * For an operation that turns out to take long: another thread reads from here on, one that waits for the role or a new one. The calling
 * thread becomes the reader again when it is done. Does nothing for a thread that is not the reader.
 */
void reader_hand_over(void);

/* Whether the calling thread stays the reader whatever it calls: reader_hand_over() does nothing meanwhile. */
void reader_stay(bool stays);

/*
 * As reader_become(), but the present reader, which may wait for the next request, gives way as soon as it is between two. Does nothing for
 * the reader.
 */
void reader_take_back(void);

/* For the reader between two requests: lets those have the role that take it back, and returns with it. */
void reader_give_way(void);

/* For the reader: that it waits for the kernel from here on, or does not any more. */
void reader_waits(bool waits);

/* Has the reader return from its wait for the kernel, if it is in it by now. By any thread. */
void reader_wake(void);

/* The calling thread ends. */
void reader_thread_done(void);

#endif
