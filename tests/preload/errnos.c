// SPDX-License-Identifier: MIT
/*
 * errnos.so, for LD_PRELOAD of the daemon: calls that succeed change errno, as POSIX permits. Code that reads
 * it after another call than the failed one gets ERRNOS_CHANGED. Reading at one offset fails.
 */
#include "tests/preload/errnos.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Defines a function of the C library that changes errno unless it fails by returning a negative value. */
#define AFTER(result, name, parameters, arguments)                                                           \
	EXPORT result name parameters;                                                                       \
	EXPORT result name parameters                                                                        \
	{                                                                                                    \
		static result(*next) parameters;                                                             \
		result returned;                                                                             \
                                                                                                             \
		if (!next)                                                                                   \
			*(void **)&next = dlsym(RTLD_NEXT, #name);                                           \
		returned = next arguments;                                                                   \
		if (returned >= 0)                                                                           \
			errno = ERRNOS_CHANGED;                                                              \
		return returned;                                                                             \
	}

AFTER(int, pthread_mutex_lock, (pthread_mutex_t * lock), (lock))
AFTER(int, pthread_mutex_unlock, (pthread_mutex_t * lock), (lock))
AFTER(int, timer_settime, (timer_t timer, int flags, const struct itimerspec *new, struct itimerspec *old),
      (timer, flags, new, old))
AFTER(int, clock_gettime, (clockid_t clock, struct timespec *time), (clock, time))
AFTER(int, close, (int fd), (fd))
AFTER(int, munmap, (void *address, size_t size), (address, size))
AFTER(int, fstat, (int fd, struct stat *found), (fd, found))
AFTER(int, fstatat, (int fd, const char *name, struct stat *found, int flags), (fd, name, found, flags))
AFTER(int, fstatfs, (int fd, struct statfs *found), (fd, found))
AFTER(int, setfsuid, (uid_t uid), (uid))
AFTER(int, setfsgid, (gid_t gid), (gid))
AFTER(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t offset), (fd, data, size, offset))
AFTER(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))

EXPORT ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
	ssize_t length = offset == ERRNOS_UNREADABLE ? -1 : syscall(SYS_pread64, fd, data, size, offset);

	if (offset == ERRNOS_UNREADABLE)
		errno = EIO;
	else if (length >= 0)
		errno = ERRNOS_CHANGED;
	return length;
}
