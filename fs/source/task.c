// SPDX-License-Identifier: MIT
#include "fs/source/task.h"
#include "fs/source/process_names.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int task_open(int proc_fd, pid_t pid, struct task *task)
{
	struct task found = {.proc_fd = proc_fd, .pid = pid};
	int result;

	found.pidfd = procfs_pidfd_open(pid);
	if (found.pidfd < 0)
		return found.pidfd;
	result = procfs_pidfd_identity(found.pidfd, pid, &found.identity);
	if (result == 0)
		result = task_check(&found);
	if (result < 0)
		task_close(&found);
	else
		*task = found;
	return result;
}

int task_check(const struct task *task)
{
	return procfs_pidfd_check(task->pidfd);
}

int task_map_errno(int error)
{
	return procfs_means_absent(error) ? -ESRCH : -error;
}

void task_path(const struct task *task, char path[TASK_PATH_MAX], const char *format, ...)
{
	int used = snprintf(path, TASK_PATH_MAX, "%d/", (int)task->pid);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path + used, TASK_PATH_MAX - (size_t)used, format, arguments);
	va_end(arguments);
}

int task_stat(const struct task *task, struct stat *stat)
{
	struct stat found;
	char path[TASK_PATH_MAX];
	int result;

	/*
	 * /proc/PID is owned by the user even if the process is not dumpable; files in it are then owned by
	 * root
	 */
	task_path(task, path, "comm");
	if (fstatat(task->proc_fd, path, &found, AT_SYMLINK_NOFOLLOW) < 0)
		return task_map_errno(errno);
	result = task_check(task);
	if (result == 0)
		*stat = found;
	return result;
}

int task_name(const struct task *task, char name[TASK_NAME_MAX])
{
	_cleanup_close_ int fd = -1;
	char path[TASK_PATH_MAX];
	char found[TASK_NAME_MAX];
	ssize_t length;
	int result;

	task_path(task, path, "comm");
	fd = openat(task->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return task_map_errno(errno);
	length = read(fd, found, sizeof(found) - 1);
	if (length < 0)
		return task_map_errno(errno);
	result = task_check(task);
	if (result < 0)
		return result;
	if (length > 0 && found[length - 1] == '\n')
		length--;
	process_make_safe(found, (size_t)length);
	found[length] = 0;
	snprintf(name, TASK_NAME_MAX, "%s", *found ? found : "_");
	return 0;
}

void task_close(struct task *task)
{
	cleanup_close(&task->pidfd);
	task->pidfd = -1;
}
