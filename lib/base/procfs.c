// SPDX-License-Identifier: MIT
#include "lib/base/procfs.h"
#include "lib/base/cleanup.h"
#include "lib/base/delegate.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Fields of /proc/PID/stat, counted from 1. */
#define START_FIELD 22

#define PIDFD_OF_THREAD O_EXCL /* PIDFD_THREAD of Linux 6.9, missing in older headers */

/* struct pidfd_info as of Linux 6.13. */
struct pidfd_facts {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t pid;
	uint32_t process;
	uint32_t parent;
	uint32_t ids[8];
	uint32_t unused;
};

#define PIDFD_GET_FACTS _IOWR(0xff, 11, struct pidfd_facts)

_Static_assert(sizeof(struct pidfd_facts) == 64, "the kernel tells versions by the size");

uint64_t procfs_ticks_per_second(void)
{
	long ticks = sysconf(_SC_CLK_TCK);

	return ticks > 0 ? (uint64_t)ticks : 100;
}

static bool is_in_fds; /* the current directory is /proc/self/fd */

void procfs_enter_fds(void)
{
	is_in_fds = chdir("/proc/self/fd") == 0;
}

void procfs_fd_name(char path[PROCFS_FD_MAX], int fd)
{
	if (is_in_fds)
		snprintf(path, PROCFS_FD_MAX, "%d", fd);
	else
		procfs_fd_path(path, fd);
}

int procfs_fd_open(int fd, int flags)
{
	char path[PROCFS_FD_MAX];
	int opened;

	procfs_fd_path(path, fd);
	opened = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return opened < 0 ? -errno : opened;
}

bool procfs_means_absent(int error)
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
	case ENAMETOOLONG: /* of the target of a link, which may be any file */
		return true;
	default:
		return false;
	}
}

/* Reads up to size - 1 bytes of a file of /proc and adds a 0. Returns the length. */
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

/* Reads a file of a process. An empty file means that the process is gone: -ESRCH. */
static ssize_t read_of(pid_t process, const char *name, char *text, size_t size)
{
	char path[96];
	ssize_t length;

	if (process <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)process, name);
	length = read_file(path, text, size);
	return length == 0 || (length < 0 && procfs_means_absent((int)-length)) ? -ESRCH : length;
}

struct reading {
	const char *path;
	char *text;
	size_t size;
};

static int read_delegated(void *context)
{
	const struct reading *reading = context;
	int fd = open(reading->path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, reading->text, reading->size - 1);

	return length < 0 ? -errno : (int)length;
}

/* See read_with_timeout(). call: reads, in a delegate. */
static ssize_t read_by_delegate(pid_t process, const char *name, int (*call)(void *context), char *text,
				size_t size, unsigned int timeout)
{
	const struct delegate how = {.milliseconds = timeout, .own_descriptors = true};
	struct reading reading = {.text = text, .size = size};
	char path[96];
	int length;

	if (process <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)process, name);
	reading.path = path;
	length = delegate_run(&how, call, &reading);
	if (length > 0)
		text[length] = 0;
	return length == 0 || (length < 0 && procfs_means_absent(-length)) ? -ESRCH : length;
}

/*
 * Like read_of(), for files that block while the process is in execve(2). -ETIMEDOUT after `timeout`
 * milliseconds.
 */
static ssize_t read_with_timeout(pid_t process, const char *name, char *text, size_t size,
				 unsigned int timeout)
{
	return read_by_delegate(process, name, read_delegated, text, size, timeout);
}

/* --- pidfds --- */

/*
 * Since Linux 6.9 pidfds are on a file system of their own, where each process has a unique inode number.
 * Returns 1 or 0.
 */
static int find_out_numbers(void)
{
	_cleanup_close_ int pidfd = procfs_pidfd_open(getpid());
	struct statfs found;

	if (pidfd < 0)
		return pidfd;
	if (fstatfs(pidfd, &found) < 0)
		return -errno;
	return found.f_type != ANON_INODE_FS_MAGIC;
}

/*
 * All workers must get the same result. A transient failure is not cached: identities would change their
 * meaning.
 */
static int has_numbers(void)
{
	static _Atomic int known; /* 0: unknown, 1: no, 2: yes */
	int has = atomic_load(&known) - 1;

	if (has < 0) {
		has = find_out_numbers();
		if (has >= 0)
			atomic_store(&known, has + 1);
	}
	return has;
}

bool procfs_identity_waits(void)
{
	return has_numbers() <= 0;
}

static int open_thread(pid_t thread)
{
	int fd = (int)syscall(SYS_pidfd_open, thread, PIDFD_OF_THREAD);

	return fd < 0 ? -errno : fd;
}

int procfs_pidfd_identity(int pidfd, pid_t pid, uint64_t *identity)
{
	int has = has_numbers();
	struct stat stat;

	if (has <= 0)
		return has < 0 ? has : procfs_start(pid, identity);
	if (fstat(pidfd, &stat) < 0)
		return -errno;
	*identity = stat.st_ino;
	return 0;
}

int procfs_thread_identity(pid_t thread, uint64_t *identity)
{
	_cleanup_close_ int fd = -1;

	if (thread <= 0)
		return -ESRCH;
	if (!procfs_identity_waits()) {
		fd = open_thread(thread);
		if (fd < 0)
			return fd;
	}
	return procfs_pidfd_identity(fd, thread, identity);
}

/* Returns 0 if the kernel cannot tell: before Linux 6.13. */
static pid_t process_of_descriptor(pid_t thread)
{
	struct pidfd_facts facts = {0};
	_cleanup_close_ int fd = open_thread(thread);

	if (fd < 0)
		return fd == -EINVAL ? 0 : fd;
	return ioctl(fd, PIDFD_GET_FACTS, &facts) == 0 ? (pid_t)facts.process : errno == ESRCH ? -ESRCH : 0;
}

