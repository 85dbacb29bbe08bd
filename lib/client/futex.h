/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a change of a word that processes share.
 *
 * No waiter sleeps longer than a second at a time: the process that was to wake it may have died between its
 * change of the word and the call that wakes. Each caller then looks at the word again.
 */
#ifndef SEGFS_CLIENT_FUTEX_H
#define SEGFS_CLIENT_FUTEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A word, and the value that makes its waiters sleep. */
struct futex_wait {
	_Atomic uint32_t *word;
	uint32_t value;
};

/*
 * Sleeps while all `n` words, at most SEGFS_OBJECTS_MAX, have their values.
 * deadline: CLOCK_MONOTONIC; NULL = none. interruptible: a signal handler ends the wait.
 * Returns 0: look again; -ETIMEDOUT; -EINTR; -EFAULT: the words are no longer mapped.
 */
int futex_sleep(const struct futex_wait *waits, size_t n, const struct timespec *deadline,
		bool interruptible);

/*
 * Looks at a word for a moment, since who changes it is perhaps just doing that on another CPU: much shorter
 * than a sleep. How long depends on whether it was worth it lately.
 * value: of the word, beside which it waits. spins: what was learnt, of this process; SPIN_NEVER = does not.
 * Returns whether the word has another value.
 */
bool futex_spin(const _Atomic uint32_t *word, uint32_t value, _Atomic uint32_t *spins);

#define SPIN_NEVER UINT32_MAX
#define SPIN_FIRST 100u /* before anything is learnt */

/* Wakes at most `n` of those who sleep for this word. Returns how many. */
unsigned int futex_wake(_Atomic uint32_t *word, unsigned int n);

#endif
