// SPDX-License-Identifier: MIT
#include "tests/lib/machine.h"
#include "tests/lib/own_mounts.h"
#include "tests/mount/harness.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static bool isolated;

/* Returns in a child, which ends with its parent; the parent exits with the child's status. */
static void go_on_in_child(void)
{
	pid_t child = fork();
	int status = 0;

	if (child < 0) {
		perror("fork");
		_exit(1);
	}
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return;
	}
	/* signals to the process group are the child's, which cleans up */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void machine_isolate(void)
{
	if (unshare(CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWPID) < 0)
		skip_program("namespaces of its own");
	fflush(NULL);
	/* the child becomes process 1 of the namespace, which is scanned first */
	go_on_in_child();
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ||
	    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
		skip_program("a /proc of its own");
	own_mounts_only();
	isolated = true;
}

bool machine_is_isolated(void)
{
	return isolated;
}
