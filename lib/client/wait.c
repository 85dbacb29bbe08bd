// SPDX-License-Identifier: MIT
#include "lib/client/futex.h"
#include "lib/client/object.h"

#include <errno.h>

#define TRIES 1000 /* of taking, while others change the word; then the deadline is looked at */

/* What the word becomes by a wait that finds this in it. Returns false if there is nothing to take. */
static bool take(struct segfs_object *object, uint32_t old, uint32_t *value)
{
	const uint32_t rest = old / OBJECT_UNIT;

	*value = old;
	switch (object->kind) {
	case SEGFS_SEMAPHORE:
		*value -= OBJECT_UNIT;
		return rest > 0;
	case SEGFS_EVENT:
		return rest > 0;
	case SEGFS_AUTO_EVENT:
		*value &= OBJECT_WAITERS;
		return rest > 0;
	default: /* a doorbell */
		return atomic_load(&object->seen) != rest;
	}
}

/*
 * Takes what there is, without waiting. Returns whether there was something; else *value receives that of the
 * word on which to sleep, with bit 0 set.
 */
static bool try(struct segfs_object *object, uint32_t *value)
{
	_Atomic uint32_t *word = &object->file->word;
	uint32_t old = atomic_load(word);

	for (int tries = 0; tries < TRIES; tries++) {
		if (take(object, old, value)) {
			if (*value != old && !atomic_compare_exchange_weak(word, &old, *value))
				continue;
			if (object->kind == SEGFS_DOORBELL)
				atomic_store(&object->seen, old / OBJECT_UNIT);
			return true;
		}
		*value = old | OBJECT_WAITERS;
		if (*value == old || atomic_compare_exchange_weak(word, &old, *value))
			return false;
	}
	/* a value that the word does not have for long: no sleep */
	*value = old;
	return false;
}

/* Without a trace, for those who do not wait. */
static bool is_there(struct segfs_object *object)
{
	uint32_t value;

	return take(object, atomic_load(&object->file->word), &value);
}

/*
 * One of several waiters of an object is woken for what it has got. If this one takes that of another object,
 * it wakes the next one.
 */
static void pass_on(struct segfs_object *const *objects, size_t n, size_t taken)
{
	for (size_t i = 0; i < n; i++)
		if (i != taken && objects[i]->kind != SEGFS_DOORBELL && is_there(objects[i]))
			futex_wake(&objects[i]->file->word, 1);
}

int segfs_wait_any(struct segfs_object *const *objects, size_t n, const struct timespec *deadline,
		   unsigned int flags)
{
	struct futex_wait waits[SEGFS_OBJECTS_MAX];
	bool has_slept = false;
	int result = 0;

	if (n == 0 || n > SEGFS_OBJECTS_MAX || flags & ~(SEGFS_TRY | SEGFS_INTERRUPTIBLE) ||
	    (deadline && (deadline->tv_nsec < 0 || deadline->tv_nsec >= 1000000000)))
		return -EINVAL;
	while (result == 0) {
		for (size_t i = 0; i < n; i++) {
			if (flags & SEGFS_TRY && !is_there(objects[i]))
				continue;
			waits[i].word = &objects[i]->file->word;
			if (try(objects[i], &waits[i].value)) {
				if (has_slept)
					pass_on(objects, n, i);
				return (int)i;
			}
		}
		result = flags & SEGFS_TRY ? -EAGAIN
					   : futex_sleep(waits, n, deadline, flags & SEGFS_INTERRUPTIBLE);
		has_slept = true;
	}
	return result;
}

int segfs_wait(struct segfs_object *object, const struct timespec *deadline, unsigned int flags)
{
	return segfs_wait_any(&object, 1, deadline, flags);
}

struct timespec *segfs_deadline(struct timespec *deadline, uint64_t nanoseconds)
{
	const uint64_t seconds = nanoseconds / 1000000000;

	clock_gettime(CLOCK_MONOTONIC, deadline);
	deadline->tv_sec += (time_t)seconds;
	deadline->tv_nsec += (long)(nanoseconds % 1000000000);
	if (deadline->tv_nsec >= 1000000000) {
		deadline->tv_nsec -= 1000000000;
		deadline->tv_sec++;
	}
	return deadline;
}
