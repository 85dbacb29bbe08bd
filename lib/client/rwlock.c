// SPDX-License-Identifier: MIT
/*
 * Reader-writer locks.
 *
 * The word of the first page is held by a writer, as a mutex is. Each further page has a word for one thread
 * that reads: a robust word, so that the kernel releases it when that thread dies. Whoever reads takes a word
 * of a page, and then looks whether there is a writer; a writer takes the word of the first page, and then
 * looks at those of readers, one after the other. Both operations on words are sequentially consistent, so
 * that at least one sees the other. A reader who sees a writer gives way; a writer waits for each reader. New
 * readers wait as soon as a writer does, which so comes to its turn; a thread that reads already may read
 * once more.
 *
 * A page per reader costs memory only where it was used, and readers on different CPUs write different cache
 * lines. Which pages have been used says a bitmap, so that a writer touches no others. A thread keeps the
 * word of the page that its id selects (kept.h), and takes that of another page only if somebody else reads
 * by it, or if it may keep none.
 *
 * A writer that dies leaves the word with ROBUST_OWNER_DIED. It may have died before it wrote, while it
 * waited for readers: MARK_WRITING says that it did write, MARK_ABANDONED that one has not finished, until
 * that is cleared.
 */
#include "lib/client/rwlock.h"
#include "lib/client/futex.h"
#include "lib/client/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define MARK_ABANDONED   1u
#define MARK_READER_DIED 2u
#define MARK_WRITING     4u

#define BIT(i) (UINT64_C(1) << (i))

_Static_assert(SEGFS_READERS_MAX == 64, "a bit for each");

/* A page for a reader, as this process has mapped it. */
struct reader {
	void *page;
	struct robust lock;
};

struct readers {
	int fd;                  /* of the file: a page is mapped when it is needed first */
	_Atomic uint64_t mapped; /* which are, a bit each */
	_Atomic(struct reader *) readers[SEGFS_READERS_MAX];
};

struct readers *readers_new(int fd)
{
	struct readers *readers = calloc(1, sizeof(*readers));

	if (!readers)
		return NULL;
	readers->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (readers->fd < 0) {
		const int error = errno;

		free(readers);
		errno = error;
		return NULL;
	}
	return readers;
}

void readers_free(struct readers *readers)
{
	if (!readers)
		return;
	for (size_t i = 0; i < SEGFS_READERS_MAX; i++) {
		struct reader *reader = atomic_load(&readers->readers[i]);

		if (reader)
			robust_unmap(reader->page, &reader->lock);
		free(reader);
	}
	close(readers->fd);
	free(readers);
}

/* Maps a page for readers. Returns it; NULL with errno. */
static struct reader *reader_get(struct readers *readers, size_t i)
{
	struct reader *reader = atomic_load_explicit(&readers->readers[i], memory_order_acquire);
	struct reader *made;

	if (reader)
		return reader;
	made = malloc(sizeof(*made));
	if (!made)
		return NULL;
	made->page = robust_map(readers->fd, (off_t)((i + 1) * page_size()), &made->lock);
	if (made->page && atomic_compare_exchange_strong(&readers->readers[i], &reader, made)) {
		atomic_fetch_or(&readers->mapped, BIT(i));
		return made;
	}
	/* another thread was faster */
	if (made->page)
		robust_unmap(made->page, &made->lock);
	free(made);
	return reader;
}

static bool is_used(const struct segfs_object *object, size_t i)
{
	/* sequentially consistent: if a writer misses the bit, this reader sees the writer's word */
	return atomic_load(&object->words->readers) & BIT(i);
}

/* Before a word is taken: no writer overlooks it. */
static void mark_used(struct segfs_object *object, size_t i)
{
	if (!is_used(object, i))
		atomic_fetch_or(&object->words->readers, BIT(i));
}

/* A dead reader was found. */
static void mark_dead_reader(struct segfs_object *object, const struct robust *lock)
{
	/* first: it is not forgotten by a death of the caller */
	atomic_fetch_or(&object->words->marks, MARK_READER_DIED);
	atomic_fetch_and(lock->word, ~ROBUST_OWNER_DIED);
}

/* --- what the caller holds --- */

