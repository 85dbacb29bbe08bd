// SPDX-License-Identifier: MIT
/*
 * makecall.so, for LD_PRELOAD: a worker makes a system call chosen by a test in the middle of an operation.
 */
#include "tests/preload/makecall.h"
#include "tests/preload/plan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct make_call *plan;

__attribute__((constructor)) static void map_plan(void)
{
	plan = plan_map("MAKE_CALL", sizeof(*plan));
}

static void make_call(void)
{
	const long *arguments = plan->arguments;
	long result = syscall(plan->number, arguments[0], arguments[1], arguments[2], arguments[3],
			      arguments[4], arguments[5]);

	atomic_store(&plan->result, result < 0 ? -errno : result);
}

__attribute__((visibility("default"))) int mkdirat(int fd, const char *name, mode_t mode)
{
	if (plan && strcmp(name, MAKE_CALL_NAME) == 0 && atomic_exchange(&plan->wanted, 0))
		make_call();
	return (int)syscall(SYS_mkdirat, fd, name, mode);
}

__attribute__((visibility("default"))) int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	if (plan && atomic_exchange(&plan->wanted_above, 0))
		make_call();
	return (int)syscall(SYS_waitid, type, id, info, options, NULL);
}
