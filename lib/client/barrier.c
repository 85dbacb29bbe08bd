// SPDX-License-Identifier: MIT
/*
 * Barriers. The word has, above OBJECT_WAITERS, how many have arrived, and a number that changes whenever all
 * have. So one change of the word is an arrival, or opens the barrier: a death leaves it done or not. Who
 * dies while he waits has arrived.
 */
#include "lib/client/barrier.h"
#include "lib/client/futex.h"
#include "lib/client/object.h"

#include <errno.h>
#include <limits.h>

#define ARRIVED(word)    ((word) / OBJECT_UNIT & SEGFS_BARRIER_MAX)
#define GENERATION_SHIFT 17
#define TRIES            1000000 /* of a change, while others change the word without end */

_Static_assert(OBJECT_UNIT *(SEGFS_BARRIER_MAX + 1u) == 1u << GENERATION_SHIFT, "no bit is of both");

uint32_t barrier_arrived(uint32_t word)
{
	return ARRIVED(word);
}

static bool is_same_generation(uint32_t left, uint32_t right)
{
	return left >> GENERATION_SHIFT == right >> GENERATION_SHIFT;
}

/* Takes an arrival back. Returns false if the barrier has been opened meanwhile. */
static bool withdraw(_Atomic uint32_t *word, uint32_t mine)
{
	uint32_t old = atomic_load(word);

	for (int tries = 0; tries < TRIES && is_same_generation(old, mine) && ARRIVED(old) > 0; tries++)
		if (atomic_compare_exchange_weak(word, &old, old - OBJECT_UNIT))
			return true;
	return is_same_generation(old, mine);
}

/* Waits until the generation is another than that of `mine`. */
static int wait_for_the_last(_Atomic uint32_t *word, uint32_t mine, const struct timespec *deadline,
			     unsigned int flags)
{
	int result = 0;

	while (result == 0) {
		struct futex_wait wait = {word, atomic_fetch_or(word, OBJECT_WAITERS) | OBJECT_WAITERS};

		if (!is_same_generation(wait.value, mine))
			return 0;
		result = futex_sleep(&wait, 1, deadline, flags & SEGFS_INTERRUPTIBLE);
	}
	return withdraw(word, mine) ? result : 0;
}

int segfs_barrier_wait(struct segfs_object *object, const struct timespec *deadline, unsigned int flags)
{
	_Atomic uint32_t *word = &object->words->word;
	uint32_t old = atomic_load(word);

	if (object->kind != SEGFS_BARRIER)
		return -EPROTOTYPE;
	if (!is_wait(deadline, flags, WAIT_FLAGS))
		return -EINVAL;
	for (int tries = 0; tries < TRIES; tries++) {
		const uint32_t arrived = ARRIVED(old) + 1;
		uint32_t value = old + OBJECT_UNIT;

		if (arrived > object->limit)
			return -EBADMSG;
		if (arrived == object->limit) {
			value = ((old >> GENERATION_SHIFT) + 1) << GENERATION_SHIFT | (old & OBJECT_WAITERS);
			if (atomic_compare_exchange_weak(word, &old, value)) {
				object_changed(object, value, INT_MAX);
				return 1;
			}
		} else if (flags & SEGFS_TRY) {
			return -EAGAIN;
		} else if (atomic_compare_exchange_weak(word, &old, value)) {
			return wait_for_the_last(word, old, deadline, flags);
		}
	}
	return -EAGAIN;
}
