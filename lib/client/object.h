/* SPDX-License-Identifier: MIT */
/*
 * Synchronization objects: files of one page in the name space of segments.
 *
 * Design. All state that processes share is words of 32 bits, which the kernel can wait on; there are no
 * pointers and no lists, so that neither a death nor a peer that writes nonsense can do more than change
 * their meaning. Everything else in the file is constant, and is copied when it is opened.
 *
 * What nobody owns - semaphores, events, doorbells, conditions and barriers - has one word. Bit 0 says that
 * somebody may sleep: who changes the word wakes only then, so that without waiters no operation makes a
 * system call. The rest is the count of a semaphore, the state of an event, or the number of times that a
 * doorbell was rung or a condition notified.
 *
 *   wait      takes what is there; else it sets bit 0 and sleeps while the word has that value
 *   change    changes the rest and leaves bit 0; if it is set, wakes, and if nobody slept clears it, provided
 *             that the word has not changed meanwhile, and wakes all
 *
 * A waiter that had not slept yet when bit 0 was cleared finds another value than it wants to sleep on, and
 * begins again. One that fell asleep after the first wake, on the value that it has then, is woken by the
 * second, and sets bit 0 again. A death between the change and the wake leaves sleepers who could go on; they
 * look again after a second at most (futex.h). A dead waiter leaves bit 0, which costs one system call. (A
 * count of waiters, as in sem_t, errs for good after a death.)
 *
 * What a thread owns - mutexes and reader-writer locks - are words that the kernel releases when the thread
 * dies: robust.h. rwlock.c has one for each reader. lib/client/models has models of the operations in
 * Promela.
 */
#ifndef SEGFS_CLIENT_OBJECT_H
#define SEGFS_CLIENT_OBJECT_H

#include "lib/base/object_format.h"
#include "lib/client/internal.h"
#include "lib/client/robust.h"

#include <stdatomic.h>

#define OBJECT_WAITERS 1u /* bit of the word of what nobody owns: somebody may sleep */
#define OBJECT_UNIT    2u /* what one is in the rest of the word */
#define OBJECT_MAX     (UINT32_MAX / OBJECT_UNIT)

/* The words that processes share, the last bytes of the first page. */
struct object_words {
	_Atomic uint64_t readers; /* of a reader-writer lock: which pages readers have used, a bit each */
	_Atomic uint32_t marks;   /* of a reader-writer lock: MARK_* of rwlock.c */
	uint32_t unused;
	_Atomic uint64_t namespace; /* of a reader-writer lock: whose threads keep words, see kept.h; 0 =
				       none's */
	_Atomic uint32_t word;      /* the object; 8 bytes before the end of the page, see robust.h */
	uint32_t last;
};

struct segfs_object {
	void *page; /* of the file, mapped; behind it is a private one */
	struct object_words *words;
	struct robust lock;
	enum segfs_kind kind;
	uint32_t limit;
	_Atomic uint32_t spins; /* see futex_spin() */
	_Atomic uint32_t seen;  /* of a doorbell: the rings that this object has waited for */
	struct readers *others; /* of a reader-writer lock */
	uint64_t number;        /* likewise: no other one of the process has it; 0 = none */
};

/* Wakes at most `n` sleepers after a change of the word to `value`, if OBJECT_WAITERS of it is set. */
void object_changed(struct segfs_object *object, uint32_t value, unsigned int n);

/* Whether a wait has a deadline that is a time, or none, and only flags that are `known`. */
static inline bool is_wait(const struct timespec *deadline, unsigned int flags, unsigned int known)
{
	return !(flags & ~known) && (!deadline || (deadline->tv_nsec >= 0 && deadline->tv_nsec < 1000000000));
}

#define WAIT_FLAGS (SEGFS_TRY | SEGFS_INTERRUPTIBLE)

#endif
