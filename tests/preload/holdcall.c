// SPDX-License-Identifier: MIT
/*
 * holdcall.so, for LD_PRELOAD: holds a thread of the daemon before a system call until a test releases it, so
 * that the test can change the object of the call. Other threads go on.
 */
#include "tests/preload/hold.h"
#include "tests/preload/plan.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

static struct hold *plan;

__attribute__((constructor)) static void map_plan(void)
{
	plan = plan_map("HOLD_CALL", sizeof(*plan));
}

/* Returns 0, or -1 with errno if the call is to fail. */
static int point(enum hold_call call)
{
	const struct timespec moment = {.tv_nsec = 100000};
	int wanted = (int)call;

	if (!plan || !atomic_compare_exchange_strong(&plan->call, &wanted, HOLD_NONE))
		return 0;
	atomic_store(&plan->reached, 1);
	while (!atomic_load(&plan->go))
		nanosleep(&moment, NULL);
	if (atomic_load(&plan->error) == 0)
		return 0;
	errno = atomic_load(&plan->error);
	return -1;
}

/* The C library has several names for it, depending on the size of off_t and on compile-time checks. */
#define OPEN(name, parameters)                                                                               \
	EXPORT int name parameters;                                                                          \
	EXPORT int name parameters                                                                           \
	{                                                                                                    \
		if (strncmp(path, "/proc/self/fd/", strlen("/proc/self/fd/")) == 0 &&                        \
		    (flags & O_ACCMODE) != O_RDONLY)                                                         \
			if (point(HOLD_OPEN) < 0)                                                            \
				return -1;                                                                   \
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0666);                                \
	}

OPEN(open, (const char *path, int flags, ...))
OPEN(__open64_2, (const char *path, int flags))

#define BEFORE(call, name, parameters, arguments)                                                            \
	EXPORT int name parameters;                                                                          \
	EXPORT int name parameters                                                                           \
	{                                                                                                    \
		static int(*next) parameters;                                                                \
                                                                                                             \
		if (!next)                                                                                   \
			*(void **)&next = dlsym(RTLD_NEXT, #name);                                           \
		return point(call) < 0 ? -1 : next arguments;                                                \
	}

BEFORE(HOLD_UNLINKAT, unlinkat, (int dir_fd, const char *name, int flags), (dir_fd, name, flags))
BEFORE(HOLD_RENAMEAT2, renameat2,
       (int from_fd, const char *from, int to_fd, const char *to, unsigned int flags),
       (from_fd, from, to_fd, to, flags))
BEFORE(HOLD_FTRUNCATE, ftruncate, (int fd, off_t size), (fd, size))
BEFORE(HOLD_SETXATTR, setxattr,
       (const char *path, const char *name, const void *value, size_t size, int flags),
       (path, name, value, size, flags))
BEFORE(HOLD_CHMOD, chmod, (const char *path, mode_t mode), (path, mode))
BEFORE(HOLD_FCHOWNAT, fchownat, (int dir_fd, const char *name, uid_t uid, gid_t gid, int flags),
       (dir_fd, name, uid, gid, flags))

BEFORE(HOLD_MAKE, mkdirat, (int dir_fd, const char *name, mode_t mode), (dir_fd, name, mode))
BEFORE(HOLD_MAKE, mknodat, (int dir_fd, const char *name, mode_t mode, dev_t device),
       (dir_fd, name, mode, device))
BEFORE(HOLD_MAKE, symlinkat, (const char *target, int dir_fd, const char *name), (target, dir_fd, name))
BEFORE(HOLD_MAKE, linkat, (int from_fd, const char *from, int to_fd, const char *to, int flags),
       (from_fd, from, to_fd, to, flags))

EXPORT int openat(int dir_fd, const char *path, int flags, ...);
EXPORT int openat(int dir_fd, const char *path, int flags, ...)
{
	const bool makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
	mode_t mode = 0;
	va_list arguments;

	va_start(arguments, flags);
	if (makes)
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return makes && point(HOLD_MAKE) < 0 ? -1 : (int)syscall(SYS_openat, dir_fd, path, flags, mode);
}

EXPORT int name_to_handle_at(int dir_fd, const char *name, struct file_handle *handle, int *mount_id,
			     int flags);
EXPORT int name_to_handle_at(int dir_fd, const char *name, struct file_handle *handle, int *mount_id,
			     int flags)
{
	const int result = (int)syscall(SYS_name_to_handle_at, dir_fd, name, handle, mount_id, flags);

	if (result < 0 || (*name && strcmp(name, HOLD_NAME) != 0))
		return result;
	return point(HOLD_IDENTIFY);
}
