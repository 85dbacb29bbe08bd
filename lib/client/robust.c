// SPDX-License-Identifier: MIT
#include "lib/client/robust.h"
#include "lib/client/internal.h"
#include "lib/client/kept.h"

#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES  2048 /* of a list; the kernel looks at no more (ROBUST_LIST_LIMIT) */
#define DISTANCE 32   /* from the word to the entry */
#define LOOKS    1000 /* at a thread that may be dying, a millisecond apart */

#if __SIZEOF_POINTER__ == 8
_Static_assert(offsetof(struct holding, next) == DISTANCE - 8, "8 bytes from the word to the private page");
#endif
_Static_assert(sizeof(struct holding) <= 4096, "it is in a page");

_Thread_local struct thread thread_current __attribute__((tls_model("initial-exec")));

/* --- who the caller is --- */

/* The list of a thread of this process, 0 = the caller; NULL if it has none, or is dead. */
static struct robust_list_head *list_of(uint32_t thread)
{
	struct robust_list_head *list = NULL;
	size_t size = 0;

	if (syscall(SYS_get_robust_list, (long)thread, &list, &size) < 0 || size != sizeof(*list))
		return NULL;
	return list;
}

/* The id of a thread in the low bits. */
#define ID_BITS         22 /* as many as an id can have: PID_MAX_LIMIT of the kernel */
#define ID_OF(identity) ((uint32_t)((identity) & ((1u << ID_BITS) - 1)))

_Static_assert(ROBUST_THREAD >= (1u << ID_BITS) - 1, "an id is in the word");

/*
 * What tells a thread from a later one with the same id: where its list is. One value, so that it is taken
 * and compared in one step.
 */
static uint64_t identity_of(uint32_t id, const struct robust_list_head *list)
{
	return (uint64_t)(uintptr_t)list >> 4 << ID_BITS | id;
}

const struct thread *thread_ask(struct holding *holding)
{
	const int saved = errno;
	const pid_t process = getpid();

	if (thread_current.process != process) {
		thread_current.id = (uint32_t)syscall(SYS_gettid);
		thread_current.list = list_of(0);
		/* entries have another form on machines of 32 bits, and perhaps in other C libraries */
		if (thread_current.list &&
		    (sizeof(void *) != 8 || thread_current.list->futex_offset != -DISTANCE))
			thread_current.list = NULL;
		thread_current.identity = identity_of(thread_current.id, thread_current.list);
		thread_current.process = process;
	}
	/* a child of fork(2) in another PID namespace can have the id of its parent: these are asked for
	 * always */
	thread_current.namespace = 0;
	kept_reset(thread_current.kept);
	atomic_store(&holding->process, process);
	errno = saved;
	return &thread_current;
}

bool list_has(struct robust_list_head *list, const struct holding *holding)
{
	void *entry = list->list.next;

	for (int i = 0; i < ENTRIES && entry != &list->list; i++) {
		if (entry == &holding->next)
			return true;
		entry = *entry_of(entry);
	}
	return false;
}

/* --- mapping --- */

void *robust_map(int fd, off_t offset, struct robust *lock)
{
	const size_t size = page_size();
	char *page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int error;

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page + size, size, MADV_WIPEONFORK) < 0 ||
	    mmap(page, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) == MAP_FAILED) {
		error = errno;
		munmap(page, 2 * size);
		errno = error;
		return NULL;
	}
	lock->word = (_Atomic uint32_t *)(void *)(page + size - 8);
	lock->holding = (struct holding *)(void *)(page + size);
	return page;
}

/* Whether a thread lives. What the kernel does for a dead one comes before the thread ends. */
static bool lives(uint64_t identity)
{
	return identity_of(ID_OF(identity), list_of(ID_OF(identity))) == identity;
}

void robust_unmap(void *page, struct robust *lock)
{
	const size_t size = page_size();
	const struct thread *self = thread_self(lock->holding);

	if (self->list && robust_is_held(lock, self))
		robust_release(lock, self, ROBUST_OWNER_DIED, INT_MAX);
	else if (atomic_load(&lock->holding->holder) && lives(atomic_load(&lock->holding->holder)))
		return; /* a thread of the process has it in its list */
	munmap(page, 2 * size);
}

/* --- taking and releasing --- */

/* Waits until a thread that was seen to hold the word is dead. Returns false if it lives. */
static bool is_dead(uint64_t identity)
{
	const struct timespec step = {.tv_nsec = 1000000};
	const int saved = errno;
	int i = 0;

	while (i < LOOKS && lives(identity)) {
		nanosleep(&step, NULL);
		i++;
	}
	errno = saved;
	return i < LOOKS;
}

bool holding_adopt(struct holding *holding, const struct thread *self)
{
	uint64_t before = atomic_load(&holding->holder);

	/* that of a thread that had the same id, and its list at the same place */
	if (before == self->identity)
		return !list_has(self->list, holding);
	return (before == 0 || is_dead(before)) &&
	       atomic_compare_exchange_strong(&holding->holder, &before, self->identity);
}

int robust_wait(const struct robust *lock, const struct thread *self, uint32_t seen, _Atomic uint32_t *spins,
		const struct timespec *deadline, unsigned int flags)
{
	int result = -EAGAIN;

	if (flags & SEGFS_TRY)
		return -EAGAIN;
	if (futex_spin(lock->word, seen, spins))
		result = robust_try(lock, self, 0, &seen);
	while (result == -EAGAIN) {
		const struct futex_wait wait = {lock->word, robust_announce(lock, seen)};

		result = futex_sleep(&wait, 1, deadline, flags & SEGFS_INTERRUPTIBLE);
		if (result == 0)
			/* others may sleep, whose bit was removed when this one was woken */
			result = robust_try(lock, self, ROBUST_WAITERS, &seen);
	}
	return result;
}

uint32_t robust_announce(const struct robust *lock, uint32_t seen)
{
	if (!(seen & ROBUST_WAITERS))
		atomic_compare_exchange_strong(lock->word, &seen, seen | ROBUST_WAITERS);
	return seen | ROBUST_WAITERS;
}
