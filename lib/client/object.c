// SPDX-License-Identifier: MIT
#include "lib/client/object.h"
#include "lib/base/cleanup.h"
#include "lib/client/barrier.h"
#include "lib/client/futex.h"
#include "lib/client/kept.h"
#include "lib/client/rwlock.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define SAME(name) _Static_assert((int)SEGFS_##name == (int)OBJECT_##name, "kinds have the same numbers")
SAME(SEMAPHORE);
SAME(EVENT);
SAME(AUTO_EVENT);
SAME(DOORBELL);
SAME(MUTEX);
SAME(RECURSIVE_MUTEX);
SAME(RWLOCK);
SAME(CONDITION);
SAME(BARRIER);
_Static_assert(SEGFS_READERS_MAX == OBJECT_READERS_MAX, "as the file has pages");
_Static_assert(offsetof(struct object_words, word) == sizeof(struct object_words) - 8, "see robust.h");

static struct object_words *words_of(void *page)
{
	return (struct object_words *)(void *)((char *)page + page_size() - sizeof(struct object_words));
}

static bool is_kind(enum segfs_kind kind)
{
	return object_pages(kind) > 0;
}

/* The limit that the creator of an object sets. Returns 0; -EINVAL. */
static int find_limit(enum segfs_kind kind, const struct segfs_object_creation *creation, uint32_t *limit)
{
	uint32_t initial = 0; /* the highest */

	*limit = creation->maximum;
	if (kind == SEGFS_SEMAPHORE) {
		if (creation->maximum == 0)
			*limit = OBJECT_MAX;
		initial = *limit;
		if (*limit > OBJECT_MAX)
			return -EINVAL;
	} else if (kind == SEGFS_BARRIER) {
		if (*limit == 0 || *limit > SEGFS_BARRIER_MAX)
			return -EINVAL;
	} else if (*limit) {
		return -EINVAL;
	}
	if (kind == SEGFS_EVENT || kind == SEGFS_AUTO_EVENT)
		initial = 1;
	return creation->initial > initial ? -EINVAL : 0;
}

/* Makes the first page of the file of a new object; freed by the caller. */
static int fill(enum segfs_kind kind, const struct segfs_object_creation *creation, void **page)
{
	struct object_header header = {.magic = OBJECT_MAGIC, .version = OBJECT_VERSION, .kind = kind};
	int result;

	for (size_t i = 0; i < sizeof(creation->reserved) / sizeof(creation->reserved[0]); i++)
		if (creation->reserved[i])
			return -EINVAL;
	if (!is_kind(kind))
		return -EINVAL;
	result = find_limit(kind, creation, &header.limit);
	if (result < 0)
		return result;
	header.page = (uint32_t)page_size();
	*page = calloc(1, page_size());
	if (!*page)
		return -ENOMEM;
	memcpy(*page, &header, sizeof(header));
	words_of(*page)->word = creation->initial * OBJECT_UNIT;
	return 0;
}

/* Checks a file that anybody may have written. size: of the file. */
static int check(struct segfs_object *object, enum segfs_kind kind, uint64_t size)
{
	struct object_header header;

	/* once: a peer may change it meanwhile */
	memcpy(&header, object->page, sizeof(header));
	if (header.magic != OBJECT_MAGIC)
		return -EBADMSG;
	if (header.version != OBJECT_VERSION)
		return -EPROTONOSUPPORT;
	if (!object_kind_name(&header, size) || header.page != page_size())
		return -EBADMSG;
	if (kind && header.kind != kind)
		return -EPROTOTYPE;
	object->kind = (enum segfs_kind)header.kind;
	object->limit = header.limit;
	if ((object->kind == SEGFS_SEMAPHORE && (header.limit == 0 || header.limit > OBJECT_MAX)) ||
	    (object->kind == SEGFS_BARRIER && (header.limit == 0 || header.limit > SEGFS_BARRIER_MAX)))
		return -EBADMSG;
	return 0;
}