/* The page that a thread prefers. */
static size_t preferred(const struct thread *self)
{
	return self->id % SEGFS_READERS_MAX;
}

/* The word by which the calling thread reads, if it is one that it keeps; else NULL. */
static struct kept *find_kept(const struct segfs_object *object, const struct thread *self)
{
	struct kept *kept = kept_find(self, object->number);

	return kept && kept->depth > 0 ? kept : NULL;
}

/* The page by which it reads otherwise, NULL if it does not. */
static struct reader *find_own(const struct segfs_object *object, const struct thread *self)
{
	const struct readers *others = object->others;
	struct reader *reader = atomic_load_explicit(&others->readers[preferred(self)], memory_order_acquire);
	uint64_t mapped;

	if (reader && robust_is_held(&reader->lock, self))
		return reader;
	/* another thread had it */
	for (mapped = atomic_load(&others->mapped); mapped; mapped &= mapped - 1) {
		reader = atomic_load(&others->readers[__builtin_ctzll(mapped)]);
		if (robust_is_held(&reader->lock, self))
			return reader;
	}
	return NULL;
}

int rwlock_abandoned(struct segfs_object *object)
{
	const uint32_t word = atomic_load(object->lock.word);
	const uint32_t marks = atomic_load(&object->words->marks);
	const bool died_writing = word & ROBUST_OWNER_DIED && marks & MARK_WRITING;

	return (died_writing || marks & MARK_ABANDONED ? SEGFS_ABANDONED : 0) |
	       (marks & MARK_READER_DIED ? SEGFS_READER_DIED : 0);
}

void rwlock_clear(struct segfs_object *object)
{
	atomic_fetch_and(&object->words->marks, ~(MARK_ABANDONED | MARK_READER_DIED));
}

uint32_t rwlock_value(struct segfs_object *object)
{
	uint64_t used = atomic_load(&object->words->readers);
	uint32_t n = 0;

	if (atomic_load(object->lock.word) & ROBUST_THREAD &&
	    atomic_load(&object->words->marks) & MARK_WRITING)
		return UINT32_MAX;
	for (; used; used &= used - 1) {
		const struct reader *reader = reader_get(object->others, (size_t)__builtin_ctzll(used));

		n += reader && atomic_load(reader->lock.word) & ROBUST_THREAD;
	}
	return n;
}

/* --- reading --- */

#define READS_ALREADY 2 /* the caller held a page before, and holds it once more */

/* By a thread that reads already. depth: how often. */
static int read_again(uint32_t *depth)
{
	if (*depth == UINT32_MAX)
		return -EOVERFLOW;
	++*depth;
	return READS_ALREADY;
}

/* What a thread has taken to read by: a word that it keeps, or a page. */
struct taken {
	struct kept *kept;
	const struct reader *reader;
};

/*
 * Takes the word that the thread keeps, and does not read by, or will keep from now on. Returns 0, -EAGAIN as
 * take_page(); -EAGAIN without `wait`: it keeps none.
 */
static int take_kept(struct segfs_object *object, const struct thread *self, struct taken *taken,
		     struct futex_wait *wait)
{
	const size_t i = preferred(self);
	struct kept *kept = kept_find(self, object->number);
	uint32_t seen;
	int result;

	if (!kept)
		kept = kept_make(self, object->number, object->others->fd, (off_t)((i + 1) * page_size()));
	if (!kept)
		return -EAGAIN;
	mark_used(object, i);
	result = kept_try(kept, self, &seen);
	if (result == 1)
		mark_dead_reader(object, &kept->lock);
	if (result >= 0)
		taken->kept = kept;
	else
		*wait = (struct futex_wait){kept->lock.word, seen};
	return result < 0 ? result : 0;
}

/*
 * Takes the word of one page. first: the first that is tried, after the preferred one. Returns 0;
 * READS_ALREADY; -EAGAIN: all are taken, and `wait` receives one for which to wait; -EOVERFLOW; -EBADMSG;
 * -ENOMEM.
 */
static int take_page(struct segfs_object *object, const struct thread *self, size_t first,
		     struct taken *taken, struct futex_wait *wait)
{
	int result = -EAGAIN;

