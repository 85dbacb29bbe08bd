// SPDX-License-Identifier: MIT
#include "tests/lib/killpoint.h"
#include "tests/lib/follow.h"
#include "tests/lib/process.h"
#include "tests/lib/worker.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

struct killpoint_shared {
	struct follow_shared follow;
	pid_t worker;
	pid_t supervisor;
	unsigned int at;          /* number of the point at which the first worker is killed */
	unsigned int next_at;     /* ... the next worker; 0 = not killed */
	struct call_kinds *kinds; /* instead of `at`; or NULL */
	struct call_text text;
	atomic_uint passed;
	atomic_uint passed_by_next;
	atomic_uint killed;
};

/*
 * The stopped threads never run again, so nothing happens after the system call. `thread` may be a helper
 * process of the worker.
 */
static void kill_worker(struct killpoint_shared *shared, pid_t worker, pid_t thread)
{
	bool is_delegate = is_child_of(thread, worker);

	if (!is_child_of(worker, shared->supervisor))
		return;
	atomic_fetch_add(&shared->killed, 1);
	kill(worker, SIGKILL);
	if (is_delegate)
		kill(thread, SIGKILL);
}

static bool is_new_kind(struct killpoint_shared *shared, pid_t thread)
{
	struct __ptrace_syscall_info info;

	return ptrace(PTRACE_GET_SYSCALL_INFO, thread, (void *)sizeof(info), &info) > 0 &&
	       call_is_of_new_kind(shared->kinds, &shared->text, thread, &info);
}

/* Whether the first worker has reached its point. */
static bool is_due(struct killpoint_shared *shared, pid_t thread)
{
	unsigned int passed = atomic_fetch_add(&shared->passed, 1) + 1;

	return shared->kinds ? is_new_kind(shared, thread) : passed == shared->at;
}

/* Returns whether the last worker to be killed has been killed. */
static bool pass(struct killpoint_shared *shared, const struct follow_stop *stop)
{
	if (stop->is_next) {
		if (atomic_fetch_add(&shared->passed_by_next, 1) + 1 != shared->next_at)
			return false;
		kill_worker(shared, atomic_load(&shared->follow.next), stop->thread);
		return true;
	}
	if (stop->is_supervisor || !is_due(shared, stop->thread))
		return false;
	kill_worker(shared, shared->worker, stop->thread);
	return shared->next_at == 0;
}

static void follow(void *context)
{
	struct killpoint_shared *shared = context;
	struct follow_stop stop;

	while (follow_next(&shared->follow, &stop)) {
		if (stop.is_call && pass(shared, &stop)) {
			/*
			 * the supervisor learns of its end only after this tracer has reaped it, or has ended
			 */
			if (shared->next_at == 0)
				follow_wait_ends();
			return;
		}
		follow_resume(&stop);
	}
}

static int set(struct killpoint *point, const struct mount *mount, unsigned int n, unsigned int next,
	       struct call_kinds *kinds)
{
	void *memory =
		mmap(NULL, sizeof(*point->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int result;

	assert_ptr_not_equal(memory, MAP_FAILED);
	*point = (struct killpoint){.worker = worker_pid(mount), .shared = memory};
	point->shared->at = n;
	point->shared->next_at = next;
	point->shared->kinds = kinds;
	if (kinds)
		point->shared->text = call_text_of(point->worker);
	point->shared->worker = point->worker;
	point->shared->supervisor = mount->supervisor;
	point->shared->follow.supervisor = next ? mount->supervisor : 0;
	result = follow_start(point->worker, &point->shared->follow, follow, point->shared, &point->tracer);
	if (result < 0)
		killpoint_end(point, mount);
	return result;
}

int killpoint_set(struct killpoint *point, const struct mount *mount, unsigned int n)
{
	return set(point, mount, n, 0, NULL);
}

int killpoint_set_two(struct killpoint *point, const struct mount *mount, unsigned int n, unsigned int next)
{
	return set(point, mount, n, next, NULL);
}

int killpoint_set_kind(struct killpoint *point, const struct mount *mount, struct call_kinds *kinds)
{
	return set(point, mount, 0, 0, kinds);
}

unsigned int killpoint_killed(const struct killpoint *point)
{
	return atomic_load(&point->shared->killed);
}

unsigned int killpoint_passed(const struct killpoint *point)
{
	return atomic_load(&point->shared->passed);
}

unsigned int killpoint_passed_by_next(const struct killpoint *point)
{
	return atomic_load(&point->shared->passed_by_next);
}

unsigned int killpoint_end(struct killpoint *point, const struct mount *mount)
{
	unsigned int killed;

	follow_end(&point->shared->follow, point->tracer);
	killed = atomic_load(&point->shared->killed);
	munmap(point->shared, sizeof(*point->shared));
	if (killed)
		worker_wait_next(mount, point->worker);
	return killed;
}
