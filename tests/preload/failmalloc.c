// SPDX-License-Identifier: MIT
/*
 * failmalloc.so, for LD_PRELOAD: allocations chosen by a test, through shared memory, fail. Memory comes from
 * glibc under its other names, so that no symbol has to be looked up before the first allocation.
 */
/* both mmap and mmap64 are defined here */
#undef _FILE_OFFSET_BITS
#include "tests/preload/failmalloc.h"
#include "tests/preload/plan.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static struct fail_malloc *plan;
static bool is_worker; /* this process is a worker */
static bool is_chosen; /* ... to which FAIL_IN_NEXT applies */

/* True, with errno set, if this allocation is to fail. */
static bool fails(size_t size)
{
	int in = plan ? atomic_load(&plan->in) : FAIL_NOWHERE;
	int first;
	int number;

	if (in == FAIL_NOWHERE || is_worker != (in != FAIL_IN_START) || (in == FAIL_IN_NEXT && !is_chosen))
		return false;
	first = atomic_load(&plan->first);
	if (first == 0 || size < (size_t)atomic_load(&plan->least_size))
		return false;
	number = atomic_fetch_add(&plan->count, 1) + 1;
	if (number < first || number > atomic_load(&plan->last))
		return false;
	atomic_fetch_add(&plan->failed, 1);
	errno = ENOMEM;
	return true;
}

EXPORT void *malloc(size_t size)
{
	return fails(size) ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	return fails(n * size) ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *memory, size_t size)
{
	return fails(size) ? NULL : __libc_realloc(memory, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return fails(size) ? NULL : __libc_memalign(alignment, size);
}

EXPORT void *memalign(size_t alignment, size_t size);
EXPORT void *memalign(size_t alignment, size_t size)
{
	return fails(size) ? NULL : __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *made = fails(size) ? NULL : __libc_memalign(alignment, size);

	if (!made)
		return ENOMEM;
	*memory = made;
	return 0;
}

/* The next definition of a function. */
static void *next(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (!function)
		abort();
	return function;
}

#define NEXT(function, name)                                                                                 \
	do {                                                                                                 \
		if (!(function))                                                                             \
			*(void **)&(function) = next(name);                                                  \
	} while (0)

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	static void *(*real)(void *, size_t, int, int, int, off_t);

	if (flags & MAP_ANONYMOUS && fails(size))
		return MAP_FAILED;
	NEXT(real, "mmap");
	return real(address, size, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd, off64_t offset)
{
	static void *(*real)(void *, size_t, int, int, int, off64_t);

	if (flags & MAP_ANONYMOUS && fails(size))
		return MAP_FAILED;
	NEXT(real, "mmap64");
	return real(address, size, protection, flags, fd, offset);
}

EXPORT void *mremap(void *address, size_t old_size, size_t size, int flags, ...)
{
	static void *(*real)(void *, size_t, size_t, int, ...);
	va_list arguments;
	void *wanted;

	va_start(arguments, flags);
	wanted = flags & MREMAP_FIXED ? va_arg(arguments, void *) : NULL;
	va_end(arguments);
	if (fails(size))
		return MAP_FAILED;
	NEXT(real, "mremap");
	return real(address, old_size, size, flags, wanted);
}

/* The C library allocates memory for threads and processes past the names above. */
EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *),
			  void *argument)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

	if (fails(INT_MAX))
		return EAGAIN;
	NEXT(real, "pthread_create");
	return real(thread, attributes, function, argument);
}

EXPORT int clone(int (*function)(void *), void *stack, int flags, void *argument, ...)
{
	static int (*real)(int (*)(void *), void *, int, void *, ...);
	va_list arguments;
	void *values[3];

	va_start(arguments, argument);
	for (int i = 0; i < 3; i++)
		values[i] = va_arg(arguments, void *);
	va_end(arguments);
	if (fails(INT_MAX))
		return -1;
	NEXT(real, "clone");
	return real(function, stack, flags, argument, values[0], values[1], values[2]);
}

/* The first action of a worker is to set its name. */
EXPORT int prctl(int option, ...)
{
	unsigned long values[4];
	va_list arguments;

	va_start(arguments, option);
	for (int i = 0; i < 4; i++)
		values[i] = va_arg(arguments, unsigned long);
	va_end(arguments);
	if (plan && option == PR_SET_NAME && strcmp((const char *)values[0], "segfs-worker") == 0) {
		is_worker = true;
		is_chosen = atomic_fetch_sub(&plan->workers, 1) > 0;
	}
	return (int)syscall(SYS_prctl, option, values[0], values[1], values[2], values[3]);
}

/* Whatever processes need later is initialized before anything can fail. */
__attribute__((constructor)) static void map_plan(void)
{
	void *memory = plan_map("FAIL_MALLOC", sizeof(*plan));
	struct passwd entry;
	struct passwd *found;
	char text[4096];

	if (!memory)
		return;
	/* glibc before 2.37 crashes if the very first look-up of a user gets no memory */
	getpwnam_r("root", &entry, text, sizeof(text), &found);
	plan = memory;
}
