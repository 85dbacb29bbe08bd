// SPDX-License-Identifier: MIT
/*
 * endworker.so, for LD_PRELOAD: a worker kills itself by a signal at a point chosen by a test, which may be
 * before its first reply. A point is the begin or the end of a call of one of the functions below.
 */
#include "tests/preload/endworker.h"
#include "tests/preload/plan.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct end_worker *plan;
static bool is_worker; /* this process is a worker */
static int number;     /* points passed by this worker */
static atomic_int calls;

__attribute__((constructor)) static void map_plan(void)
{
	plan = plan_map("END_WORKER", sizeof(*plan));
}

static void point(void)
{
	if (!is_worker || atomic_load(&plan->last) < number || atomic_load(&plan->first) > number ||
	    atomic_fetch_add(&calls, 1) + 1 != atomic_load(&plan->call))
		return;
	atomic_fetch_add(&plan->ended, 1);
	syscall(SYS_kill, (pid_t)syscall(SYS_getpid), atomic_load(&plan->signal));
}

/* The first action of a worker is to set its name. */
static void note_name(int option, unsigned long value)
{
	if (!plan || option != PR_SET_NAME || strcmp((const char *)value, "segfs-worker") != 0)
		return;
	is_worker = true;
	number = atomic_fetch_add(&plan->started, 1) + 1;
	atomic_store(&calls, 0);
}

/* Defines a function of the C library with a point before and after it. */
#define AROUND(result, name, parameters, arguments)                                                          \
	EXPORT result name parameters;                                                                       \
	EXPORT result name parameters                                                                        \
	{                                                                                                    \
		static result(*next) parameters;                                                             \
		result returned;                                                                             \
                                                                                                             \
		if (!next)                                                                                   \
			*(void **)&next = dlsym(RTLD_NEXT, #name);                                           \
		point();                                                                                     \
		returned = next arguments;                                                                   \
		point();                                                                                     \
		return returned;                                                                             \
	}

AROUND(DIR *, opendir, (const char *path), (path))
AROUND(int, close, (int fd), (fd))
AROUND(ssize_t, read, (int fd, void *buffer, size_t size), (fd, buffer, size))
AROUND(ssize_t, write, (int fd, const void *buffer, size_t size), (fd, buffer, size))
AROUND(ssize_t, writev, (int fd, const struct iovec *parts, int n), (fd, parts, n))
AROUND(int, sigaction, (int number_, const struct sigaction *new, struct sigaction *old), (number_, new, old))
AROUND(int, pthread_create,
       (pthread_t * thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument),
       (thread, attributes, function, argument))
AROUND(int, kill, (pid_t pid, int number_), (pid, number_))
AROUND(int, madvise, (void *address, size_t size, int advice), (address, size, advice))

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	int result;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	point();
	result = (int)syscall(SYS_ioctl, fd, request, argument);
	point();
	return result;
}

EXPORT int prctl(int option, ...)
{
	unsigned long values[4];
	va_list arguments;
	int result;

	va_start(arguments, option);
	for (int i = 0; i < 4; i++)
		values[i] = va_arg(arguments, unsigned long);
	va_end(arguments);
	point();
	result = (int)syscall(SYS_prctl, option, values[0], values[1], values[2], values[3]);
	note_name(option, values[0]);
	point();
	return result;
}
