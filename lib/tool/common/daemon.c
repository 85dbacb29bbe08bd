// SPDX-License-Identifier: MIT
#include "lib/tool/common/daemon.h"
#include "lib/base/cleanup.h"
#include "lib/base/mounts.h"
#include "lib/base/procfs.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int daemon_status(struct tool *tool, json_t **status)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	json_error_t error;
	int result = tool_read(tool, "status", &text, &length);

	if (result != STATUS_DONE)
		return result;
	*status = json_loadb(text, length, 0, &error);
	if (json_is_object(*status))
		return STATUS_DONE;
	json_decref(*status);
	return report(tool, STATUS_NOT_AS_ASKED, NULL, ".segfs/status is no object of JSON: %s", error.text);
}

int64_t daemon_number(const json_t *status, const char *key)
{
	return (int64_t)json_number_value(json_object_get(status, key));
}

bool daemon_truth(const json_t *status, const char *key)
{
	return json_is_true(json_object_get(status, key));
}

const char *daemon_text(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));

	return text ? text : "";
}

/* --- signals --- */

struct search {
	dev_t device;
	uid_t user;
};

static int compare(const struct mount_entry *entry, void *context)
{
	struct search *search = context;

	if (entry->device == search->device)
		search->user = mounts_user(entry);
	return 0;
}

/* The user who has mounted it; (uid_t)-1 = unknown. */
static uid_t user_of_mount(const struct tool *tool)
{
	struct search search = {.user = (uid_t)-1};
	struct stat found;

	if (fstat(tool->mount_fd, &found) < 0)
		return search.user;
	search.device = found.st_dev;
	return mounts_walk(compare, &search) < 0 ? (uid_t)-1 : search.user;
}

/* Whether the process of a pidfd, which has the number `process`, is one of this user. */
static bool is_of(int pidfd, pid_t process, uid_t user)
{
	uid_t found;

	/* it is still there after that, so that it was this process */
	return procfs_user(process, &found) == 0 && found == user && procfs_pidfd_check(pidfd) == 0;
}

int daemon_signal(struct tool *tool, const json_t *status, int signal)
{
	const pid_t process = (pid_t)daemon_number(status, "supervisor_pid");
	const uid_t user = user_of_mount(tool);
	_cleanup_close_ int pidfd = process > 0 ? (int)syscall(SYS_pidfd_open, process, 0) : -1;

	if (pidfd < 0)
		return report(tool, STATUS_NOT_AS_ASKED, tool->mount,
			      "its supervisor, process %d, is not there, or in another PID namespace",
			      (int)process);
	if (user == (uid_t)-1 || !is_of(pidfd, process, user))
		return report(tool, STATUS_NO_RIGHT, tool->mount,
			      "process %d, which it says is its supervisor, is not one of the user who has "
			      "mounted it",
			      (int)process);
	if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0)
		return STATUS_DONE;
	if (errno == EPERM)
		return report(tool, STATUS_NO_RIGHT, tool->mount,
			      "only root and the user who has mounted it may do that");
	return report_error(tool, tool->mount, -errno);
}

/* --- the program --- */

/* Writes the path of segfs beside this program; "segfs", for PATH, if there is none. */
static void find_program(char *path, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[length > 0 ? length : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash && (size_t)(slash - path) + sizeof("/segfs") < size) {
		memcpy(slash, "/segfs", sizeof("/segfs"));
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, size, "segfs");
}

int daemon_run(const char *const *arguments, int output, bool quiet)
{
	char path[PATH_MAX];
	pid_t child;
	int status, null;

	find_program(path, sizeof(path));
	fflush(stdout);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		if (output >= 0)
			dup2(output, STDOUT_FILENO);
		if (quiet && (null = open("/dev/null", O_WRONLY)) >= 0)
			dup2(null, STDERR_FILENO);
		/* execvp(3) changes none of them */
		execvp(path, (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status) == 127 ? -ENOENT : WEXITSTATUS(status);
}
