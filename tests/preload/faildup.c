// SPDX-License-Identifier: MIT
/* faildup.so, for LD_PRELOAD of the daemon: one duplication of a descriptor fails, see faildup.h. */
#include "tests/preload/faildup.h"
#include "tests/preload/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/syscall.h>

#define EXPORT __attribute__((visibility("default")))

static struct fail_dup *plan;

__attribute__((constructor)) static void map_plan(void)
{
	plan = plan_map("FAIL_DUP", sizeof(*plan));
}

static bool fails(int command)
{
	int call = plan ? atomic_load(&plan->call) : 0;

	if (call == 0 || command != F_DUPFD_CLOEXEC || atomic_fetch_add(&plan->count, 1) + 1 != call)
		return false;
	atomic_fetch_add(&plan->failed, 1);
	errno = EMFILE;
	return true;
}

EXPORT int fcntl(int fd, int command, ...);
EXPORT int fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return fails(command) ? -1 : (int)syscall(SYS_fcntl, fd, command, argument);
}
