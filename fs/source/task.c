// SPDX-License-Identifier: MIT
#include "fs/source/task.h"
#include "fs/source/process_names.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>

/* Linux 6.9 gave pidfds a file system of their own, on which each process has an inode number. */
static bool has_number(int pidfd)
{
	struct statfs found;

	return fstatfs(pidfd, &found) == 0 && found.f_type != ANON_INODE_FS_MAGIC;
}

bool task_waits(void)
{
	static _Atomic int known; /* 0 = not yet; 1: no, 2: yes */
	int waits = atomic_load(&known);

	if (waits == 0) {
		_cleanup_close_ int pidfd = procfs_pidfd_open(getpid());

		waits = pidfd >= 0 && has_number(pidfd) ? 1 : 2;
		if (pidfd >= 0)
			atomic_store(&known, waits);
	}
	return waits == 2;
}

static int find_identity(struct task *task)
{
	struct stat stat;

	if (task_waits())
		return procfs_start(task->pid, &task->identity);
	if (fstat(task->pidfd, &stat) < 0)
		return -errno;
	task->identity = stat.st_ino;
	return 0;
}

int task_open(int proc_fd, pid_t pid, struct task *task)
{
	struct task found = {.proc_fd = proc_fd, .pid = pid};
	int result;

	found.pidfd = procfs_pidfd_open(pid);
	if (found.pidfd < 0)
		return found.pidfd;
	result = find_identity(&found);
	if (result == 0 && !task_is_there(&found))
		result = -ESRCH;
	if (result < 0)
		task_close(&found);
	else
		*task = found;
	return result;
}

bool task_is_there(const struct task *task)
{
	struct pollfd ended = {.fd = task->pidfd, .events = POLLIN};

	return poll(&ended, 1, 0) == 0;
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

	/* /proc/PID itself belongs to the user also where only root may look into the process; what is in it does not */
	task_path(task, path, "comm");
	if (fstatat(task->proc_fd, path, &found, AT_SYMLINK_NOFOLLOW) < 0 || !task_is_there(task))
		return -ESRCH;
	*stat = found;
	return 0;
}

int task_name(const struct task *task, char name[TASK_NAME_MAX])
{
	_cleanup_close_ int fd = -1;
	char path[TASK_PATH_MAX];
	char found[TASK_NAME_MAX];
	ssize_t length;

	task_path(task, path, "comm");
	fd = openat(task->proc_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ESRCH;
	length = read(fd, found, sizeof(found) - 1);
	if (length < 0 || !task_is_there(task))
		return -ESRCH;
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
