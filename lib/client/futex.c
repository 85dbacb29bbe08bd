// SPDX-License-Identifier: MIT
#include "lib/client/futex.h"
#include "lib/segfs.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_SECONDS 1       /* of sleep at a time */
#define STEP          1000000 /* ns between looks at several words, without futex_waitv(2) */

#define SPIN_AT_LEAST 10 /* looks; the CPU rests some 40 ns between them */
#define SPIN_AT_MOST  200

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

/* As struct futex_waitv and FUTEX_32 of the kernel, which headers before Linux 5.16 lack. */
struct waiter {
	uint64_t value;
	uint64_t address;
	uint32_t flags;
	uint32_t reserved;
};

#define WORD_OF_32_BITS 2u

static bool is_earlier(const struct timespec *left, const struct timespec *right)
{
	return left->tv_sec < right->tv_sec ||
	       (left->tv_sec == right->tv_sec && left->tv_nsec < right->tv_nsec);
}

static long sleep_for_one(const struct futex_wait *wait, const struct timespec *end)
{
	return syscall(SYS_futex, wait->word, FUTEX_WAIT_BITSET, wait->value, end, NULL,
		       FUTEX_BITSET_MATCH_ANY);
}

/* A kernel before 5.16: waiters look every millisecond. */
static long sleep_a_step(void)
{
	const struct timespec step = {.tv_nsec = STEP};

	return nanosleep(&step, NULL);
}

static long sleep_for_any(const struct futex_wait *waits, size_t n, const struct timespec *end)
{
	struct waiter waiters[SEGFS_OBJECTS_MAX];
	long result;

	for (size_t i = 0; i < n; i++)
		waiters[i] = (struct waiter){
			.value = waits[i].value,
			.address = (uintptr_t)waits[i].word,
			.flags = WORD_OF_32_BITS,
		};
	result = syscall(SYS_futex_waitv, waiters, n, 0, end, CLOCK_MONOTONIC);
	return result < 0 && errno == ENOSYS ? sleep_a_step() : result;
}

int futex_sleep(const struct futex_wait *waits, size_t n, const struct timespec *deadline, bool interruptible)
{
	const int saved = errno;
	struct timespec end;
	int result = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	if (deadline && !is_earlier(&end, deadline))
		return -ETIMEDOUT;
	end.tv_sec += SLICE_SECONDS;
	if (deadline && is_earlier(deadline, &end))
		end = *deadline;
	if ((n == 1 ? sleep_for_one(waits, &end) : sleep_for_any(waits, n, &end)) < 0)
		result = errno;
	errno = saved;
	if (result == EINTR)
		return interruptible ? -EINTR : 0;
	/* a word that changed, and the end of a slice */
	return result == EFAULT ? -EFAULT : 0;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

bool futex_spin(const _Atomic uint32_t *word, uint32_t value, _Atomic uint32_t *spins)
{
	/* relaxed, here and below: a guess, and callers look at the word again */
	const uint32_t learnt = atomic_load_explicit(spins, memory_order_relaxed);
	const uint32_t limit =
		2 * learnt + SPIN_AT_LEAST < SPIN_AT_MOST ? 2 * learnt + SPIN_AT_LEAST : SPIN_AT_MOST;
	uint32_t n = 0;

	if (learnt == SPIN_NEVER)
		return false;
	while (n < limit && atomic_load_explicit(word, memory_order_relaxed) == value) {
		relax();
		n++;
	}
	/* threads may overwrite what others have learnt */
	atomic_store_explicit(spins, n < limit ? learnt - learnt / 8 + n / 8 : learnt - (learnt + 7) / 8,
			      memory_order_relaxed);
	return n < limit;
}

unsigned int futex_wake(_Atomic uint32_t *word, unsigned int n)
{
	const int saved = errno;
	const long woken = syscall(SYS_futex, word, FUTEX_WAKE, n < INT_MAX ? n : INT_MAX, NULL, NULL, 0);

	errno = saved;
	return woken > 0 ? (unsigned int)woken : 0;
}
