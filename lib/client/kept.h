/* SPDX-License-Identifier: MIT */
/*
 * A word that a thread keeps to read by: of a page of the file that it alone has mapped here, and whose entry
 * stays in the thread's list while it does not read (robust.h). To begin and to end a reading is then one
 * change of the word each: the entry is where the kernel looks at the death of the thread, which releases the
 * word if it has the thread's id, and leaves it alone otherwise.
 *
 * Other threads may read by the same word meanwhile, by mappings of their own: its id says who does. An id is
 * unique in a PID namespace only. If a thread of another namespace read by a word that a thread with the same
 * id keeps, the death of that one would release the word. Therefore the threads of one namespace keep words,
 * that of the first one that did; each keeps only the word that its id selects; and those of other namespaces
 * never take the word that their id selects.
 *
 * A thread keeps few words, each at a place that the number of the object selects. To begin to keep one costs
 * as much as some hundred readings, therefore one gives way only when others that want its place have been
 * read often. They are let go when the thread ends, and when it closes the object. If another thread closes
 * that, the page stays mapped until then.
 *
 * The kernel leaves off where it cannot read the word of an entry. A peer that truncates the file of a lock
 * which nobody reads must not keep it from words of other files, therefore the entries of kept words are the
 * last in the list. It still keeps the kernel from words by which the thread reads, if they were kept later.
 */
#ifndef SEGFS_CLIENT_KEPT_H
#define SEGFS_CLIENT_KEPT_H

#include "lib/client/futex.h"
#include "lib/client/robust.h"

#include <errno.h>
#include <limits.h>

#define KEPT_MAX    8u    /* of a thread */
#define KEPT_MISSES 1000u /* readings of locks that would take a place, until its word gives way */

struct kept {
	uint64_t readers; /* which lock, see struct segfs_object; 0 = none */
	uint32_t depth;   /* how often the thread has locked it for reading by this word */
	uint32_t misses;  /* of KEPT_MISSES */
	void *page;
	struct robust lock;
};

/* The word that the calling thread keeps of a lock; NULL if it keeps none. */
static inline struct kept *kept_find(const struct thread *self, uint64_t readers)
{
	struct kept *kept = self->kept ? &self->kept[readers % KEPT_MAX] : NULL;

	return kept && readers && kept->readers == readers ? kept : NULL;
}

/*
 * Whether the calling thread may keep words of a lock. namespace: of the file, the PID namespace whose
 * threads do; becomes that of the caller if nobody's does.
 */
bool kept_is_allowed(const struct thread *self, _Atomic uint64_t *namespace);

/*
 * Keeps a word from now on, which is not taken by that. self: with a list. offset: of the page in the file,
 * bytes. Returns it; NULL if it cannot be kept: no memory, or the word of another lock does not give way yet.
 */
struct kept *kept_make(const struct thread *self, uint64_t readers, int fd, off_t offset);

/* Keeps the word of a lock no more. If the calling thread reads by it, that ends as by its death. */
void kept_forget(const struct thread *self, uint64_t readers);

/*
 * Unmaps what the parent of a process kept: only private pages are there, and they are empty. table: of the
 * thread that has called fork(2), or NULL.
 */
void kept_reset(struct kept *table);

/* Takes the word if it is free, and nothing else is to be said of it. */
static inline bool kept_take(struct kept *kept, const struct thread *self)
{
	uint32_t old = 0;

	if (__builtin_expect(!atomic_compare_exchange_strong(kept->lock.word, &old, self->id), 0))
		return false;
	kept->depth = 1;
	return true;
}

/* robust_try(). */
int kept_try(struct kept *kept, const struct thread *self, uint32_t *seen);

/* Others sleep on the word, or have changed it. */
int kept_release_and_wake(struct kept *kept, const struct thread *self);

/* robust_release() with nothing to keep in the word, and all waiters woken. */
static inline int kept_release(struct kept *kept, const struct thread *self)
{
	uint32_t old = self->id;

	kept->depth = 0;
	if (__builtin_expect(atomic_compare_exchange_strong(kept->lock.word, &old, 0), 1))
		return 0;
	return kept_release_and_wake(kept, self);
}

#endif