	for (size_t n = first; n < SEGFS_READERS_MAX && result == -EAGAIN; n++) {
		const size_t i = (preferred(self) + n) % SEGFS_READERS_MAX;
		struct reader *reader = reader_get(object->others, i);
		uint32_t seen;

		if (!reader)
			return -ENOMEM;
		if (robust_is_held(&reader->lock, self))
			return read_again(&reader->lock.holding->depth);
		mark_used(object, i);
		result = robust_try(&reader->lock, self, 0, &seen);
		if (result == 1)
			mark_dead_reader(object, &reader->lock);
		if (result >= 0)
			taken->reader = reader;
		else if (!wait->word && result == -EAGAIN)
			*wait = (struct futex_wait){reader->lock.word, seen};
	}
	return result < 0 ? result : 0;
}

/* Takes a word. wait: its word is NULL. Returns as take_page(). */
static int take_any(struct segfs_object *object, const struct thread *self, struct taken *taken,
		    struct futex_wait *wait)
{
	struct kept *own = find_kept(object, self);
	int result = -EAGAIN;
	bool keeps;

	/* also where it may keep none any more */
	if (own)
		return read_again(&own->depth);
	keeps = kept_is_allowed(self, &object->words->namespace);
	if (keeps && object->number && !find_own(object, self))
		result = take_kept(object, self, taken, wait);
	return result == -EAGAIN ? take_page(object, self, keeps ? 0 : 1, taken, wait) : result;
}

/* Ends a reading. Writers and readers may wait for it. */
static int end_reading(const struct taken *taken, const struct thread *self)
{
	if (taken->kept)
		return kept_release(taken->kept, self);
	return taken->reader ? robust_release(&taken->reader->lock, self, 0, INT_MAX) : -EPERM;
}

/* The kernel wakes one of those who wait for a dead writer; a reader lets the others read, too. */
static void wake_others(struct segfs_object *object, uint32_t word)
{
	if (word & ROBUST_OWNER_DIED && word & ROBUST_WAITERS &&
	    atomic_compare_exchange_strong(object->lock.word, &word, word & ~ROBUST_WAITERS))
		futex_wake(object->lock.word, INT_MAX);
}

/*
 * Reads by the word that the calling thread keeps, if all is as usual, without a call of another function.
 * Returns false, and does not read, if it is not.
 */
static inline bool read_at_once(struct segfs_object *object)
{
	const struct thread *self = thread_known(object->lock.holding);
	struct kept *kept = self ? kept_find(self, object->number) : NULL;

	if (__builtin_expect(!kept || kept->depth > 0 || !kept_take(kept, self), 0))
		return false;
	if (__builtin_expect(!(atomic_load(&object->words->word) & (ROBUST_THREAD | ROBUST_OWNER_DIED)) &&
				     !atomic_load(&object->words->marks),
			     1))
		return true;
	kept_release(kept, self);
	return false;
}

/* One attempt. Returns 0, or the flags of an abandoned lock; -EAGAIN: not now, wait for *wait. */
static int read_once(struct segfs_object *object, const struct thread *self, struct futex_wait *wait)
{
	struct taken taken = {0};
	struct reader *own;
	uint32_t word;
	int result;

	*wait = (struct futex_wait){0};
	result = take_any(object, self, &taken, wait);
	if (result < 0)
		return result;
	word = atomic_load(object->lock.word);
	if (result == READS_ALREADY || !(word & ROBUST_THREAD)) {
		wake_others(object, word);
		return rwlock_abandoned(object);
	}
	/* a writer waits, or writes */
	result = end_reading(&taken, self);
	own = result < 0 ? NULL : find_own(object, self);
	if (own) {
		result = read_again(&own->lock.holding->depth);
		return result < 0 ? result : rwlock_abandoned(object);
	}
	*wait = (struct futex_wait){object->lock.word, word};
	return result < 0 ? result : -EAGAIN;
}

