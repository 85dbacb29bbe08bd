// SPDX-License-Identifier: MIT
#include "lib/tool/common/child.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* What was before the command was started, and is for the command. */
struct signals {
	sigset_t mask;
	struct sigaction of_child; /* SIGCHLD */
	sigset_t held;             /* what this process waits for */
};

/* Signals that are ignored stay so: a blocked one is kept, and ignored by the command. */
static void hold(struct signals *signals)
{
	static const int held[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCHLD};
	const struct sigaction by_default = {.sa_handler = SIG_DFL};

	sigemptyset(&signals->held);
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		sigaddset(&signals->held, held[i]);
	/* ignored, the status of the command would be lost */
	sigaction(SIGCHLD, &by_default, &signals->of_child);
	sigprocmask(SIG_BLOCK, &signals->held, &signals->mask);
}

static void release(const struct signals *signals)
{
	sigaction(SIGCHLD, &signals->of_child, NULL);
	sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}

/* In the child. Writes the errno if the command cannot be started. */
__attribute__((noreturn)) static void execute(char *const *argv, const struct signals *signals, pid_t parent,
					      int to)
{
	int error;

	/* what is held for the command ends with the parent, which may have died before this */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(CHILD_NOT_EXECUTABLE);
	release(signals);
	execvp(argv[0], argv);
	error = errno;
	if (write(to, &error, sizeof(error)) < 0)
		_exit(CHILD_NOT_EXECUTABLE);
	_exit(error == ENOENT ? CHILD_NOT_FOUND : CHILD_NOT_EXECUTABLE);
}

/* What the terminal sends reaches the command by itself. */
static bool is_for_this_process(const siginfo_t *info)
{
	return info->si_signo != SIGCHLD && info->si_code <= 0;
}

static int wait_for(pid_t child, const struct signals *signals)
{
	siginfo_t info;
	int status = 0;

	while (waitpid(child, &status, WNOHANG) == 0)
		if (sigwaitinfo(&signals->held, &info) > 0 && is_for_this_process(&info))
			kill(child, info.si_signo);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int child_run(const struct tool *tool, char *const *argv, int *status)
{
	_cleanup_close_ int from = -1;
	const pid_t self = getpid();
	struct signals signals;
	int error = 0, ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	from = ends[0];
	hold(&signals);
	child = fork();
	if (child == 0)
		execute(argv, &signals, self, ends[1]);
	error = child < 0 ? -errno : 0;
	close(ends[1]);
	if (child < 0) {
		release(&signals);
		return error;
	}
	if (read(from, &error, sizeof(error)) == (ssize_t)sizeof(error))
		report(tool, 0, argv[0], "the command cannot be executed: %s", strerror(error));
	*status = wait_for(child, &signals);
	/* still held: what was locked for the command is unlocked by the caller */
	return 0;
}
