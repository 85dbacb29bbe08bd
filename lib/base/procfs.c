// SPDX-License-Identifier: MIT
#include "lib/base/procfs.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define START_FIELD 22 /* in /proc/PID/stat, counted from 1 */

uint64_t procfs_ticks_per_second(void)
{
	long ticks = sysconf(_SC_CLK_TCK);

	return ticks > 0 ? (uint64_t)ticks : 100;
}

void procfs_fd_path(char path[PROCFS_FD_MAX], int fd)
{
	snprintf(path, PROCFS_FD_MAX, "/proc/self/fd/%d", fd);
}

int procfs_fd_open(int fd, int flags)
{
	char path[PROCFS_FD_MAX];
	int opened;

	procfs_fd_path(path, fd);
	opened = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return opened < 0 ? -errno : opened;
}

bool procfs_says_none(int error)
{
	switch (error) {
	case ENOENT:
	case ESRCH:
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case ELOOP:
	case ENXIO:
	case ESTALE:
	case ENAMETOOLONG: /* of where a link leads, which may be any file */
		return true;
	default:
		return false;
	}
}

/* Up to size - 1 bytes of a file of /proc, with a final 0. Returns their number. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, text, size - 1);
	if (length < 0)
		return -errno;
	text[length] = 0;
	return length;
}

/* What is empty is none, too: -ESRCH. */
static ssize_t read_of(pid_t process, const char *name, char *text, size_t size)
{
	char path[96];
	ssize_t length;

	if (process <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)process, name);
	length = read_file(path, text, size);
	return length == 0 || (length < 0 && procfs_says_none((int)-length)) ? -ESRCH : length;
}

pid_t procfs_process_of(pid_t thread)
{
	char text[1024];
	const char *line;
	ssize_t length = read_of(thread, "status", text, sizeof(text));

	if (length < 0)
		return (pid_t)length;
	line = strstr(text, "\nTgid:");
	return line && atoi(line + 6) > 0 ? atoi(line + 6) : -ESRCH;
}

int procfs_start(pid_t process, uint64_t *start)
{
	char text[1024];
	const char *at;
	ssize_t length = read_of(process, "stat", text, sizeof(text));

	if (length < 0)
		return (int)length;
	/* the name, in parentheses, is the second field, and may contain anything */
	at = strrchr(text, ')');
	for (int field = 2; at && field < START_FIELD; field++)
		at = strchr(at + 1, ' ');
	return at && sscanf(at, "%" SCNu64, start) == 1 ? 0 : -ESRCH;
}

int procfs_command(pid_t process, char command[PROCFS_COMMAND_MAX])
{
	ssize_t length = read_of(process, "comm", command, PROCFS_COMMAND_MAX);

	if (length < 0)
		return (int)length;
	for (ssize_t i = 0; i < length; i++) {
		if (command[i] == '\n' && i == length - 1)
			command[i] = 0;
		else if ((unsigned char)command[i] <= ' ' || command[i] == 0x7f)
			command[i] = '_';
	}
	return 0;
}

static int read_boot(char boot[POLICY_BOOT_MAX])
{
	ssize_t length = read_file("/proc/sys/kernel/random/boot_id", boot, POLICY_BOOT_MAX);

	return length == POLICY_BOOT_MAX - 1 ? 0 : length < 0 ? (int)length : -EIO;
}

int procfs_owner(pid_t thread, struct policy_owner *owner)
{
	struct policy_owner found = {.pid = procfs_process_of(thread)};

	int result = found.pid < 0 ? found.pid : procfs_start(found.pid, &found.start);

	if (result == 0)
		result = read_boot(found.boot);
	if (result == 0)
		*owner = found;
	return result;
}

int procfs_pidfd_open(pid_t process)
{
	int fd = (int)syscall(SYS_pidfd_open, process, 0);

	if (fd < 0)
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno; /* both are said of a thread's number */
	return fd;
}

int procfs_owner_open(const struct policy_owner *owner)
{
	_cleanup_close_ int fd = -1;
	char boot[POLICY_BOOT_MAX];
	uint64_t start;
	int result;

	if (owner->pid <= 0)
		return -ESRCH;
	result = read_boot(boot);
	if (result < 0 || strcmp(boot, owner->boot) != 0)
		return result < 0 ? result : -ESRCH;
	fd = procfs_pidfd_open(owner->pid);
	if (fd < 0)
		return fd;
	/* the descriptor holds the number: whoever has it now is who it is about */
	result = procfs_start(owner->pid, &start);
	if (result < 0 || start != owner->start)
		return result < 0 ? result : -ESRCH;
	return take_fd(&fd);
}

long procfs_call(pid_t thread)
{
	char text[256];
	long call;

	if (read_of(thread, "syscall", text, sizeof(text)) <= 0)
		return -1;
	return sscanf(text, "%ld", &call) == 1 ? call : -1;
}

int procfs_fcntl_command(pid_t thread)
{
	char text[256];
	unsigned long command;

	if (read_of(thread, "syscall", text, sizeof(text)) <= 0)
		return -1;
	return sscanf(text, "%*d %*x %lx", &command) == 1 ? (int)command : -1;
}

/* System calls that change a file through a descriptor, and which argument that is. */
static int changed_descriptor(long call, const unsigned long arguments[6])
{
	static const struct {
		long call;
		int argument;
	} calls[] = {
		{SYS_write, 0},     {SYS_pwrite64, 0}, {SYS_writev, 0},    {SYS_pwritev, 0},  {SYS_pwritev2, 0},
		{SYS_ftruncate, 0}, {SYS_fallocate, 0}, {SYS_fchmod, 0},   {SYS_fchown, 0},   {SYS_fsetxattr, 0},
		{SYS_fsync, 0},     {SYS_fdatasync, 0}, {SYS_sendfile, 0}, {SYS_utimensat, 0}, {SYS_splice, 2},
		{SYS_copy_file_range, 2},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].call == call)
			return (int)arguments[calls[i].argument];
	return -1;
}

static bool thread_waits_to_change(pid_t process, const char *thread, uint64_t inode)
{
	unsigned long arguments[6];
	char name[64];
	char text[1024];
	const char *at;
	uint64_t found;
	long call;
	int fd;

	snprintf(name, sizeof(name), "task/%.16s/stat", thread);
	if (read_of(process, name, text, sizeof(text)) <= 0)
		return false;
	at = strrchr(text, ')');
	if (!at || at[1] != ' ' || at[2] != 'D')
		return false;
	snprintf(name, sizeof(name), "task/%.16s/syscall", thread);
	if (read_of(process, name, text, sizeof(text)) <= 0 ||
	    sscanf(text, "%ld %lx %lx %lx %lx %lx %lx", &call, &arguments[0], &arguments[1], &arguments[2], &arguments[3],
		   &arguments[4], &arguments[5]) != 7)
		return false;
	fd = changed_descriptor(call, arguments);
	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	if (fd < 0 || read_of(process, name, text, sizeof(text)) <= 0)
		return false;
	at = strstr(text, "\nino:");
	return at && sscanf(at + 5, "%" SCNu64, &found) == 1 && found == inode;
}

bool procfs_waits_to_change(pid_t process, uint64_t inode)
{
	_cleanup_closedir_ DIR *threads = NULL;
	const struct dirent *entry;
	bool waits = false;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
	threads = opendir(path);
	while (threads && !waits && (entry = readdir(threads)))
		waits = entry->d_name[0] != '.' && thread_waits_to_change(process, entry->d_name, inode);
	return waits;
}
