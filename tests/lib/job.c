// SPDX-License-Identifier: MIT
#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct job *job_start(void (*function)(struct job *job, void *context), void *context)
{
	struct job *job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid();
	pid_t pid;

	if (job == MAP_FAILED)
		return NULL;
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		munmap(job, sizeof(*job));
		return NULL;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			function(job, context);
		_exit(0);
	}
	/* not in the child: memory is shared */
	job->pid = pid;
	return job;
}

/* Whether the process has ended; does not reap it. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

bool job_goes_on(const struct job *job, unsigned long steps)
{
	unsigned long wanted = atomic_load(&job->steps) + steps;

	if (!wait_for(atomic_load(&job->steps) >= wanted || has_ended(job->pid)))
		return false;
	return atomic_load(&job->steps) >= wanted;
}

bool job_is_in_call(const struct job *job, long number)
{
	char text[256];
	char *end;

	if (read_text(path_of("/proc/%d/syscall", job->pid), text, sizeof(text)) <= 0)
		return false;
	return strtol(text, &end, 10) == number && end != text;
}

/* Reaps and frees it. */
static int collect(struct job *ended)
{
	int status = 0;
	int result = 0;

	if (!wait_for(has_ended(ended->pid))) {
		fprintf(stderr, "a job hangs after %lu steps\n", atomic_load(&ended->steps));
		kill(ended->pid, SIGKILL);
		result = -1;
	}
	while (waitpid(ended->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (atomic_load(&ended->failed)) {
		fprintf(stderr, "%s (after %lu steps)\n", ended->failure, atomic_load(&ended->steps));
		result = -1;
	} else if (result == 0 && status != 0) {
		fprintf(stderr, "a job ended with wait status %#x after %lu steps\n", (unsigned int)status,
			atomic_load(&ended->steps));
		result = -1;
	}
	munmap(ended, sizeof(*ended));
	return result;
}

int job_end(struct job **job)
{
	struct job *ended = *job;

	*job = NULL;
	if (!ended)
		return 0;
	atomic_store(&ended->stop, true);
	return collect(ended);
}

int job_run(void (*function)(struct job *job, void *context), void *context)
{
	struct job *job = job_start(function, context);

	if (!job) {
		fputs("a job does not start\n", stderr);
		return -1;
	}
	return collect(job);
}

int job_kill(struct job **job)
{
	struct job *killed = *job;
	int status = 0;
	int result = 0;

	*job = NULL;
	if (!killed)
		return 0;
	kill(killed->pid, SIGKILL);
	if (!wait_for(has_ended(killed->pid))) {
		fputs("a job that was killed does not end\n", stderr);
		result = -1;
	}
	while (waitpid(killed->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		fprintf(stderr, "a job ended before it was killed: %s\n", killed->failure);
		result = -1;
	}
	munmap(killed, sizeof(*killed));
	return result;
}

int jobs_end(struct job *jobs[], unsigned int n)
{
	int result = 0;

	for (unsigned int i = 0; i < n; i++)
		if (jobs[i])
			atomic_store(&jobs[i]->stop, true);
	for (unsigned int i = 0; i < n; i++)
		result |= job_end(&jobs[i]);
	return result;
}

void job_fail(struct job *job, const char *file, int line, const char *what)
{
	int error = errno;

	snprintf(job->failure, sizeof(job->failure), "%s:%d: %s (errno: %s)", file, line, what,
		 strerror(error));
	atomic_store(&job->failed, true);
	_exit(1);
}
