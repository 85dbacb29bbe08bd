// SPDX-License-Identifier: MIT
#include "tests/lib/killpoint.h"
#include "lib/base/cleanup.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)
#define CALL_STOP (SIGTRAP | 0x80)

struct killpoint_shared {
	atomic_int error;  /* of following the worker; -1 = not yet */
	atomic_bool stop;  /* let go */
	atomic_bool killed;
};

static void resume(pid_t thread, int status)
{
	const int event = status >> 16;
	long number = WSTOPSIG(status);

	/* stops of ours bring no signal for the thread */
	if (event || number == CALL_STOP || number == SIGTRAP)
		number = 0;
	ptrace(PTRACE_SYSCALL, thread, NULL, number);
}

/* Takes hold of every thread there is; those that come later are held from their birth. */
static int seize(pid_t worker)
{
	_cleanup_closedir_ DIR *dir = opendir(path_of("/proc/%d/task", worker));
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
		if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0 || waitpid(thread, &status, __WALL) != thread)
			return errno;
		ptrace(PTRACE_SYSCALL, thread, NULL, 0L);
		n++;
	}
	return n > 0 ? 0 : ESRCH;
}

/* The stopped threads never run again: what a system call would have done next is not done. */
static void kill_worker(struct killpoint_shared *shared, pid_t worker, pid_t supervisor)
{
	if (!is_child_of(worker, supervisor))
		return;
	atomic_store(&shared->killed, true);
	kill(worker, SIGKILL);
	/* its end is told to the supervisor once we have seen it */
	while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
		;
}

static void follow(struct killpoint_shared *shared, pid_t worker, pid_t supervisor, unsigned int n)
{
	int status;
	pid_t thread;

	atomic_store(&shared->error, seize(worker));
	if (atomic_load(&shared->error))
		return;
	while (!atomic_load(&shared->stop)) {
		thread = waitpid(-1, &status, __WALL | WNOHANG);
		if (thread < 0)
			return;
		if (thread == 0) {
			sched_yield();
			continue;
		}
		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == CALL_STOP && --n == 0) {
			kill_worker(shared, worker, supervisor);
			return;
		}
		resume(thread, status);
	}
	/* who was held goes on by itself when the holder is gone */
}

int killpoint_set(struct killpoint *point, const struct mount *mount, unsigned int n)
{
	void *memory = mmap(NULL, sizeof(*point->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int error;

	assert_ptr_not_equal(memory, MAP_FAILED);
	*point = (struct killpoint){.worker = worker_pid(mount), .shared = memory};
	atomic_store(&point->shared->error, -1);
	fflush(NULL);
	point->tracer = fork();
	assert_true(point->tracer >= 0);
	if (point->tracer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* files of the mount: at its end, closing them would wait for the worker that it still holds */
		close_range(3, ~0u, 0);
		follow(point->shared, point->worker, mount->supervisor, n);
		_exit(0);
	}
	assert_true(wait_for(atomic_load(&point->shared->error) >= 0));
	error = atomic_load(&point->shared->error);
	if (error)
		killpoint_end(point, mount);
	return -error;
}

bool killpoint_killed(const struct killpoint *point)
{
	return atomic_load(&point->shared->killed);
}

bool killpoint_end(struct killpoint *point, const struct mount *mount)
{
	bool killed;

	atomic_store(&point->shared->stop, true);
	while (waitpid(point->tracer, NULL, 0) < 0 && errno == EINTR)
		;
	killed = atomic_load(&point->shared->killed);
	munmap(point->shared, sizeof(*point->shared));
	if (killed)
		worker_wait_next(mount, point->worker);
	return killed;
}
