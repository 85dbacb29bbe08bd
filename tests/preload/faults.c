// SPDX-License-Identifier: MIT
/*
 * faults.so, for LD_PRELOAD: mkdir(2) of a name that begins with "fault-" causes the kind of fault that the
 * rest of the name gives: before the directory is created, or after it if the name ends with "-after".
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static volatile char *volatile nowhere;

/* More stack with each call. */
__attribute__((noinline)) static int deeper(int depth)
{
	volatile char memory[4096];

	memory[0] = (char)depth;
	return depth < 0 ? 0 : deeper(depth + 1) + memory[0];
}

static bool begins(const char *name, const char *kind)
{
	return strncmp(name, kind, strlen(kind)) == 0;
}

static void have_fault(const char *kind)
{
	if (begins(kind, "segv"))
		*nowhere = 1;
	else if (begins(kind, "abort"))
		abort();
	else if (begins(kind, "overflow"))
		deeper(0);
	else if (begins(kind, "kill"))
		kill(getpid(), SIGKILL);
	else if (begins(kind, "exit"))
		_exit(3);
	else if (begins(kind, "hang"))
		for (;;)
			pause();
	else if (begins(kind, "spin"))
		for (;;)
			nowhere = NULL;
}

EXPORT int mkdirat(int dir_fd, const char *name, mode_t mode)
{
	static int (*next)(int, const char *, mode_t);
	bool is_fault = begins(name, "fault-");
	bool after = is_fault && strstr(name, "-after");
	int result;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "mkdirat");
	if (is_fault && !after)
		have_fault(name + strlen("fault-"));
	result = next(dir_fd, name, mode);
	if (after)
		have_fault(name + strlen("fault-"));
	return result;
}