static pid_t process_of_status(pid_t thread)
{
	char text[1024];
	const char *line;
	ssize_t length = read_of(thread, "status", text, sizeof(text));

	if (length < 0)
		return (pid_t)length;
	line = strstr(text, "\nTgid:");
	return line && atoi(line + 6) > 0 ? atoi(line + 6) : -ESRCH;
}

int procfs_brief(pid_t process, struct procfs_brief *brief)
{
	struct procfs_brief found = {0};
	char text[2048];
	ssize_t length = read_of(process, "status", text, sizeof(text));
	const char *parent;
	const char *user;

	if (length < 0)
		return (int)length;
	parent = strstr(text, "\nPPid:");
	user = strstr(text, "\nUid:");
	if (!parent || !user || sscanf(parent + 6, "%d", &found.parent) != 1 ||
	    sscanf(user + 5, "%*u %u", &found.user) != 1)
		return -ESRCH;
	found.has_memory = strstr(text, "\nVmSize:");
	*brief = found;
	return 0;
}

int procfs_user(pid_t thread, uid_t *user)
{
	struct procfs_brief brief;
	int result = procfs_brief(thread, &brief);

	if (result == 0)
		*user = brief.user;
	return result;
}

pid_t procfs_process_of(pid_t thread)
{
	pid_t process;
	int fd;

	if (thread <= 0)
		return -ESRCH;
	fd = procfs_pidfd_open(thread);
	if (fd >= 0) {
		close(fd);
		return thread;
	}
	if (fd != -ESRCH)
		return fd;
	process = process_of_descriptor(thread);
	return process == 0 ? process_of_status(thread) : process;
}

char procfs_state_in(const char *stat)
{
	/* the second field is the command name in parentheses, which may contain anything */
	const char *at = strrchr(stat, ')');

	return at && at[1] == ' ' ? at[2] : 0;
}

char procfs_state(pid_t process)
{
	char text[1024];

	return read_of(process, "stat", text, sizeof(text)) < 0 ? 0 : procfs_state_in(text);
}

int procfs_start(pid_t process, uint64_t *start)
{
	char text[1024];
	const char *at;
	ssize_t length = read_with_timeout(process, "stat", text, sizeof(text), PROCFS_TIMEOUT);

	if (length < 0)
		return (int)length;
	/* the second field is the command name in parentheses, which may contain anything */
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

int procfs_pidfd_check(int pidfd)
{
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	int result;

	/* a pending signal interrupts even a poll that does not block */
	do
		result = poll(&ended, 1, 0);
	while (result < 0 && errno == EINTR);
	return result == 0 ? 0 : result > 0 ? -ESRCH : -errno;
}

int procfs_owner(pid_t thread, struct policy_owner *owner)
{
	struct policy_owner found = {.pid = procfs_process_of(thread)};
	_cleanup_close_ int fd = found.pid < 0 ? -1 : procfs_pidfd_open(found.pid);
	int result = found.pid < 0 ? found.pid
		     : fd < 0      ? fd
				   : procfs_pidfd_identity(fd, found.pid, &found.identity);

	if (result == 0)
		result = procfs_pidfd_check(fd);
	/* the thread still exists, so its pid and its process's pid were not reused */
	if (result == 0 && procfs_process_of(thread) != found.pid)
		result = -ESRCH;
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
		/* both mean that the number is a thread's */
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

int procfs_owner_open(const struct policy_owner *owner)
{
	_cleanup_close_ int fd = -1;
	char boot[POLICY_BOOT_MAX];
	uint64_t identity = 0;
	int result;

	if (owner->pid <= 0)
		return -ESRCH;
	result = read_boot(boot);
	if (result < 0 || strcmp(boot, owner->boot) != 0)
		return result < 0 ? result : -ESRCH;
	fd = procfs_pidfd_open(owner->pid);
	if (fd < 0)
		return fd;
	/* while the pidfd is open the number refers to this process */
	result = procfs_pidfd_identity(fd, owner->pid, &identity);
	if (result < 0 || identity != owner->identity)
		return result < 0 ? result : -ESRCH;
	return take_fd(&fd);
}

/*
 * A thread whose request has been read may not have gone to sleep yet: it is "running" for some more
 * instructions, or until it gets a processor. The deadline ends the wait.
 */
static int read_call(void *context)
{
	static const char running[] = "running";
	const struct timespec moment = {.tv_nsec = 50000};
	const struct reading *reading = context;
	int fd = open(reading->path, O_RDONLY | O_CLOEXEC);
	ssize_t length = -1;

	while (fd >= 0 && (length = pread(fd, reading->text, reading->size - 1, 0)) > 0 &&
	       memcmp(reading->text, running, sizeof(running) - 1) == 0)
		nanosleep(&moment, NULL);
	return length < 0 ? -errno : (int)length;
}

static ssize_t read_blocking_call(pid_t thread, char *text, size_t size)
{
	return read_by_delegate(thread, "syscall", read_call, text, size, PROCFS_REQUESTER_TIMEOUT);
}

long procfs_call(pid_t thread)
{
	char text[256];
	long call;

	if (read_blocking_call(thread, text, sizeof(text)) <= 0)
		return -1;
	return sscanf(text, "%ld", &call) == 1 ? call : -1;
}

int procfs_fcntl_command(pid_t thread)
{
	char text[256];
	unsigned long command;

	if (read_blocking_call(thread, text, sizeof(text)) <= 0)
		return -1;
	return sscanf(text, "%*d %*x %lx", &command) == 1 ? (int)command : -1;
}
