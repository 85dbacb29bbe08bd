/* SPDX-License-Identifier: MIT */
/* For tests of libsegfs's synchronization objects: making them, waiting for a while, and deaths at each
 * instruction. */
#ifndef SEGFS_TESTS_MOUNT_OBJECTS_H
#define SEGFS_TESTS_MOUNT_OBJECTS_H

#include "lib/segfs.h"
#include "tests/lib/job.h"
#include "tests/mount/library.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>

#define MILLISECOND UINT64_C(1000000)
#define SECOND      UINT64_C(1000000000)

/* Creates an object, in place of one that an earlier case has left. */
static inline struct segfs_object *make(const char *name, enum segfs_kind kind, uint32_t initial,
					uint32_t maximum)
{
	const struct segfs_object_creation creation = {.mode = 0666, .initial = initial, .maximum = maximum};
	struct segfs_object *object = NULL;

	unlink(at(name));
	assert_int_equal(segfs_object_create(name, kind, &creation, &object), 0);
	return object;
}

/* Opens an object in a job. */
static inline struct segfs_object *open_in_job(struct job *job, const char *name)
{
	struct segfs_object *object = NULL;

	job_must(job, segfs_object_open(name, 0, &object) == 0);
	return object;
}

static inline void end(struct segfs_object *object, const char *name)
{
	segfs_object_close(object);
	assert_int_equal(segfs_remove(name), 0);
}

static inline int wait_for_a_while(struct segfs_object *object, uint64_t nanoseconds)
{
	struct timespec deadline;

	return segfs_wait(object, segfs_deadline(&deadline, nanoseconds), 0);
}

static inline int lock_for_a_while(struct segfs_object *object, uint64_t nanoseconds)
{
	struct timespec deadline;

	return segfs_lock(object, segfs_deadline(&deadline, nanoseconds), 0);
}

static inline int read_for_a_while(struct segfs_object *object, uint64_t nanoseconds)
{
	struct timespec deadline;

	return segfs_lock_shared(object, segfs_deadline(&deadline, nanoseconds), 0);
}

static inline void do_nothing(int number)
{
	(void)number;
}

/*
 * A signal comes every 20 ms, whose handler does nothing, until interrupt_no_more().
 * before: receives what interrupt_no_more() restores.
 */
static inline void interrupt_often(struct sigaction *before)
{
	const struct sigaction action = {.sa_handler = do_nothing, .sa_flags = SA_RESTART};
	const struct itimerval often = {{0, 20000}, {0, 20000}};

	check(sigaction(SIGALRM, &action, before));
	check(setitimer(ITIMER_REAL, &often, NULL));
}

static inline void interrupt_no_more(const struct sigaction *before)
{
	const struct itimerval never = {{0, 0}, {0, 0}};

	check(setitimer(ITIMER_REAL, &never, NULL));
	check(sigaction(SIGALRM, before, NULL));
}

/* Runs a function in a child that is killed after n instructions. Returns whether it was; else it has ended.
 */
static inline bool dies_after(void (*function)(void), unsigned int n)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = (pid_t)check(fork());
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		function();
		_exit(0);
	}
	check(waitpid(child, &status, 0));
	for (unsigned int i = 0; i < n && WIFSTOPPED(status); i++) {
		check(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL));
		check(waitpid(child, &status, 0));
	}
	if (!WIFSTOPPED(status))
		return false;
	check(kill(child, SIGKILL));
	check(waitpid(child, &status, 0));
	return true;
}

#endif
