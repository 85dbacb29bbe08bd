/* SPDX-License-Identifier: MIT */
/*
 * Messages that were read from the kernel and have no reply yet. The kernel sends each once, so they lie in
 * shared memory, where the next worker finds them if this one dies.
 *
 * Each thread that reads has a buffer. A message whose request must wait is stored first, in a chain of
 * blocks, and the buffer is free for the next one. A buffer is empty if its first word is 0, and a message
 * begins with its length, which is copied last; a stored message exists if its first block says so. Thus a
 * kill leaves a message whole, or none, or it is found twice: in a buffer and stored. FUSE_NOTIFY_RESEND,
 * which Linux has from 6.9 on, is not used: it would bring nothing that is not here.
 *
 * Knows nothing of FUSE, except that the kernel writes the length first. Buffers are for the reader thread;
 * the other functions are thread-safe, and their lock is a leaf.
 */
#ifndef SEGFS_STATE_MESSAGE_H
#define SEGFS_STATE_MESSAGE_H

#include "fs/state/state.h"

#define MESSAGE_MAX (1024u * 1024u + 4096u) /* bytes: the largest WRITE and its header */

/*
 * Creates the memory, and records its descriptor in the header of the arena. max_blocks: blocks for stored
 * messages, at least 16. Returns 0; -EINVAL; the negative errno of memfd_create(2), ftruncate(2) or
 * fallocate(2).
 */
int message_create(struct arena_header *header, uint32_t max_blocks);

/* The number of blocks that suffice for messages of so many bytes in all, and `n` short ones. */
uint32_t message_blocks(uint64_t bytes, uint64_t n);

/*
 * Maps the memory for a worker, and finds what an earlier one left. Returns 0; -ENOMEM; -EUCLEAN if it has
 * another size than recorded; the negative errno of fstat(2) or mmap(2).
 */
int message_open(struct state *state);

/* Unmaps it. */
void message_close(struct state *state);

/*
 * Gives the calling thread a buffer of MESSAGE_MAX bytes, all of whose pages are present.
 * buffer: the thread's own, which is empty, or NULL; replaced by one with a message of an earlier worker if
 * there is any. Returns whether it is such a one, or -ENOMEM. Buffers belong to threads until the worker
 * ends.
 */
int message_get_buffer(struct state *state, void **buffer);

/* Empties a buffer. The thread keeps it. */
void message_clear_buffer(void *buffer);

/*
 * Stores a message. unique: the id of its request. A message that is stored already is counted once more.
 * Returns 0; -ENOMEM without blocks or memory.
 */
int message_save(struct state *state, uint64_t unique, const void *message, size_t length);

/* Reverts message_save(): the request has its reply. */
void message_drop(struct state *state, uint64_t unique);

/* Whether the message of a request is stored. */
bool message_is_saved(struct state *state, uint64_t unique);

/*
 * Moves the next message that an earlier worker stored to an empty buffer. Returns its length in bytes; 0 if
 * there is none.
 */
size_t message_take(struct state *state, void *buffer);

/* Used by state_check(). Returns 0, or -EUCLEAN with a sentence in `why`. */
int message_check(struct state *state, char *why, size_t size);

#endif
