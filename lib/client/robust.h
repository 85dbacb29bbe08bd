/* SPDX-License-Identifier: MIT */
/*
 * A robust word: a word of shared memory with the id of the thread that holds it, which the kernel releases
 * when that thread dies (Documentation/locking/robust-futex-ABI.rst).
 *
 * Design. At the death of a thread, the kernel walks a list that the thread has registered. Each entry is at
 * a fixed distance from the word that it stands for, and the kernel releases each word that has the id of the
 * thread. A thread has one such list. The C library has registered it for its own robust mutexes, with a
 * distance of 32 bytes; entries of libsegfs are linked into the same list, so that a thread can hold both
 * kinds at a time.
 *
 * An entry consists of pointers. In shared memory, a peer could make this process write anywhere by them. So
 * the word is at the end of its page of the file, and the entry, 32 bytes further, is in a private page that
 * is mapped behind it. A page has one word, thus one entry: one thread at a time holds the word.
 *
 * Whether a thread of this process holds the word is in the private page, too. The id in the word is for the
 * kernel and for those who wait: a peer may write any id into it, and nobody unlinks an entry because of
 * that.
 *
 * fork(2): in the child, the kernel has emptied the private page (MADV_WIPEONFORK). So the child holds
 * nothing, and the missing `process` tells that the ids of the parent are not its own.
 *
 * PID namespaces: two threads of different namespaces can have the same id. When one dies, the kernel
 * releases each word that has its id and whose entry is in its list, or pending there, although the other one
 * may have taken the word. For robust mutexes of the C library, an entry is pending as long as the thread
 * waits. Here it is pending only during an attempt to take the word, for a few instructions. If the thread is
 * killed just then, and the other one has taken the word, that one loses it: its segfs_unlock() returns
 * EBADMSG.
 *
 * Alternatives: mutexes of the C library, which write through pointers of the shared memory; a list of our
 * own with set_robust_list(2), which would take the thread's list from the C library; locks of fcntl(2) for
 * each holder, which are system calls, and which a child of fork(2) keeps or the close of any descriptor
 * drops.
 */
#ifndef SEGFS_CLIENT_ROBUST_H
#define SEGFS_CLIENT_ROBUST_H

#include "lib/client/futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>
#include <sys/types.h>

#define ROBUST_WAITERS    ((uint32_t)FUTEX_WAITERS)    /* somebody may sleep */
#define ROBUST_OWNER_DIED ((uint32_t)FUTEX_OWNER_DIED) /* set by the kernel; stays until it is removed */
#define ROBUST_THREAD     ((uint32_t)FUTEX_TID_MASK)   /* who holds it; 0 = nobody */

/* The calling thread. */
struct thread {
	pid_t process;                 /* to which the rest belongs; 0 = not asked for yet */
	uint32_t id;                   /* as gettid(2) says */
	struct robust_list_head *list; /* NULL if the C library has none of the form described above */
	uint64_t identity;             /* tells it from a later thread with the same id */
	uint64_t namespace;            /* see kept_is_allowed(); 0 = not asked for yet */
	struct kept *kept;             /* what it keeps, see kept.h; NULL = nothing yet */
	uint32_t ends;                 /* how often kept.c was told that it ends */
};

/* What a process knows of a word, in the private page behind it. */
struct holding {
	char unused[16];
	void *previous; /* the next two are an entry of the list, as in pthread_mutex_t */
	void *next;
	_Atomic uint64_t holder; /* identity of the thread of this process that holds the word, or keeps it
				    (kept.h); 0 = none */
	uint32_t depth;          /* how often the holder has locked it, used by the holder alone */
	_Atomic pid_t process;   /* 0 in a child of fork(2) until it uses it */
};

/* A word and what is private of it. */
struct robust {
	_Atomic uint32_t *word;
	struct holding *holding;
};

/* A few bytes, which the C library has room for when the library is loaded later: no call to find them. */
extern _Thread_local struct thread thread_current __attribute__((tls_model("initial-exec")));

