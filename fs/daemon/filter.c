// SPDX-License-Identifier: MIT
#include "fs/daemon/filter.h"
#include "fs/daemon/filter_programs.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* of asm-generic/siginfo.h, which conflicts with signal.h */
#endif

static _Atomic int32_t *reported;

bool filter_is_supported(void)
{
	const uint32_t trap = SECCOMP_RET_TRAP;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap) == 0;
}

static int install(const struct filter_program *filter)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter->program) < 0 ? -errno : 0;
}

/*
 * SIGSYS is blocked in its handler: sigaction(2) is forbidden, too, and so makes the kernel kill the process.
 */
static void forbidden_call(int number, siginfo_t *info, void *unused)
{
	struct sigaction by_default = {.sa_handler = SIG_DFL};

	(void)unused;
	if (info->si_code == SYS_SECCOMP)
		atomic_store(reported, info->si_syscall);
	sigaction(number, &by_default, NULL);
	/* in case no filter is installed */
	raise(number);
}

int filter_install_worker(_Atomic int32_t *forbidden)
{
	struct sigaction action = {.sa_sigaction = forbidden_call, .sa_flags = SA_SIGINFO};

	reported = forbidden;
	if (sigaction(SIGSYS, &action, NULL) < 0)
		return -errno;
	return install(&filter_for_worker);
}

int filter_install_supervisor(uint32_t *installed)
{
	int result;

	if (*installed == filter_for_supervisor.id)
		return 0;
	result = install(&filter_for_supervisor);
	if (result == 0)
		*installed = filter_for_supervisor.id;
	return result;
}

const char *filter_call_name(int call)
{
	const char *name = call >= 0 && (size_t)call < filter_n_call_names ? filter_call_names[call] : NULL;

	return name ? name : "unknown";
}
