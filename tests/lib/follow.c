// SPDX-License-Identifier: MIT
#include "tests/lib/follow.h"
#include "lib/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define OPTIONS   (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)
#define CALL_STOP (SIGTRAP | 0x80)
#define LET_GO    SIGUSR1 /* from the test */

void follow_resume(const struct follow_stop *stop)
{
	const int event = stop->status >> 16;
	long number = WSTOPSIG(stop->status);

	/* stops of this tracer carry no signal for the thread */
	if (event || number == CALL_STOP || number == SIGTRAP)
		number = 0;
	ptrace(PTRACE_SYSCALL, stop->thread, NULL, number);
}

/* All existing threads; new ones stop at birth. */
static int seize(pid_t process)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/task", process));
	const struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t thread = (pid_t)atoi(entry->d_name);
		int status;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (ptrace(PTRACE_SEIZE, thread, NULL, OPTIONS) < 0) {
			if (errno == ESRCH)
				continue;
			return errno;
		}
		if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0 ||
		    waitpid(thread, &status, __WALL) != thread)
			return errno;
		ptrace(PTRACE_SYSCALL, thread, NULL, 0L);
		n++;
	}
	return n > 0 ? 0 : ESRCH;
}

/* The signals that follow_next() waits for; they stay blocked, so that none is missed. */
static void wanted_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGCHLD);
	sigaddset(signals, LET_GO);
}

/* The first child of the supervisor is the next worker. */
static void look_at_birth(struct follow_shared *shared, const struct follow_stop *stop)
{
	unsigned long child;

	if (stop->is_supervisor && stop->status >> 16 == PTRACE_EVENT_FORK &&
	    atomic_load(&shared->next) == 0 && ptrace(PTRACE_GETEVENTMSG, stop->thread, NULL, &child) == 0)
		atomic_store(&shared->next, (int)child);
}

static bool is_of_next(const struct follow_shared *shared, pid_t thread)
{
	const int next = atomic_load(&shared->next);

	return next && (thread == next || access(path_of("/proc/%d/task/%d", next, thread), F_OK) == 0);
}

/*
 * Each call of what is followed takes two switches to the follower more. The daemon does not know of these
 * when it measures the machine, so on a slow one its delegates would reach their deadlines: they get
 * TEST_WAIT there.
 */
static void lengthen_deadline(pid_t thread)
{
	const long seconds = (long)wait_seconds(0);
	struct __ptrace_syscall_info info;
	struct itimerval timer;
	struct iovec to = {.iov_base = &timer, .iov_len = sizeof(timer)};
	struct iovec from = {.iov_len = sizeof(timer)};

	if (seconds == 0 || ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY || info.entry.nr != SYS_setitimer)
		return;
	from.iov_base = (void *)(uintptr_t)info.entry.args[1];
	if (process_vm_readv(thread, &to, 1, &from, 1, 0) != sizeof(timer) ||
	    (timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0))
		return;
	timer.it_value.tv_sec = seconds;
	process_vm_writev(thread, &to, 1, &from, 1, 0);
}

bool follow_next(struct follow_shared *shared, struct follow_stop *stop)
{
	sigset_t signals;

	wanted_signals(&signals);
	while (!atomic_load(&shared->stop)) {
		stop->thread = waitpid(-1, &stop->status, __WALL | WNOHANG);
		if (stop->thread < 0)
			return false;
		if (stop->thread == 0)
			sigwaitinfo(&signals, NULL);
		else if (WIFSTOPPED(stop->status)) {
			stop->is_call = WSTOPSIG(stop->status) == CALL_STOP;
			stop->is_supervisor = stop->thread == shared->supervisor;
			if (stop->is_call)
				lengthen_deadline(stop->thread);
			look_at_birth(shared, stop);
			stop->is_next = is_of_next(shared, stop->thread);
			return true;
		}
	}
	/* a held thread resumes when its tracer ends */
	return false;
}

void follow_wait_ends(void)
{
	pid_t thread;
	int status;

	/* helper processes of the worker's threads are traced too, and must not run on after the worker */
	while ((thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR)
		if (thread > 0 && WIFSTOPPED(status))
			kill(thread, SIGKILL);
}

int follow_start(pid_t worker, struct follow_shared *shared, void (*follow)(void *context), void *context,
		 pid_t *child)
{
	atomic_store(&shared->error, -1);
	atomic_store(&shared->stop, false);
	fflush(NULL);
	*child = fork();
	assert_true(*child >= 0);
	if (*child == 0) {
		sigset_t signals;
		int error;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		wanted_signals(&signals);
		sigprocmask(SIG_BLOCK, &signals, NULL);
		/*
		 * files of the mount: closing them at exit would wait for the worker that this process still
		 * holds
		 */
		close_range(3, ~0u, 0);
		error = worker ? seize(worker) : 0;
		if (error == 0 && shared->supervisor)
			error = seize(shared->supervisor);
		atomic_store(&shared->error, error);
		if (atomic_load(&shared->error) == 0)
			follow(context);
		_exit(0);
	}
	assert_true(wait_for(atomic_load(&shared->error) >= 0));
	return -atomic_load(&shared->error);
}

void follow_end(struct follow_shared *shared, pid_t child)
{
	atomic_store(&shared->stop, true);
	assert_true(child > 0);
	kill(child, LET_GO);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}