/* Asks again who the calling thread is, where `holding` is new to the process. */
const struct thread *thread_ask(struct holding *holding);

/* The calling thread, if it has asked who it is since its process began; else NULL. Never a call. */
static inline const struct thread *thread_known(const struct holding *holding)
{
	/* relaxed: a number is compared, by which nothing else is read */
	return __builtin_expect(thread_current.process &&
					thread_current.process ==
						atomic_load_explicit(&holding->process, memory_order_relaxed),
				1)
		       ? &thread_current
		       : NULL;
}

/* The calling thread, without a system call unless it or its process is new. */
static inline const struct thread *thread_self(struct holding *holding)
{
	const struct thread *self = thread_known(holding);

	return self ? self : thread_ask(holding);
}

/*
 * Maps a page of a file, at whose end the word is, and a private page.
 * offset: of the page, in bytes. lock: receives both. Returns the address of the page, which robust_unmap()
 * takes, or NULL with errno.
 */
void *robust_map(int fd, off_t offset, struct robust *lock);

/*
 * Unmaps both. If the calling thread holds the word, that is the death of its holder; if another thread of
 * the process does, they stay mapped, as they are in its list.
 */
void robust_unmap(void *page, struct robust *lock);

#define ROBUST_TRIES 1000 /* of a change, while others change the word */

/* --- the list: only its thread changes it, and the kernel when that is dead --- */

/* The compiler keeps the order of stores before and after it; the kernel sees those of this thread in order.
 */
static inline void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* An entry may have a flag, of a mutex with priority inheritance, in bit 0. */
static inline void **entry_of(void *pointer)
{
	return (void **)((uintptr_t)pointer & ~(uintptr_t)1);
}

static inline void set_pending(const struct thread *self, void *entry)
{
	in_order();
	self->list->list_op_pending = entry;
	in_order();
}

/* As in the C library, the pointer to the entry before is in front of that to the next one. */
static inline void list_add(struct robust_list_head *list, struct holding *holding)
{
	holding->next = list->list.next;
	holding->previous = &list->list.next;
	entry_of(list->list.next)[-1] = &holding->next;
	in_order();
	list->list.next = (struct robust_list *)(void *)&holding->next;
}

/*
 * Behind all others: the kernel leaves off at the first entry whose word it cannot read, of a file that a
 * peer has truncated.
 */
static inline void list_add_last(struct robust_list_head *list, struct holding *holding)
{
	void **head = (void **)(void *)&list->list;

	holding->next = head;
	holding->previous = head[-1];
	in_order();
	*entry_of(head[-1]) = &holding->next;
	head[-1] = &holding->next;
}

static inline void list_remove(struct holding *holding)
{
	entry_of(holding->next)[-1] = holding->previous;
	*entry_of(holding->previous) = holding->next;
}

/* Whether an entry that is not the first is in the list. */
bool list_has(struct robust_list_head *list, const struct holding *holding);

/* --- taking and releasing --- */

/* Makes a holding the caller's that is not free. Returns false if a thread has it that lives. */
bool holding_adopt(struct holding *holding, const struct thread *self);

/* The caller has taken the word, and its holding becomes the caller's. Returns false if it is another's. */
static inline bool holding_take(struct holding *holding, const struct thread *self)
{
	/* relaxed: the word, which the caller has taken, orders those who write it */
	uint64_t before = atomic_load_explicit(&holding->holder, memory_order_relaxed);

	if (__builtin_expect(__libc_single_threaded && before == 0, 1))
		atomic_store_explicit(&holding->holder, self->identity, memory_order_relaxed);
	else if ((before || !atomic_compare_exchange_strong(&holding->holder, &before, self->identity)) &&
		 !holding_adopt(holding, self))
		return false;
	holding->depth = 1;
	list_add(self->list, holding);
	return true;
}

