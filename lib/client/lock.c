// SPDX-License-Identifier: MIT
/* Mutexes, and the functions that they and reader-writer locks have in common. */
#include "lib/client/futex.h"
#include "lib/client/kept.h"
#include "lib/client/rwlock.h"

#include <errno.h>

static bool is_mutex(const struct segfs_object *object)
{
	return object->kind == SEGFS_MUTEX || object->kind == SEGFS_RECURSIVE_MUTEX;
}

/* One more time by the thread that has it. */
static int lock_again(struct segfs_object *object)
{
	if (object->kind != SEGFS_RECURSIVE_MUTEX)
		return -EDEADLK;
	if (object->lock.holding->depth == UINT32_MAX)
		return -EOVERFLOW;
	object->lock.holding->depth++;
	return segfs_abandoned(object);
}

static int mutex_lock(struct segfs_object *object, const struct thread *self, const struct timespec *deadline,
		      unsigned int flags)
{
	if (robust_is_held(&object->lock, self))
		return lock_again(object);
	return robust_lock(&object->lock, self, &object->spins, deadline, flags);
}

static int mutex_unlock(struct segfs_object *object, const struct thread *self)
{
	if (!robust_is_held(&object->lock, self))
		return -EPERM;
	if (--object->lock.holding->depth > 0)
		return 0;
	/*
	 * "abandoned" stays in the word, so that an unlock which is not finished by a death keeps it as well;
	 * relaxed: none but the holder changes it
	 */
	return robust_release(
		&object->lock, self,
		atomic_load_explicit(object->lock.word, memory_order_relaxed) & ROBUST_OWNER_DIED, 1);
}

int segfs_lock(struct segfs_object *object, const struct timespec *deadline, unsigned int flags)
{
	const struct thread *self = thread_self(object->lock.holding);

	if (!is_wait(deadline, flags, WAIT_FLAGS))
		return -EINVAL;
	if (!is_mutex(object) && object->kind != SEGFS_RWLOCK)
		return -EPROTOTYPE;
	if (!self->list)
		return -EOPNOTSUPP;
	return is_mutex(object) ? mutex_lock(object, self, deadline, flags)
				: rwlock_lock(object, self, deadline, flags);
}

/* Whatever is no reading once by a word that the thread keeps. */
static __attribute__((noinline)) int unlock(struct segfs_object *object)
{
	const struct thread *self = thread_self(object->lock.holding);

	if (!is_mutex(object) && object->kind != SEGFS_RWLOCK)
		return -EPROTOTYPE;
	if (!self->list)
		return -EPERM;
	return is_mutex(object) ? mutex_unlock(object, self) : rwlock_unlock(object, self);
}

int segfs_unlock(struct segfs_object *object)
{
	const struct thread *self = thread_known(object->lock.holding);
	struct kept *kept = self ? kept_find(self, object->number) : NULL;

	if (kept && kept->depth == 1)
		return kept_release(kept, self);
	return unlock(object);
}

int segfs_abandoned(struct segfs_object *object)
{
	if (object->kind == SEGFS_RWLOCK)
		return rwlock_abandoned(object);
	if (!is_mutex(object))
		return -EPROTOTYPE;
	return atomic_load(object->lock.word) & ROBUST_OWNER_DIED ? SEGFS_ABANDONED : 0;
}

int segfs_clear_abandoned(struct segfs_object *object)
{
	const struct thread *self = thread_self(object->lock.holding);

	if (!is_mutex(object) && object->kind != SEGFS_RWLOCK)
		return -EPROTOTYPE;
	if (!self->list || !robust_is_held(&object->lock, self))
		return -EPERM;
	if (is_mutex(object))
		atomic_fetch_and(object->lock.word, ~ROBUST_OWNER_DIED);
	else
		rwlock_clear(object);
	return 0;
}

/* --- conditions --- */

int segfs_condition_wait(struct segfs_object *condition, struct segfs_object *mutex,
			 const struct timespec *deadline, unsigned int flags)
{
	const struct thread *self = thread_self(mutex->lock.holding);
	_Atomic uint32_t *word = &condition->words->word;
	uint32_t value, depth;
	int result = 0, locked;

	if (condition->kind != SEGFS_CONDITION || !is_mutex(mutex))
		return -EPROTOTYPE;
	if (!is_wait(deadline, flags, SEGFS_INTERRUPTIBLE))
		return -EINVAL;
	if (!self->list || !robust_is_held(&mutex->lock, self))
		return -EPERM;
	/* before the mutex is released: whoever locks it next, and notifies, changes it */
	value = atomic_fetch_or(word, OBJECT_WAITERS) | OBJECT_WAITERS;
	depth = mutex->lock.holding->depth;
	mutex->lock.holding->depth = 1;
	locked = mutex_unlock(mutex, self);
	while (locked == 0 && result == 0 && (atomic_load(word) ^ value) < OBJECT_UNIT) {
		const struct futex_wait wait = {word, value};

		atomic_fetch_or(word, OBJECT_WAITERS);
		result = futex_sleep(&wait, 1, deadline, flags & SEGFS_INTERRUPTIBLE);
	}
	/* as after a mutex that cannot be locked, so that the caller knows that it does not hold it */
	if (result == -EFAULT)
		return result;
	if (locked == 0)
		locked = mutex_lock(mutex, self, NULL, 0);
	if (locked < 0)
		return locked;
	mutex->lock.holding->depth = depth;
	return result < 0 ? result : locked;
}