/* Whatever read_at_once() leaves. */
static __attribute__((noinline)) int wait_to_read(struct segfs_object *object,
						  const struct timespec *deadline, unsigned int flags)
{
	const struct thread *self = thread_self(object->lock.holding);
	struct futex_wait wait;
	int result;

	if (object->kind != SEGFS_RWLOCK)
		return -EPROTOTYPE;
	if (!is_wait(deadline, flags, WAIT_FLAGS))
		return -EINVAL;
	if (!self->list)
		return -EOPNOTSUPP;
	if (robust_is_held(&object->lock, self))
		return -EDEADLK;
	while ((result = read_once(object, self, &wait)) == -EAGAIN && !(flags & SEGFS_TRY)) {
		const struct robust lock = {.word = wait.word};

		wait.value = robust_announce(&lock, wait.value);
		result = futex_sleep(&wait, 1, deadline, flags & SEGFS_INTERRUPTIBLE);
		if (result < 0)
			return result;
	}
	return result;
}

int segfs_lock_shared(struct segfs_object *object, const struct timespec *deadline, unsigned int flags)
{
	if (__builtin_expect(!deadline && !flags && read_at_once(object), 1))
		return 0;
	return wait_to_read(object, deadline, flags);
}

/* --- writing --- */

/* Waits until a thread does not read. */
static int wait_for_reader(struct segfs_object *object, const struct reader *reader,
			   const struct timespec *deadline, unsigned int flags)
{
	struct futex_wait wait = {.word = reader->lock.word};
	int result = 0;

	while (result == 0 && (wait.value = atomic_load(wait.word)) & ROBUST_THREAD) {
		if (flags & SEGFS_TRY)
			return -EAGAIN;
		wait.value = robust_announce(&reader->lock, wait.value);
		result = futex_sleep(&wait, 1, deadline, flags & SEGFS_INTERRUPTIBLE);
	}
	if (wait.value & ROBUST_OWNER_DIED)
		mark_dead_reader(object, &reader->lock);
	return result;
}

/* Waits until no thread reads. */
static int wait_for_readers(struct segfs_object *object, const struct timespec *deadline, unsigned int flags)
{
	int result = 0;

	for (uint64_t used = atomic_load(&object->words->readers); used && result == 0; used &= used - 1) {
		const struct reader *reader = reader_get(object->others, (size_t)__builtin_ctzll(used));

		result = reader ? wait_for_reader(object, reader, deadline, flags) : -ENOMEM;
	}
	return result;
}

/* The caller has taken the word of the first page. died: who had it before has died. */
static int begin_writing(struct segfs_object *object, const struct thread *self, bool died,
			 const struct timespec *deadline, unsigned int flags)
{
	int result;

	if (died) {
		if (atomic_load(&object->words->marks) & MARK_WRITING)
			atomic_fetch_or(&object->words->marks, MARK_ABANDONED);
		atomic_fetch_and(&object->words->marks, ~MARK_WRITING);
		atomic_fetch_and(object->lock.word, ~ROBUST_OWNER_DIED);
	}
	result = wait_for_readers(object, deadline, flags);
	if (result < 0) {
		robust_release(&object->lock, self, 0, INT_MAX);
		return result;
	}
	atomic_fetch_or(&object->words->marks, MARK_WRITING);
	return rwlock_abandoned(object);
}

int rwlock_lock(struct segfs_object *object, const struct thread *self, const struct timespec *deadline,
		unsigned int flags)
{
	int result;

	if (robust_is_held(&object->lock, self) || find_kept(object, self) || find_own(object, self))
		return -EDEADLK;
	result = robust_lock(&object->lock, self, &object->spins, deadline, flags);
	return result < 0 ? result : begin_writing(object, self, result == 1, deadline, flags);
}

int rwlock_unlock(struct segfs_object *object, const struct thread *self)
{
	struct kept *kept = find_kept(object, self);
	struct reader *own;

	if (kept && --kept->depth > 0)
		return 0;
	if (kept)
		return kept_release(kept, self);
	if (robust_is_held(&object->lock, self)) {
		/* first: a death before the word is released leaves nothing half written */
		atomic_fetch_and(&object->words->marks, ~MARK_WRITING);
		return robust_release(&object->lock, self, 0, INT_MAX);
	}
	own = find_own(object, self);
	if (!own)
		return -EPERM;
	return --own->lock.holding->depth > 0 ? 0 : robust_release(&own->lock, self, 0, INT_MAX);
}
