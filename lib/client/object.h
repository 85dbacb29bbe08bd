/* SPDX-License-Identifier: MIT */
/*
 * Synchronization objects: files of 4096 bytes in the name space of segments.
 *
 * Design. All state that processes share is one 32-bit word, which the kernel can wait on; it has no
 * pointers, no owners and no lists, so that neither a death nor a peer that writes nonsense can do more than
 * change its meaning. Everything else in the file is constant, and is copied when it is opened. Bit 0 of the
 * word says that somebody may sleep: who changes the word wakes only then, so that without waiters no
 * operation makes a system call. The rest is the count of a semaphore, the state of an event, or the number
 * of times that a doorbell was rung.
 *
 *   wait      takes what is there; else it sets bit 0 and sleeps while the word has that value
 *   change    changes the rest and leaves bit 0; if it is set, wakes, and if nobody slept clears it, provided
 *             that the word has not changed meanwhile
 *
 * A waiter that had not slept yet when bit 0 was cleared finds another value than it wants to sleep on, and
 * begins again. A death between the change and the wake leaves sleepers who could go on; they look again
 * after a second at most (futex.h). A dead waiter leaves bit 0, which costs one system call.
 *
 * Alternatives: a count of waiters (sem_t) errs for good after a death; a lock in the object (and with
 * that the robust list of the C library, whose pointers lie in the shared memory) would have to be recovered,
 * and a peer could have it write anywhere.
 */
#ifndef SEGFS_CLIENT_OBJECT_H
#define SEGFS_CLIENT_OBJECT_H

#include "lib/client/internal.h"

#include <stdatomic.h>

#define OBJECT_SIZE    4096u
#define OBJECT_WAITERS 1u /* bit of the word: somebody may sleep */
#define OBJECT_UNIT    2u /* what one is in the rest of the word */
#define OBJECT_MAX     (UINT32_MAX / OBJECT_UNIT)

/* The file. All but `word` is constant. */
struct object_file {
	uint64_t magic;
	uint32_t version;
	uint32_t kind;  /* enum segfs_kind */
	uint32_t limit; /* of a semaphore's count; 0 otherwise */
	uint32_t unused;
	_Atomic uint32_t word;
	uint8_t reserved[OBJECT_SIZE - 28];
};

struct segfs_object {
	struct object_file *file; /* mapped */
	enum segfs_kind kind;
	uint32_t limit;
	_Atomic uint32_t seen; /* of a doorbell: the rings that this object has waited for */
};

#endif
