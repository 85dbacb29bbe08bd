// SPDX-License-Identifier: MIT
/*
 * cost.so, for LD_PRELOAD of the daemon: counts the locks and the allocations of each request, and what it
 * closes under a lock, see cost.h. Memory comes from glibc under its other names, so that no symbol has to be
 * looked up before the first allocation.
 */
#include "tests/preload/cost.h"
#include "tests/preload/plan.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* missing in older headers */
#ifndef FUSE_DEV_IOC_BACKING_CLOSE
#define FUSE_DEV_IOC_BACKING_CLOSE _IOW(229, 2, uint32_t)
#endif

/* No other read of the daemon has so much room. */
#define REQUEST_ROOM (1024 * 1024)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static struct request_cost *report;

/* Of the calling thread. In the static block, which needs no allocation. */
#define OF_THREAD static _Thread_local __attribute__((tls_model("initial-exec")))

OF_THREAD uint32_t opcode; /* of the request that it carries out; 0 = none */
OF_THREAD unsigned int locks;
OF_THREAD unsigned int allocations;
OF_THREAD unsigned int closed_locked;
OF_THREAD uintptr_t held[8]; /* locks that it holds, also from before the request */
OF_THREAD unsigned int n_held;

/* Held by the thread that reads requests, also while it carries one out: nobody waits for it but readers. */
static atomic_uintptr_t reader_role;

static void raise_to(atomic_uint *most, unsigned int n)
{
	unsigned int known = atomic_load(most);

	while (known < n && !atomic_compare_exchange_weak(most, &known, n))
		;
}

static void end_request(void)
{
	struct cost_of *of = &report->of[opcode];

	raise_to(&of->most_locks, locks);
	raise_to(&of->most_allocations, allocations);
	atomic_fetch_add(&of->closed_locked, closed_locked);
	/* last: the test waits for it */
	atomic_fetch_add(&of->requests, 1);
	opcode = 0;
}

static void note_locked(uintptr_t lock)
{
	if (lock != atomic_load(&reader_role) && n_held < sizeof(held) / sizeof(held[0]))
		held[n_held++] = lock;
}

static void note_unlocked(uintptr_t lock)
{
	for (unsigned int i = n_held; i-- > 0;) {
		if (held[i] != lock)
			continue;
		held[i] = held[--n_held];
		return;
	}
}

EXPORT ssize_t read(int fd, void *buffer, size_t size)
{
	struct fuse_in_header header;
	ssize_t length;

	if (report && size >= REQUEST_ROOM && opcode)
		end_request();
	if (report && size >= REQUEST_ROOM && n_held > 0) {
		atomic_store(&reader_role, held[0]);
		n_held = 0;
	}
	length = syscall(SYS_read, fd, buffer, size);
	if (report && size >= REQUEST_ROOM && length >= (ssize_t)sizeof(header)) {
		memcpy(&header, buffer, sizeof(header));
		opcode = header.opcode < COST_OPCODES ? header.opcode : 0;
		locks = allocations = closed_locked = 0;
	}
	return length;
}

/* --- locks --- */

#define LOCK(function, type)                                                                                 \
	EXPORT int function(type *lock)                                                                      \
	{                                                                                                    \
		static int (*next)(type * lock);                                                             \
		int result;                                                                                  \
                                                                                                             \
		if (!next)                                                                                   \
			*(void **)&next = dlsym(RTLD_NEXT, #function);                                       \
		locks++;                                                                                     \
		result = next(lock);                                                                         \
		if (result == 0)                                                                             \
			note_locked((uintptr_t)lock);                                                        \
		return result;                                                                               \
	}

#define UNLOCK(function, type)                                                                               \
	EXPORT int function(type *lock)                                                                      \
	{                                                                                                    \
		static int (*next)(type * lock);                                                             \
                                                                                                             \
		if (!next)                                                                                   \
			*(void **)&next = dlsym(RTLD_NEXT, #function);                                       \
		note_unlocked((uintptr_t)lock);                                                              \
		return next(lock);                                                                           \
	}

LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_tryrdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(pthread_rwlock_trywrlock, pthread_rwlock_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)
LOCK(pthread_spin_trylock, pthread_spinlock_t)
UNLOCK(pthread_mutex_unlock, pthread_mutex_t)
UNLOCK(pthread_rwlock_unlock, pthread_rwlock_t)
UNLOCK(pthread_spin_unlock, pthread_spinlock_t)

/* --- what may free memory of files --- */

EXPORT int close(int fd)
{
	closed_locked += n_held > 0;
	return (int)syscall(SYS_close, fd);
}

EXPORT int dup3(int fd, int replaced, int flags)
{
	closed_locked += n_held > 0;
	return (int)syscall(SYS_dup3, fd, replaced, flags);
}

EXPORT int ioctl(int fd, unsigned long command, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, command);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	closed_locked += n_held > 0 && command == FUSE_DEV_IOC_BACKING_CLOSE;
	return (int)syscall(SYS_ioctl, fd, command, argument);
}

/* --- allocations --- */

EXPORT void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

EXPORT void *realloc(void *memory, size_t size)
{
	allocations++;
	return __libc_realloc(memory, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	allocations++;
	return __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *made;

	allocations++;
	made = __libc_memalign(alignment, size);
	if (!made)
		return ENOMEM;
	*memory = made;
	return 0;
}

__attribute__((constructor)) static void map_plan(void)
{
	report = plan_map("REQUEST_COST", sizeof(*report));
}
