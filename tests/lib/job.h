/* SPDX-License-Identifier: MIT */
/*
 * A job: a function in a child process, which tells how far it is through shared memory. A job that hangs, as it can
 * when nobody answers its requests, is found by its steps that stop, and never hangs the test.
 *
 * Jobs are started and ended by one thread.
 */
#ifndef SEGFS_TESTS_JOB_H
#define SEGFS_TESTS_JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct job {
	pid_t pid;
	atomic_ulong steps;  /* done by the job; counted by the job itself */
	atomic_bool stop;    /* the job is to end; set by the test */
	atomic_bool failed;
	char failure[512];   /* what went wrong first, once `failed` */
};

/*
 * Starts `function` in a child; when it returns, the child ends with status 0.
 * Returns the job, which job_end() frees, or NULL.
 */
struct job *job_start(void (*function)(struct job *job, void *context), void *context);

/* Whether the job gets `steps` further done in time; false at once where it fails or ends before. */
bool job_goes_on(const struct job *job, unsigned long steps);

/* Whether the job is blocked in the system call `number` (SYS_...) now. */
bool job_is_in_call(const struct job *job, long number);

/*
 * Tells the job to stop and waits for it; kills one that does not. *job becomes NULL. NULL is fine.
 * Returns 0, or -1 with the reason on stderr.
 */
int job_end(struct job **job);

/* Starts a job that ends by itself, and waits for it. Returns 0, or -1 with the reason on stderr. */
int job_run(void (*function)(struct job *job, void *context), void *context);

/*
 * Ends it by SIGKILL, wherever it is, and waits until it is gone. *job becomes NULL. NULL is fine.
 * Returns 0, or -1 with the reason on stderr, also where it had ended before.
 */
int job_kill(struct job **job);

/*
 * Tells all of them to stop, then waits for each as job_end() does; the pointers become NULL, and NULL is fine.
 * Returns 0, or -1 with the reasons on stderr.
 */
int jobs_end(struct job *jobs[], unsigned int n);

/* Called by the job: fails it, with errno as it is. */
void job_fail(struct job *job, const char *file, int line, const char *what) __attribute__((noreturn));
#define job_must(job, condition) ((condition) ? (void)0 : job_fail(job, __FILE__, __LINE__, #condition))

#endif