/* Otherwise nobody changes anything while this process looks. */
static bool has_several_cpus(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

/* Maps the file of an object, and checks it. */
static int attach(const struct segfs_segment *segment, enum segfs_kind kind, struct segfs_object **object)
{
	struct segfs_object *made;
	uint64_t size = 0;
	int result = segfs_size(segment, &size);

	if (result == 0 && size < page_size())
		result = -EBADMSG;
	if (result < 0)
		return result;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->page = robust_map(segment->fd, 0, &made->lock);
	result = made->page ? check(made, kind, size) : -errno;
	if (result == 0) {
		made->words = words_of(made->page);
		atomic_store(&made->spins, has_several_cpus() ? SPIN_FIRST : SPIN_NEVER);
		atomic_store(&made->seen, atomic_load(&made->words->word) / OBJECT_UNIT);
		if (made->kind == SEGFS_RWLOCK) {
			/* without one, nothing is kept of it */
			if (getrandom(&made->number, sizeof(made->number), GRND_NONBLOCK) < 0)
				made->number = 0;
			made->others = readers_new(segment->fd);
			result = made->others ? 0 : -errno;
		}
	}
	if (result < 0) {
		segfs_object_close(made);
		return result;
	}
	*object = made;
	return 0;
}

/* What the file of a new object is filled with. */
struct content {
	const void *page; /* the first one */
	const struct segment_filling *more;
};

/* A file of segfs keeps its size from then on. */
static int write_content(int fd, void *context)
{
	const struct content *content = context;
	const ssize_t written = pwrite(fd, content->page, page_size(), 0);
	int result = 0;

	if (written < 0)
		return -errno;
	if ((size_t)written < page_size())
		return -ENOSPC;
	if (attribute_is_known(fd))
		result = attribute_set(fd, "size-policy", "fixed");
	return result == 0 && content->more ? content->more->fill(fd, content->more->context) : result;
}

int object_create(const char *name, enum segfs_kind kind, const struct segfs_object_creation *creation,
		  const struct segment_filling *filling, struct segfs_object **object)
{
	const struct segfs_creation file = {
		.size = object_pages(kind) * page_size(), .mode = creation->mode, .flags = creation->flags};
	struct content content = {.more = filling};
	const struct segment_filling with_page = {.fill = write_content, .context = &content};
	_cleanup_free_ void *page = NULL;
	struct segfs_segment *segment;
	int result = fill(kind, creation, &page);
	int existed;

	if (result < 0)
		return result;
	content.page = page;
	existed = segment_create(name, &file, &with_page, &segment);
	if (existed < 0)
		return existed;
	result = attach(segment, kind, object);
	if (result < 0 && !existed)
		segment_forget(name, segment);
	segfs_close(segment);
	return result < 0 ? result : existed;
}

int segfs_object_create(const char *name, enum segfs_kind kind, const struct segfs_object_creation *creation,
			struct segfs_object **object)
{
	return object_create(name, kind, creation, NULL, object);
}

int segfs_object_open(const char *name, enum segfs_kind kind, struct segfs_object **object)
{
	struct segfs_segment *segment;
	int result;

	if (kind && !is_kind(kind))
		return -EINVAL;
	result = segfs_open(name, SEGFS_WRITE, 0, &segment);
	if (result < 0)
		return result;
	result = attach(segment, kind, object);
	segfs_close(segment);
	return result;
}

enum segfs_kind segfs_object_kind(const struct segfs_object *object)
{
	return object->kind;
}

void segfs_object_close(struct segfs_object *object)
{
	if (!object)
		return;
	if (object->number)
		kept_forget(thread_self(object->lock.holding), object->number);
	readers_free(object->others);
	if (object->page)
		robust_unmap(object->page, &object->lock);
	free(object);
}

uint32_t segfs_object_value(struct segfs_object *object)
{
	const uint32_t word = atomic_load(&object->words->word);

	switch (object->kind) {
	case SEGFS_MUTEX:
	case SEGFS_RECURSIVE_MUTEX:
		return word & ROBUST_THREAD ? 1 : 0;
	case SEGFS_RWLOCK:
		return rwlock_value(object);
	case SEGFS_BARRIER:
		return barrier_arrived(word);
	default:
		return word / OBJECT_UNIT;
	}
}

/* --- changes --- */

#define TRIES 1000000 /* of a change, while others change the word without end */

void object_changed(struct segfs_object *object, uint32_t value, unsigned int n)
{
	if (!(value & OBJECT_WAITERS))
		return;
	if (futex_wake(&object->words->word, n) > 0)
		return;
	/* who has fallen asleep in between would miss the next change */
	if (atomic_compare_exchange_strong(&object->words->word, &value, value & ~OBJECT_WAITERS))
		futex_wake(&object->words->word, INT_MAX);
}

int segfs_post(struct segfs_object *object, uint32_t n)
{
	_Atomic uint32_t *word = &object->words->word;
	uint32_t old = atomic_load(word);

	if (object->kind != SEGFS_SEMAPHORE)
		return -EPROTOTYPE;
	for (int tries = 0; tries < TRIES; tries++) {
		const uint32_t count = old / OBJECT_UNIT;
		const uint32_t value = old + n * OBJECT_UNIT;

		if (count > object->limit || n > object->limit - count)
			return -EOVERFLOW;
		if (n == 0)
			return 0;
		if (atomic_compare_exchange_weak(word, &old, value)) {
			object_changed(object, value, n);
			return 0;
		}
	}
	return -EAGAIN;
}

static bool is_event(const struct segfs_object *object)
{
	return object->kind == SEGFS_EVENT || object->kind == SEGFS_AUTO_EVENT;
}

int segfs_set_event(struct segfs_object *object)
{
	uint32_t old;

	if (!is_event(object))
		return -EPROTOTYPE;
	old = atomic_fetch_or(&object->words->word, OBJECT_UNIT);
	/* also if it was set: who set it may have died before he woke anybody */
	object_changed(object, old | OBJECT_UNIT, object->kind == SEGFS_EVENT ? INT_MAX : 1);
	return 0;
}

int segfs_reset_event(struct segfs_object *object)
{
	if (!is_event(object))
		return -EPROTOTYPE;
	atomic_fetch_and(&object->words->word, OBJECT_WAITERS);
	return 0;
}

int segfs_ring(struct segfs_object *object)
{
	if (object->kind != SEGFS_DOORBELL)
		return -EPROTOTYPE;
	object_changed(object, atomic_fetch_add(&object->words->word, OBJECT_UNIT) + OBJECT_UNIT, INT_MAX);
	return 0;
}

int segfs_notify(struct segfs_object *object, uint32_t n)
{
	if (object->kind != SEGFS_CONDITION)
		return -EPROTOTYPE;
	if (n)
		object_changed(object, atomic_fetch_add(&object->words->word, OBJECT_UNIT) + OBJECT_UNIT, n);
	return 0;
}
