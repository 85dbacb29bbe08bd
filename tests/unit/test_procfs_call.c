// SPDX-License-Identifier: MIT
/* The system call of a thread that is about to sleep, as a requester may be when its request is read. */
#include "lib/base/procfs.h"
#include "tests/unit/features.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <time.h>

#define BUSY 100 /* milliseconds of processor time */

static long long spent(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static void about_to_sleep(void **unused)
{
	atomic_bool *spins =
		mmap(NULL, sizeof(*spins), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const pid_t parent = getpid();
	long call;
	pid_t pid;

	(void)unused;
	need_shared_memory();
	if (access("/proc/self/syscall", R_OK) < 0)
		skip_missing("/proc/PID/syscall");
	assert_ptr_not_equal(spins, MAP_FAILED);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Yama lets only some processes look; without Yama this fails, and does not matter */
		prctl(PR_SET_PTRACER, parent);
		atomic_store(spins, true);
		while (spent() < BUSY)
			;
		for (;;)
			syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	}
	while (!atomic_load(spins))
		sched_yield();
	call = procfs_call(pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(spins, sizeof(*spins));
	assert_int_equal(call, SYS_ppoll);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {cmocka_unit_test(about_to_sleep)};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
