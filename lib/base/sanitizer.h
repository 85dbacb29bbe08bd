/* SPDX-License-Identifier: MIT */
/* Annotations for sanitizers. They compile to nothing in other builds. */
#ifndef SEGFS_BASE_SANITIZER_H
#define SEGFS_BASE_SANITIZER_H

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZED 1
#endif
#endif
#ifndef THREAD_SANITIZED
#define THREAD_SANITIZED 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZED 1
#endif
#endif
#ifndef ADDRESS_SANITIZED
#define ADDRESS_SANITIZED 0
#endif

#if ADDRESS_SANITIZED
void __asan_unpoison_memory_region(const volatile void *memory, size_t size);
#endif

/*
 * Resets the shadow of new stack memory. The address sanitizer poisons the gaps between a function's
 * variables until it returns. If a delegate is killed first, the poison outlives the unmapped stack, and the
 * next stack at these addresses inherits it.
 */
static inline void sanitizer_new_stack(void *memory, size_t size)
{
#if ADDRESS_SANITIZED
	__asan_unpoison_memory_region(memory, size);
#else
	(void)memory;
	(void)size;
#endif
}

#if THREAD_SANITIZED

void __tsan_acquire(void *object);
void __tsan_release(void *object);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
int __clone(int (*function)(void *argument), void *stack_end, int flags, void *argument, ...);

/* For a function that does not return but ends its thread or process by a system call. */
#define UNSANITIZED __attribute__((no_sanitize("thread")))

/* Everything that a thread did before the release happens before what another does after the acquire. */
static inline void sanitizer_release(void *object)
{
	__tsan_release(object);
}

static inline void sanitizer_acquire(void *object)
{
	__tsan_acquire(object);
}

/*
 * clone(2) with CLONE_VM | CLONE_VFORK. The sanitizer treats clone(3) like fork(2), but here the child shares
 * the sanitizer's state with all threads. __clone() bypasses it: the sanitizer attributes the child's
 * accesses to the calling thread. They are ignored, because the child's descriptors may differ from ours of
 * the same number.
 */
static inline pid_t sanitizer_clone(int (*function)(void *argument), void *stack_end, int flags,
				    void *argument, pid_t *child)
{
	pid_t pid;

	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
	AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
	pid = __clone(function, stack_end, flags, argument, child);
	AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	return pid;
}

/*
 * pthread_mutex_clocklock(3) on a clock that does not jump. Some versions of the sanitizer intercept only
 * pthread_mutex_timedlock(3).
 */
#define SANITIZER_CLOCK CLOCK_REALTIME
static inline int sanitizer_clocklock(pthread_mutex_t *mutex, const struct timespec *end)
{
	return pthread_mutex_timedlock(mutex, end);
}

#else

#define UNSANITIZED

static inline void sanitizer_release(void *object)
{
	(void)object;
}

static inline void sanitizer_acquire(void *object)
{
	(void)object;
}

static inline pid_t sanitizer_clone(int (*function)(void *argument), void *stack_end, int flags,
				    void *argument, pid_t *child)
{
	return clone(function, stack_end, flags, argument, child);
}

#define SANITIZER_CLOCK CLOCK_MONOTONIC
static inline int sanitizer_clocklock(pthread_mutex_t *mutex, const struct timespec *end)
{
	return pthread_mutex_clocklock(mutex, SANITIZER_CLOCK, end);
}

#endif

#endif
