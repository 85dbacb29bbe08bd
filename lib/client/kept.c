// SPDX-License-Identifier: MIT
#include "lib/client/kept.h"
#include "lib/client/internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_NAMESPACE UINT64_MAX

/* By which the table of a thread is freed at its end. Set before and after there are threads. */
static struct {
	pthread_key_t key;
	bool exists;
} at_end;

/* A reading by the word ends as by the death of the calling thread. */
static void let_go(struct kept *kept)
{
	if (kept->depth == 0)
		list_remove(kept->lock.holding);
	else
		robust_release(&kept->lock, &thread_current, ROBUST_OWNER_DIED, INT_MAX);
	munmap(kept->page, 2 * page_size());
	*kept = (struct kept){0};
}

void kept_reset(struct kept *table)
{
	for (size_t i = 0; table && i < KEPT_MAX; i++) {
		if (!table[i].readers || atomic_load(&table[i].lock.holding->holder))
			continue;
		/* that of the file it has not, and something else may be there */
		munmap((char *)table[i].page + page_size(), page_size());
		table[i] = (struct kept){0};
	}
}

/*
 * The calling thread ends. What it reads, another destructor may unlock that comes later: this one asks to be
 * called once more, as often as the C library does that.
 */
static void end(void *table)
{
	const bool is_last = ++thread_current.ends >= PTHREAD_DESTRUCTOR_ITERATIONS;
	struct kept *kept = table;
	bool reads = false;

	/* in a child of fork(2) that has not asked since */
	kept_reset(kept);
	for (size_t i = 0; i < KEPT_MAX; i++) {
		if (kept[i].readers && (kept[i].depth == 0 || is_last))
			let_go(&kept[i]);
		reads = reads || kept[i].readers;
	}
	if (reads && pthread_setspecific(at_end.key, kept) == 0)
		return;
	if (thread_current.kept == kept)
		thread_current.kept = NULL;
	free(kept);
}

static __attribute__((constructor)) void make_key(void)
{
	at_end.exists = pthread_key_create(&at_end.key, end) == 0;
}

/* The library is unloaded: what threads keep then stays. */
static __attribute__((destructor)) void delete_key(void)
{
	if (at_end.exists)
		pthread_key_delete(at_end.key);
	/* somebody else may be given it */
	at_end.exists = false;
}

static struct kept *make_table(void)
{
	struct kept *table = at_end.exists ? calloc(KEPT_MAX, sizeof(*table)) : NULL;

	if (table && pthread_setspecific(at_end.key, table) != 0) {
		free(table);
		table = NULL;
	}
	return table;
}

bool kept_is_allowed(const struct thread *self, _Atomic uint64_t *namespace)
{
	/* relaxed: a number is compared, by which nothing else is read */
	uint64_t of_file = atomic_load_explicit(namespace, memory_order_relaxed);

	if (thread_current.namespace == 0) {
		const int saved = errno;
		struct stat found;

		thread_current.namespace =
			stat("/proc/self/ns/pid", &found) == 0 && found.st_ino ? found.st_ino : NO_NAMESPACE;
		errno = saved;
	}
	if (self->namespace == NO_NAMESPACE)
		return false;
	return of_file == self->namespace ||
	       (of_file == 0 && (atomic_compare_exchange_strong(namespace, &of_file, self->namespace) ||
				 of_file == self->namespace));
}

struct kept *kept_make(const struct thread *self, uint64_t readers, int fd, off_t offset)
{
	const int saved = errno;
	struct kept *kept;

	if (!thread_current.kept)
		thread_current.kept = make_table();
	kept = self->kept ? &self->kept[readers % KEPT_MAX] : NULL;
	if (kept && kept->readers && kept->depth == 0 && ++kept->misses >= KEPT_MISSES)
		let_go(kept);
	if (kept && !kept->readers)
		kept->page = robust_map(fd, offset, &kept->lock);
	/* a child of fork(2) knows nothing of what other threads keep, and would have it mapped for ever */
	if (kept && !kept->readers && kept->page && madvise(kept->page, page_size(), MADV_DONTFORK) < 0) {
		munmap(kept->page, 2 * page_size());
		kept->page = NULL;
	}
	errno = saved;
	if (!kept || kept->readers || !kept->page)
		return NULL;
	/* relaxed: in a page of this thread alone */
	atomic_store_explicit(&kept->lock.holding->holder, self->identity, memory_order_relaxed);
	list_add_last(self->list, kept->lock.holding);
	kept->readers = readers;
	return kept;
}

void kept_forget(const struct thread *self, uint64_t readers)
{
	struct kept *kept = kept_find(self, readers);

	if (kept)
		let_go(kept);
}

int kept_try(struct kept *kept, const struct thread *self, uint32_t *seen)
{
	/* relaxed: the exchange orders, and compares */
	uint32_t old = atomic_load_explicit(kept->lock.word, memory_order_relaxed);

	for (int tries = 0; tries < ROBUST_TRIES && !(old & ROBUST_THREAD); tries++)
		if (atomic_compare_exchange_strong(kept->lock.word, &old, old | self->id)) {
			kept->depth = 1;
			return old & ROBUST_OWNER_DIED ? 1 : 0;
		}
	*seen = old;
	return -EAGAIN;
}

int kept_release_and_wake(struct kept *kept, const struct thread *self)
{
	/* relaxed: the exchange orders, and compares */
	uint32_t old = atomic_load_explicit(kept->lock.word, memory_order_relaxed);
	int result = -EBADMSG;

	/* pending: if this thread dies before it has woken the others, the kernel wakes one */
	set_pending(self, &kept->lock.holding->next);
	for (int tries = 0; tries < ROBUST_TRIES && result && (old & ROBUST_THREAD) == self->id; tries++)
		if (atomic_compare_exchange_strong(kept->lock.word, &old, 0))
			result = 0;
	if (old & ROBUST_WAITERS && result == 0)
		futex_wake(kept->lock.word, INT_MAX);
	set_pending(self, NULL);
	return result;
}
