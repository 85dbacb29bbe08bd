// SPDX-License-Identifier: MIT
#include "lib/base/delegate.h"
#include "lib/base/clock.h"
#include "lib/base/procfs.h"
#include "lib/base/sanitizer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNNING    64 /* delegates tracked at one time; more than there are threads */
#define STACK_SIZE (64u * 1024u)

/* What a delegate that makes three system calls takes on a usual machine, in nanoseconds. */
#define USUAL_NS     UINT64_C(250000)
#define TRIALS       8
#define SLOWNESS_MAX 10u

static unsigned int slowness = 1;      /* set before there are threads; see delegate_calibrate() */
static _Atomic pid_t running[RUNNING]; /* 0 = free, -1 = reserved, else the pid of a delegate */

struct run {
	const struct delegate *how;
	int (*call)(void *context);
	void *context;
	pid_t caller; /* process on whose behalf it runs */
	int result;
};

/* SIGALRM kills by default. It is fatal, so it ends every wait that SIGKILL ends. */
static int set_deadline(unsigned int milliseconds)
{
	const struct itimerval deadline = {
		.it_value = {.tv_sec = milliseconds / 1000,
			     .tv_usec = (suseconds_t)(milliseconds % 1000) * 1000},
	};
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	if (sigaction(SIGALRM, &by_default, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &alarm, NULL) < 0 ||
	    syscall(SYS_setitimer, ITIMER_REAL, &deadline, NULL) < 0)
		return -errno;
	return 0;
}

/*
 * The delegate dies with its caller and so cannot interfere with the next worker. If the caller has already
 * died, no signal comes; getppid(2) tells.
 */
static int end_with(pid_t caller)
{
	if (syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_getppid) == caller ? 0 : -ESRCH;
}

/* A change of credentials clears the parent-death signal, so it is set again. */
static int prepare(const struct delegate *how, pid_t caller)
{
	int result = end_with(caller);

	if (result == 0)
		result = set_deadline(delegate_time(how->milliseconds));

	/* descriptors above 2 are not even copied */
	if (result == 0 && how->own_descriptors && syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_UNSHARE) < 0)
		result = -errno;
	if (result == 0 && how->credentials)
		result = credentials_set(how->credentials);
	return result == 0 && how->credentials ? end_with(caller) : result;
}

UNSANITIZED static int carry_out(void *argument)
{
	struct run *run = argument;
	int result = prepare(run->how, run->caller);

	/* a failed setup must not look like a result of the call */
	run->result = result == 0 ? run->call(run->context) : procfs_means_absent(-result) ? -EAGAIN : result;
	syscall(SYS_exit, 0);
	return 0;
}

static _Atomic pid_t *take_place(void)
{
	static _Atomic pid_t none;

	for (int i = 0; i < RUNNING; i++) {
		pid_t vacant = 0;

		if (atomic_compare_exchange_strong(&running[i], &vacant, -1))
			return &running[i];
	}
	return &none;
}

bool delegate_is(pid_t process)
{
	bool found = false;

	for (int i = 0; i < RUNNING && process > 0 && !found; i++)
		found = atomic_load(&running[i]) == process;
	return found;
}

int delegate_run(const struct delegate *how, int (*call)(void *context), void *context)
{
	struct run run = {
		.how = how, .call = call, .context = context, .caller = getpid(), .result = -ETIMEDOUT};
	const int saved = errno;
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
			   -1, 0);
	_Atomic pid_t *place;
	int result;
	pid_t pid;

	if (stack == MAP_FAILED)
		return -errno;
	sanitizer_new_stack(stack, STACK_SIZE);
	place = take_place();
	pid = sanitizer_clone(carry_out, stack + STACK_SIZE,
			      CLONE_VM | CLONE_FILES | CLONE_VFORK | CLONE_PARENT_SETTID, &run,
			      (pid_t *)(uintptr_t)place);
	result = pid < 0 ? -errno : 0;
	/* the delegate has exited or is exiting, and no longer uses this memory */
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	atomic_store(place, 0);
	munmap(stack, STACK_SIZE);
	errno = saved;
	return result < 0 ? result : run.result;
}

unsigned int delegate_time(unsigned int milliseconds)
{
	return milliseconds * slowness;
}

static int look_at_nothing(void *unused)
{
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char byte;
	ssize_t length = fd < 0 ? 0 : read(fd, &byte, 1);

	(void)unused;
	close(fd);
	return length == 1;
}

void delegate_calibrate(void)
{
	const struct delegate how = {.milliseconds = 1000, .own_descriptors = true};
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < TRIALS; i++) {
		const uint64_t begin = boottime_nanoseconds(); /* the monotonic one here is coarser */
		uint64_t taken;

		if (delegate_run(&how, look_at_nothing, NULL) < 0)
			return;
		taken = boottime_nanoseconds() - begin;
		best = taken < best ? taken : best;
	}
	slowness = best < USUAL_NS                  ? 1
		   : best < SLOWNESS_MAX * USUAL_NS ? (unsigned int)(best / USUAL_NS)
						    : SLOWNESS_MAX;
}