/*
 * Takes the word if nobody holds it.
 * self: with a list. waiters: ROBUST_WAITERS, if others may sleep; 0. seen: receives what is in the word if
 * it is held. Returns 0, or 1 if the word has ROBUST_OWNER_DIED; -EAGAIN: somebody holds it; -EBADMSG: the
 * word was free, but a thread of this process that holds it is alive: a peer has changed it.
 */
static inline int robust_try(const struct robust *lock, const struct thread *self, uint32_t waiters,
			     uint32_t *seen)
{
	/* relaxed: the exchange orders, and compares */
	uint32_t old = atomic_load_explicit(lock->word, memory_order_relaxed);
	int result = -EAGAIN;

	for (int tries = 0; tries < ROBUST_TRIES && !(old & ROBUST_THREAD) && result == -EAGAIN; tries++) {
		uint32_t value = old | waiters | self->id;

		set_pending(self, &lock->holding->next);
		if (__builtin_expect(atomic_compare_exchange_strong(lock->word, &old, value), 1)) {
			result = old & ROBUST_OWNER_DIED ? 1 : 0;
			if (!holding_take(lock->holding, self)) {
				atomic_compare_exchange_strong(lock->word, &value, old);
				result = -EBADMSG;
			}
		}
		set_pending(self, NULL);
	}
	if (result == -EAGAIN)
		*seen = old;
	return result;
}

/* Whether the calling thread holds it. */
static inline bool robust_is_held(const struct robust *lock, const struct thread *self)
{
	/* relaxed: only the caller stores its own identity */
	return atomic_load_explicit(&lock->holding->holder, memory_order_relaxed) == self->identity &&
	       ((void *)self->list->list.next == &lock->holding->next || list_has(self->list, lock->holding));
}

/*
 * Releases a word that the calling thread holds; waiters are woken.
 * keep: bits that stay in the word, ROBUST_OWNER_DIED or 0. n: how many waiters are woken.
 * Returns 0; -EBADMSG: the word has another id than the holder's; it stays as it is.
 */
static inline int robust_release(const struct robust *lock, const struct thread *self, uint32_t keep,
				 unsigned int n)
{
	/* relaxed: the exchange orders, and compares */
	uint32_t old = atomic_load_explicit(lock->word, memory_order_relaxed);
	int result = -EBADMSG;

	set_pending(self, &lock->holding->next);
	list_remove(lock->holding);
	/* before the word: whoever takes that finds the holding free. A peer may free the word earlier. */
	atomic_store_explicit(&lock->holding->holder, 0, memory_order_release);
	for (int tries = 0; tries < ROBUST_TRIES && result && (old & ROBUST_THREAD) == self->id; tries++)
		if (atomic_compare_exchange_strong(lock->word, &old, keep))
			result = 0;
	if (__builtin_expect(old & ROBUST_WAITERS && result == 0, 0))
		futex_wake(lock->word, n);
	set_pending(self, NULL);
	return result;
}

/* Waits until the word, in which `seen` was found, can be taken; see robust_lock(). */
int robust_wait(const struct robust *lock, const struct thread *self, uint32_t seen, _Atomic uint32_t *spins,
		const struct timespec *deadline, unsigned int flags);

/*
 * Takes the word, and waits for that until nobody holds it.
 * spins: see futex_spin(). deadline, flags: as for segfs_wait(), checked. Returns as robust_try(), -EAGAIN
 * with SEGFS_TRY; the errors of futex_sleep().
 */
static inline int robust_lock(const struct robust *lock, const struct thread *self, _Atomic uint32_t *spins,
			      const struct timespec *deadline, unsigned int flags)
{
	uint32_t seen;
	const int result = robust_try(lock, self, 0, &seen);

	return result == -EAGAIN ? robust_wait(lock, self, seen, spins, deadline, flags) : result;
}

/* Sets ROBUST_WAITERS in a word in which `seen` was found. Returns the value on which to sleep. */
uint32_t robust_announce(const struct robust *lock, uint32_t seen);

#endif
