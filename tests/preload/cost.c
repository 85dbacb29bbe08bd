// SPDX-License-Identifier: MIT
/*
 * cost.so, for LD_PRELOAD of the daemon: counts the locks and the allocations of each request, see cost.h.
 * Memory comes from glibc under its other names, so that no symbol has to be looked up before the first
 * allocation.
 */
#include "tests/preload/cost.h"
#include "tests/preload/plan.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

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
	/* last: the test waits for it */
	atomic_fetch_add(&of->requests, 1);
	opcode = 0;
}

EXPORT ssize_t read(int fd, void *buffer, size_t size)
{
	struct fuse_in_header header;
	ssize_t length;

	if (report && size >= REQUEST_ROOM && opcode)
		end_request();
	length = syscall(SYS_read, fd, buffer, size);
	if (report && size >= REQUEST_ROOM && length >= (ssize_t)sizeof(header)) {
		memcpy(&header, buffer, sizeof(header));
		opcode = header.opcode < COST_OPCODES ? header.opcode : 0;
		locks = allocations = 0;
	}
	return length;
}

/* --- locks --- */

#define LOCK(function, type)                                                                                 \
	EXPORT int function(type *lock)                                                                      \
	{                                                                                                    \
		static int (*next)(type * lock);                                                             \
                                                                                                             \
		if (!next)                                                                                   \
			*(void **)&next = dlsym(RTLD_NEXT, #function);                                       \
		locks++;                                                                                     \
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
