// SPDX-License-Identifier: MIT
/*
 * reader.so, for LD_PRELOAD of the daemon: records calls of the reader thread that may wait for another
 * process: access to /proc/PID of others, leases, child processes, and waits.
 *
 * A delegate of the reader counts as the reader, which waits for it: they share thread-local memory.
 */
#undef _FILE_OFFSET_BITS /* keeps the functions below under their own names */

#include "tests/preload/reader.h"
#include "tests/preload/plan.h"

#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct reader_calls *calls;
static bool (*is_reader)(void);

__attribute__((constructor)) static void map_plan(void)
{
	calls = plan_map("READER_CALLS", sizeof(*calls));
	*(void **)&is_reader = dlsym(RTLD_DEFAULT, "reader_is_self");
}

static void note(const char *call, const char *about)
{
	unsigned int n;

	if (!calls || !is_reader)
		return;
	atomic_fetch_add(&calls->looked, 1);
	if (!is_reader())
		return;
	n = atomic_fetch_add(&calls->n, 1);
	if (n < READER_CALLS_MAX)
		snprintf(calls->calls[n], sizeof(calls->calls[n]), "%s %s", call, about);
}

/* Whether the path is below /proc/PID of another process. */
static bool is_of_other(const char *path)
{
	char *end;
	long pid;

	if (strncmp(path, "/proc/", 6) != 0 || !isdigit((unsigned char)path[6]))
		return false;
	pid = strtol(path + 6, &end, 10);
	/* reading status never waits, and the requester's capabilities are available nowhere else */
	return pid != getpid() && strcmp(end, "/status") != 0;
}

static void look(const char *call, int dir, const char *path)
{
	char whole[512] = "";
	char link[64];
	ssize_t length;

	if (path[0] == '/') {
		if (is_of_other(path))
			note(call, path);
		return;
	}
	if (dir < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
	length = syscall(SYS_readlinkat, AT_FDCWD, link, whole, sizeof(whole) / 2);
	if (length <= 0)
		return;
	snprintf(whole + length, sizeof(whole) - (size_t)length, "/%.200s", path);
	if (is_of_other(whole))
		note(call, whole);
}

static mode_t mode_of(int flags, va_list arguments)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(function)                                                                                       \
	EXPORT int function(const char *path, int flags, ...)                                                \
	{                                                                                                    \
		va_list arguments;                                                                           \
		mode_t mode;                                                                                 \
                                                                                                             \
		va_start(arguments, flags);                                                                  \
		mode = mode_of(flags, arguments);                                                            \
		va_end(arguments);                                                                           \
		look(#function, AT_FDCWD, path);                                                             \
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);                                \
	}

#define OPENAT(function)                                                                                     \
	EXPORT int function(int dir, const char *path, int flags, ...)                                       \
	{                                                                                                    \
		va_list arguments;                                                                           \
		mode_t mode;                                                                                 \
                                                                                                             \
		va_start(arguments, flags);                                                                  \
		mode = mode_of(flags, arguments);                                                            \
		va_end(arguments);                                                                           \
		look(#function, dir, path);                                                                  \
		return (int)syscall(SYS_openat, dir, path, flags, mode);                                     \
	}

#define STATAT(function, type)                                                                               \
	EXPORT int function(int dir, const char *path, struct type *stat, int flags)                         \
	{                                                                                                    \
		look(#function, dir, path);                                                                  \
		return (int)syscall(SYS_newfstatat, dir, path, stat, flags);                                 \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
STATAT(fstatat, stat)
STATAT(fstatat64, stat64)

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);

/* with _FORTIFY_SOURCE */
EXPORT int __open_2(const char *path, int flags)
{
	return open(path, flags);
}

EXPORT int __open64_2(const char *path, int flags)
{
	return open(path, flags);
}

EXPORT int __openat_2(int dir, const char *path, int flags)
{
	return openat(dir, path, flags);
}

EXPORT int __openat64_2(int dir, const char *path, int flags)
{
	return openat(dir, path, flags);
}

#define STAT(function, type, flags)                                                                          \
	EXPORT int function(const char *path, struct type *stat)                                             \
	{                                                                                                    \
		look(#function, AT_FDCWD, path);                                                             \
		return (int)syscall(SYS_newfstatat, AT_FDCWD, path, stat, flags);                            \
	}

STAT(stat, stat, 0)
STAT(stat64, stat64, 0)
STAT(lstat, stat, AT_SYMLINK_NOFOLLOW)
STAT(lstat64, stat64, AT_SYMLINK_NOFOLLOW)

EXPORT int statx(int dir, const char *path, int flags, unsigned int mask, struct statx *found)
{
	look("statx", dir, path);
	return (int)syscall(SYS_statx, dir, path, flags, mask, found);
}

EXPORT int faccessat(int dir, const char *path, int mode, int flags)
{
	look("faccessat", dir, path);
	return (int)syscall(SYS_faccessat2, dir, path, mode, flags);
}

EXPORT int access(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, 0);
}

EXPORT DIR *opendir(const char *path)
{
	static DIR *(*next)(const char *path);

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "opendir");
	look("opendir", AT_FDCWD, path);
	return next(path);
}

EXPORT ssize_t readlinkat(int dir, const char *path, char *target, size_t size)
{
	look("readlinkat", dir, path);
	return syscall(SYS_readlinkat, dir, path, target, size);
}

EXPORT ssize_t readlink(const char *path, char *target, size_t size)
{
	return readlinkat(AT_FDCWD, path, target, size);
}

ssize_t __readlinkat_chk(int dir, const char *path, char *target, size_t size, size_t room);
ssize_t __readlink_chk(const char *path, char *target, size_t size, size_t room);

EXPORT ssize_t __readlinkat_chk(int dir, const char *path, char *target, size_t size, size_t room)
{
	(void)room;
	return readlinkat(dir, path, target, size);
}

EXPORT ssize_t __readlink_chk(const char *path, char *target, size_t size, size_t room)
{
	(void)room;
	return readlinkat(AT_FDCWD, path, target, size);
}

static int control(int fd, int command, unsigned long argument)
{
	if (command == F_SETLEASE && argument != F_UNLCK)
		note("fcntl", "F_SETLEASE");
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

#define FCNTL(function)                                                                                      \
	EXPORT int function(int fd, int command, ...)                                                        \
	{                                                                                                    \
		va_list arguments;                                                                           \
		unsigned long argument;                                                                      \
                                                                                                             \
		va_start(arguments, command);                                                                \
		argument = va_arg(arguments, unsigned long);                                                 \
		va_end(arguments);                                                                           \
		return control(fd, command, argument);                                                       \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	note("waitpid", "");
	return (pid_t)syscall(SYS_wait4, pid, status, options, NULL);
}

EXPORT int nanosleep(const struct timespec *time, struct timespec *left)
{
	note("nanosleep", "");
	return (int)syscall(SYS_nanosleep, time, left);
}
