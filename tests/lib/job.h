/* SPDX-License-Identifier: MIT */
/*
 * A job: a function in a child process that reports its progress through shared memory. If it hangs, because
 * its requests get no reply, its progress stops, and the test does not hang.
 *
 * Jobs are started and ended by one thread.
 */
#ifndef SEGFS_TESTS_JOB_H
#define SEGFS_TESTS_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/types.h>

struct job {
	pid_t pid;
	atomic_ulong steps; /* progress; counted by the job */
	atomic_bool stop;   /* set by the test to make the job exit */
	atomic_bool failed;
	char failure[512]; /* the first failure, if `failed` */
};

/*
 * Runs `function` in a child, which exits with status 0 when it returns.
 * Returns the job, which job_end() frees, or NULL.
 */
struct job *job_start(void (*function)(struct job *job, void *context), void *context);

/* Whether the job makes `steps` more steps before the deadline; false at once if it fails or exits. */
bool job_goes_on(const struct job *job, unsigned long steps);

/* The system calls that unlink(2) and pause(2) of the C library make. arm64 has none of these names. */
#ifdef SYS_unlink
#define JOB_UNLINK SYS_unlink
#else
#define JOB_UNLINK SYS_unlinkat
#endif
#ifdef SYS_pause
#define JOB_PAUSE SYS_pause
#else
#define JOB_PAUSE SYS_ppoll
#endif

/* Whether the job is blocked in the system call `number` (SYS_...) now. */
bool job_is_in_call(const struct job *job, long number);

/*
 * Stops the job and waits for it; kills it if it does not stop. *job becomes NULL. NULL is fine.
 * Returns 0, or -1 with the reason on stderr.
 */
int job_end(struct job **job);

/* Runs a job that ends by itself, and waits for it. Returns 0, or -1 with the reason on stderr. */
int job_run(void (*function)(struct job *job, void *context), void *context);

/*
 * Kills the job with SIGKILL and reaps it. *job becomes NULL. NULL is fine.
 * Returns 0, or -1 with the reason on stderr, also if it had exited before.
 */
int job_kill(struct job **job);

/*
 * Stops several jobs, then waits for each like job_end(); the pointers become NULL, and NULL is fine.
 * Returns 0, or -1 with the reasons on stderr.
 */
int jobs_end(struct job *jobs[], unsigned int n);

/* Called by the job: fails it, reporting errno. */
void job_fail(struct job *job, const char *file, int line, const char *what) __attribute__((noreturn));
#define job_must(job, condition) ((condition) ? (void)0 : job_fail(job, __FILE__, __LINE__, #condition))

#endif
