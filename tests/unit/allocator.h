/* SPDX-License-Identifier: MIT */
/*
 * Replaces the allocator of a unit test, and counts, from allocator_start() to allocator_stop() in one
 * thread: the allocation after the first `n` fails, or all from then on. Sanitizers have an allocator of
 * their own; without ALLOCATOR_FAILS there is nothing to test.
 */
#ifndef SEGFS_TESTS_UNIT_ALLOCATOR_H
#define SEGFS_TESTS_UNIT_ALLOCATOR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static _Thread_local struct {
	bool counts;
	bool go_on_failing;
	long allowed; /* allocations before the one that fails */
	long blocks;  /* allocated and not freed while counting */
} allocator;

static inline void allocator_start(long n, bool go_on_failing)
{
	allocator.allowed = n;
	allocator.go_on_failing = go_on_failing;
	allocator.blocks = 0;
	allocator.counts = true;
}

static inline void allocator_stop(void)
{
	allocator.counts = false;
}

/* Whether this allocation fails, with errno. */
static inline bool allocator_fails(void)
{
	if (!allocator.counts || allocator.allowed-- > 0)
		return false;
	if (allocator.allowed < -1 && !allocator.go_on_failing)
		return false;
	errno = ENOMEM;
	return true;
}

#if defined(__GLIBC__) && !defined(SANITIZED)
#define ALLOCATOR_FAILS 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

/* glibc allows replacing these four as a set */
__attribute__((visibility("default"))) void *malloc(size_t size)
{
	void *block = allocator_fails() ? NULL : __libc_malloc(size);

	allocator.blocks += allocator.counts && block;
	return block;
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t size)
{
	void *block = allocator_fails() ? NULL : __libc_calloc(count, size);

	allocator.blocks += allocator.counts && block;
	return block;
}

__attribute__((visibility("default"))) void *realloc(void *old, size_t size)
{
	void *block = allocator_fails() ? NULL : __libc_realloc(old, size);

	allocator.blocks += allocator.counts && block && !old;
	return block;
}

__attribute__((visibility("default"))) void free(void *block)
{
	allocator.blocks -= allocator.counts && block;
	__libc_free(block);
}
#endif

#endif
