/* SPDX-License-Identifier: MIT */
/*
 * The role of the reader thread, which reads requests from the kernel. It waits for the kernel only: a thread
 * hands the role over before it waits for another process, a device, or another user's file system.
 *
 * For the threads of the loop. The role is a lock, taken before any other.
 */
#ifndef SEGFS_FUSE_READER_H
#define SEGFS_FUSE_READER_H

#include <stdbool.h>

/*
 * Whether the calling thread is the reader. Exported, so that a preloaded library can tell what the reader
 * does.
 */
bool reader_is_self(void);

/* Waits until the calling thread has the role. */
void reader_become(void);

/* Gives it up; a thread that waits for it gets it. */
void reader_resign(void);

/*
 * Sets the function that starts a thread which becomes the reader: it gets `context`, and returns 0 or a
 * negative errno. Called first.
 */
void reader_setup(int (*start)(void *context), void *context);

/*
 * For an operation that may take long: another thread, waiting or new, becomes the reader. The calling thread
 * becomes the reader again when its request is done. Does nothing if the caller is not the reader.
 */
void reader_hand_over(void);

/* While `stays` is set, reader_hand_over() does nothing. For the reader. */
void reader_stay(bool stays);

/*
 * Like reader_become(), but the present reader gives way as soon as it is between two requests, even if it
 * waits for the next one. Does nothing for the reader.
 */
void reader_take_back(void);

/*
 * For the reader between two requests: lets threads in reader_take_back() have the role first, and returns
 * with it.
 */
void reader_give_way(void);

/* For the reader: it begins, or ends, its wait for the kernel. */
void reader_waits(bool waits);

/* Interrupts the wait of the reader for the kernel, if it waits. By any thread. */
void reader_wake(void);

/* The calling thread ends. */
void reader_thread_done(void);

#endif
