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

#define TAKES  1u /* what is there */
#define SLEEPS 2u /* if it is not: others have to wake the caller */

/*
 * Looks whether a wait would end, and with TAKES ends it. If not, *value receives the word, in which
 * OBJECT_WAITERS is set with SLEEPS.
 */
static bool try(struct segfs_object *object, unsigned int how, uint32_t *value)
{
	_Atomic uint32_t *word = &object->words->word;
	uint32_t old = atomic_load(word);

	for (int tries = 0; tries < TRIES; tries++) {
		if (take(object, old, value)) {
			if (how & TAKES && *value != old && !atomic_compare_exchange_weak(word, &old, *value))
				continue;
			if (how & TAKES && object->kind == SEGFS_DOORBELL)
				atomic_store(&object->seen, old / OBJECT_UNIT);
			return true;
		}
		*value = how & SLEEPS ? old | OBJECT_WAITERS : old;
		if (*value == old || atomic_compare_exchange_weak(word, &old, *value))
			return false;
	}
	/* a value that the word does not have for long: no sleep */
	*value = old;
	return false;
}

/* One of several sleepers was woken for what an object has. If he leaves that, he wakes the next one. */
static void pass_on(struct segfs_object *object)
{
	uint32_t value;

	if (object->kind != SEGFS_DOORBELL && try(object, 0, &value))
		futex_wake(&object->words->word, 1);
}

/* Returns 0, or the error of what a wait for several was called with. */
static int check(struct segfs_object *const *objects, size_t n, const struct timespec *deadline,
		 unsigned int flags)
{
	if (n == 0 || n > SEGFS_OBJECTS_MAX || !is_wait(deadline, flags, WAIT_FLAGS))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (objects[i]->kind > SEGFS_DOORBELL)
			return -EPROTOTYPE;
	return 0;
}

int segfs_wait_any(struct segfs_object *const *objects, size_t n, const struct timespec *deadline,
		   unsigned int flags)
{
	struct futex_wait waits[SEGFS_OBJECTS_MAX];
	int result = check(objects, n, deadline, flags);
	/* the first look does not set OBJECT_WAITERS: something may be there */
	unsigned int how = TAKES;
	bool has_slept = false;

	while (result == 0) {
		for (size_t i = 0; i < n; i++) {
			waits[i].word = &objects[i]->words->word;
			if (!try(objects[i], how, &waits[i].value))
				continue;
			/* a wake-up that ended the sleep may have been for one that was not looked at since
			 */
			for (size_t j = i + 1; has_slept && j < n; j++)
				pass_on(objects[j]);
			return (int)i;
		}
		if (flags & SEGFS_TRY)
			return -EAGAIN;
		if (how & SLEEPS) {
			result = futex_sleep(waits, n, deadline, flags & SEGFS_INTERRUPTIBLE);
			has_slept = true;
		}
		how |= SLEEPS;
	}
	return result;
}

/* A function of its own: what it needs on the stack would cost those who need not wait. */
__attribute__((noinline)) static int wait_for_one(struct segfs_object *object,
						  const struct timespec *deadline, unsigned int flags)
{
	uint32_t value;

	if (object->kind <= SEGFS_DOORBELL && !(flags & ~SEGFS_INTERRUPTIBLE) && !try(object, 0, &value))
		futex_spin(&object->words->word, value, &object->spins);
	return segfs_wait_any(&object, 1, deadline, flags);
}

int segfs_wait(struct segfs_object *object, const struct timespec *deadline, unsigned int flags)
{
	_Atomic uint32_t *word = &object->words->word;
	/* relaxed: the exchange orders, and compares */
	uint32_t old = atomic_load_explicit(word, memory_order_relaxed);

	/* what is there is taken at once */
	if (object->kind == SEGFS_SEMAPHORE && old >= OBJECT_UNIT && is_wait(deadline, flags, WAIT_FLAGS) &&
	    atomic_compare_exchange_strong(word, &old, old - OBJECT_UNIT))
		return 0;
	return wait_for_one(object, deadline, flags);
}

/* --- all of several --- */

/* Undoes a wait that took something. seen: of a doorbell, before it. */
static void give_back(struct segfs_object *object, uint32_t seen)
{
	switch (object->kind) {
	case SEGFS_SEMAPHORE:
		segfs_post(object, 1);
		break;
	case SEGFS_AUTO_EVENT:
		segfs_set_event(object);
		break;
	case SEGFS_DOORBELL:
		atomic_store(&object->seen, seen);
		break;
	default: /* nothing was taken */
		break;
	}
}

/*
 * Takes all, or none. Returns n; else the index of one that is missing, and the value of its word.
 * how: SLEEPS or 0.
 */
static size_t take_all(struct segfs_object *const *objects, size_t n, unsigned int how, uint32_t *value)
{
	uint32_t seen[SEGFS_OBJECTS_MAX];

	/* nothing is taken, for others to miss, while one is known to be missing */
	for (size_t i = 0; i < n; i++)
		if (!try(objects[i], how, value))
			return i;
	for (size_t i = 0; i < n; i++) {
		seen[i] = atomic_load(&objects[i]->seen);
		if (try(objects[i], TAKES | how, value))
			continue;
		for (size_t j = 0; j < i; j++)
			give_back(objects[j], seen[j]);
		return i;
	}
	return n;
}

int segfs_wait_all(struct segfs_object *const *objects, size_t n, const struct timespec *deadline,
		   unsigned int flags)
{
	int result = check(objects, n, deadline, flags);
	size_t slept_for = n;

	while (result == 0) {
		struct futex_wait wait = {0};
		const size_t missing = take_all(objects, n, flags & SEGFS_TRY ? 0 : SLEEPS, &wait.value);

		if (missing == n)
			return 0;
		if (slept_for < n && slept_for != missing)
			pass_on(objects[slept_for]);
		slept_for = missing;
		wait.word = &objects[missing]->words->word;
		result = flags & SEGFS_TRY ? -EAGAIN
					   : futex_sleep(&wait, 1, deadline, flags & SEGFS_INTERRUPTIBLE);
	}
	if (slept_for < n)
		pass_on(objects[slept_for]);
	return result;
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
