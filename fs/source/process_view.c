// SPDX-License-Identifier: MIT
#include "fs/source/process_view.h"
#include "fs/source/requester.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE 500u /* milliseconds; a process outside execve(2) answers in a fraction of one */

int view_of_requester(const struct state *state, struct view *view)
{
	const struct credentials *credentials;
	int result = requester_credentials(state, &credentials);

	if (result < 0)
		return result;
	/* only capabilities in the daemon's user namespace are reported */
	if (!credentials || (credentials->uid == 0 && credentials_can(credentials, CAP_SYS_PTRACE) &&
			     credentials_can(credentials, CAP_SYS_ADMIN))) {
		*view = (struct view){.kind = VIEW_ALL};
		return 0;
	}
	result = requester_shares_namespaces();
	if (result < 0)
		return result;
	*view = (struct view){.kind = result ? VIEW_USER : VIEW_NOTHING};
	view->user.uid = credentials->uid;
	view->user.gid = credentials->gid;
	view->user.n_groups = credentials->n_groups;
	view->user.groups = credentials->groups;
	return 0;
}

int view_run(const struct view *view, bool own_descriptors, int (*call)(void *context), void *context)
{
	const struct delegate how = {
		.credentials = view->kind == VIEW_ALL ? NULL : &view->user,
		.milliseconds = DEADLINE,
		.own_descriptors = own_descriptors,
	};

	return delegate_run(&how, call, context);
}

struct filter {
	const pid_t *processes;
	size_t n;
	bool *seen;
};

/*
 * Opening fdinfo requires the same as reading a process's memory,
 * ptrace_may_access(PTRACE_MODE_READ_FSCREDS); searching it does so only since Linux 6.11. Unlike links with
 * the same requirement, the open does not block while the process is in execve(2), so such a process cannot
 * hide others.
 */
static int look(void *context)
{
	const struct filter *filter = context;
	char path[32];

	for (size_t i = 0; i < filter->n; i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)filter->processes[i]);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		filter->seen[i] = fd >= 0;
		if (fd >= 0)
			close(fd);
		else if (!procfs_means_absent(errno))
			return -errno;
	}
	return 0;
}

int view_filter(const struct view *view, const pid_t *processes, size_t n, bool *seen)
{
	struct filter filter = {processes, n, seen};

	memset(seen, view->kind == VIEW_ALL, n);
	return view->kind == VIEW_USER && n > 0 ? view_run(view, true, look, &filter) : 0;
}

int view_sees(const struct view *view, const struct task *task)
{
	bool seen;
	int result = view_filter(view, &task->pid, 1, &seen);

	return result < 0 ? result : seen;
}
