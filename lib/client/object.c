// SPDX-License-Identifier: MIT
#include "lib/client/object.h"
#include "lib/client/futex.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>

#define MAGIC   0x6a626f7366676573u /* "segfsobj" in memory */
#define VERSION 1u

_Static_assert(sizeof(struct object_file) == OBJECT_SIZE, "an object is one page");

static bool is_kind(enum segfs_kind kind)
{
	return kind >= SEGFS_SEMAPHORE && kind <= SEGFS_DOORBELL;
}

/* Fills the file of a new object. */
static int fill(struct object_file *file, enum segfs_kind kind, const struct segfs_object_creation *creation)
{
	const bool counts = kind == SEGFS_SEMAPHORE;
	const bool has_state = kind == SEGFS_EVENT || kind == SEGFS_AUTO_EVENT;
	const uint32_t maximum = counts && creation->maximum == 0 ? OBJECT_MAX : creation->maximum;

	for (size_t i = 0; i < sizeof(creation->reserved) / sizeof(creation->reserved[0]); i++)
		if (creation->reserved[i])
			return -EINVAL;
	if (!is_kind(kind) || (!counts && maximum) || maximum > OBJECT_MAX ||
	    creation->initial > (counts ? maximum : has_state))
		return -EINVAL;
	*file = (struct object_file){
		.magic = MAGIC,
		.version = VERSION,
		.kind = kind,
		.limit = maximum,
		.word = creation->initial * OBJECT_UNIT,
	};
	return 0;
}

/* Checks a file that anybody may have written. Values are read once. */
static int check(struct segfs_object *object, enum segfs_kind kind)
{
	const volatile struct object_file *file = object->file;
	const uint32_t found = file->kind;

	if (file->magic != MAGIC)
		return -EBADMSG;
	if (file->version != VERSION)
		return -EPROTONOSUPPORT;
	if (!is_kind((enum segfs_kind)found))
		return -EBADMSG;
	if (kind && found != kind)
		return -EPROTOTYPE;
	object->kind = (enum segfs_kind)found;
	object->limit = file->limit;
	if (object->kind == SEGFS_SEMAPHORE && (object->limit == 0 || object->limit > OBJECT_MAX))
		return -EBADMSG;
	return 0;
}

/* Maps the file of an object, and checks it. */
static int attach(const struct segfs_segment *segment, enum segfs_kind kind, struct segfs_object **object)
{
	struct segfs_object *made;
	uint64_t size = 0;
	int result = segfs_size(segment, &size);

	if (result == 0 && size != OBJECT_SIZE)
		result = -EBADMSG;
	if (result < 0)
		return result;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->file = mmap(NULL, OBJECT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);
	result = made->file == MAP_FAILED ? -errno : check(made, kind);
	if (result < 0) {
		if (made->file != MAP_FAILED)
			munmap(made->file, OBJECT_SIZE);
		free(made);
		return result;
	}
	atomic_store(&made->seen, atomic_load(&made->file->word) / OBJECT_UNIT);
	*object = made;
	return 0;
}

int segfs_object_create(const char *name, enum segfs_kind kind, const struct segfs_object_creation *creation,
			struct segfs_object **object)
{
	const struct segfs_creation file = {
		.size = OBJECT_SIZE, .mode = creation->mode, .flags = creation->flags};
	struct segfs_segment *segment;
	struct object_file content;
	int result = fill(&content, kind, creation);
	int existed;

	if (result < 0)
		return result;
	existed = segment_create(name, &file, &content, sizeof(content), &segment);
	if (existed < 0)
		return existed;
	result = attach(segment, kind, object);
	segfs_close(segment);
	if (result < 0 && !existed)
		segfs_remove(name);
	return result < 0 ? result : existed;
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
	munmap(object->file, OBJECT_SIZE);
	free(object);
}

uint32_t segfs_object_value(const struct segfs_object *object)
{
	return atomic_load(&object->file->word) / OBJECT_UNIT;
}

/* --- changes --- */

#define TRIES 1000000 /* of a change, while others change the word without end */

/* Wakes at most `n` sleepers after a change of the word to `value`, if bit 0 of it is set. */
static void changed(struct segfs_object *object, uint32_t value, unsigned int n)
{
	if (!(value & OBJECT_WAITERS))
		return;
	if (futex_wake(&object->file->word, n) == 0)
		atomic_compare_exchange_strong(&object->file->word, &value, value & ~OBJECT_WAITERS);
}

int segfs_post(struct segfs_object *object, uint32_t n)
{
	_Atomic uint32_t *word = &object->file->word;
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
			changed(object, value, n);
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
	old = atomic_fetch_or(&object->file->word, OBJECT_UNIT);
	/* also if it was set: who set it may have died before he woke anybody */
	changed(object, old | OBJECT_UNIT, object->kind == SEGFS_EVENT ? INT_MAX : 1);
	return 0;
}

int segfs_reset_event(struct segfs_object *object)
{
	if (!is_event(object))
		return -EPROTOTYPE;
	atomic_fetch_and(&object->file->word, OBJECT_WAITERS);
	return 0;
}

int segfs_ring(struct segfs_object *object)
{
	if (object->kind != SEGFS_DOORBELL)
		return -EPROTOTYPE;
	changed(object, atomic_fetch_add(&object->file->word, OBJECT_UNIT) + OBJECT_UNIT, INT_MAX);
	return 0;
}
