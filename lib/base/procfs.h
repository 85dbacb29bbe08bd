/* SPDX-License-Identifier: MIT */
/*
 * Facts about processes from /proc. All functions are thread-safe. A fact may be outdated when the function
 * returns; callers that must be sure compare the identity of the process before and after.
 *
 * The kernel blocks some reads while a process is in execve(2), which a process can prolong at will.
 * Functions that make such reads return -ETIMEDOUT after PROCFS_TIMEOUT, and say so. The others never block.
 */
#ifndef SEGFS_BASE_PROCFS_H
#define SEGFS_BASE_PROCFS_H

#include "lib/base/policy.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define PROCFS_COMMAND_MAX 64 /* bytes of a command name, including the final 0 */
#define PROCFS_FD_MAX      32 /* bytes of a path made by procfs_fd_path() */
/* milliseconds allowed for an answer; a process outside execve(2) needs a fraction of one */
#define PROCFS_TIMEOUT 20u
/* ... for a thread that waits for our reply: execve(2) waits for it too */
#define PROCFS_REQUESTER_TIMEOUT 2000u

/*
 * Writes "/proc/self/fd/FD", the path by which calls without a descriptor variant reach an O_PATH descriptor.
 */
static inline void procfs_fd_path(char path[PROCFS_FD_MAX], int fd)
{
	snprintf(path, PROCFS_FD_MAX, "/proc/self/fd/%d", fd);
}

/*
 * Makes /proc/self/fd the current directory of this process, so that procfs_fd_name() is short. Without /proc
 * nothing changes. Called before there are threads.
 */
void procfs_enter_fds(void);

/*
 * Writes a path by which this process reaches a descriptor with fewer lookups than by procfs_fd_path(): its
 * number, once procfs_enter_fds() has been called.
 */
void procfs_fd_name(char path[PROCFS_FD_MAX], int fd);

/*
 * Reopens the file of a descriptor, which may be O_PATH. flags: of open(2), without O_CREAT; O_CLOEXEC and
 * O_NOCTTY are added. Returns a descriptor that the caller closes, or the negative errno of open(2).
 */
int procfs_fd_open(int fd, int flags);

/* Clock ticks per second, the unit of process start times. */
uint64_t procfs_ticks_per_second(void);

/*
 * Whether a failure to read /proc means that the object does not exist or is not visible to us. Any other
 * error is a shortage of our own resources, mostly memory or descriptors, and says nothing about the object.
 * error: a positive errno.
 */
bool procfs_means_absent(int error);

/*
 * Returns the pid of a thread's process; -ESRCH if there is no such thread. This and the following functions
 * return another errno for a resource shortage of our own.
 */
pid_t procfs_process_of(pid_t thread);

/* Gets the effective user of a thread. Returns 0; -ESRCH. */
int procfs_user(pid_t thread, uid_t *user);

/*
 * Whether the process of a pidfd is alive, so that its pid is still its own. Returns 0; -ESRCH if it has
 * ended. Never blocks.
 */
int procfs_pidfd_check(int pidfd);

/* Returns the state in the text of /proc/PID/stat or .../task/TID/stat, such as 'D'; 0 if it has none. */
char procfs_state_in(const char *stat);

/* Returns the state of a process, which must not be in execve(2); 0 if it cannot be read. */
char procfs_state(pid_t process);

/* Facts about a process that can be read without blocking. */
struct procfs_brief {
	pid_t parent;
	uid_t user;      /* effective */
	bool has_memory; /* false for a kernel thread and for a process that has ended */
};

/* Returns 0; -ESRCH. */
int procfs_brief(pid_t process, struct procfs_brief *brief);

/*
 * Gets the start time of a process in clock ticks since boot. Returns 0; -ESRCH if there is no such process;
 * -ETIMEDOUT.
 */
int procfs_start(pid_t process, uint64_t *start);

/* Gets the command name of a process, made printable. Returns 0; -ESRCH. */
int procfs_command(pid_t process, char command[PROCFS_COMMAND_MAX]);

/*
 * Gets the identity of a thread, which no later thread of this boot has. The identity of a process is that of
 * its main thread.
 * Returns 0; -ESRCH for an unknown tid, including 0; -ETIMEDOUT if procfs_identity_waits().
 */
int procfs_thread_identity(pid_t thread, uint64_t *identity);

/* Gets the identity of a pidfd's process or thread. pidfd: unused if procfs_identity_waits(). */
int procfs_pidfd_identity(int pidfd, pid_t pid, uint64_t *identity);

/*
 * Whether identities are start times, which may take time to read: before Linux 6.9, or if that cannot be
 * determined now.
 */
bool procfs_identity_waits(void);

/*
 * Identifies the process of a thread. Returns 0; -ESRCH for an unknown tid, including 0; -ETIMEDOUT if
 * procfs_identity_waits().
 */
int procfs_owner(pid_t thread, struct policy_owner *owner);

/*
 * Opens a pidfd by pid. Returns a descriptor that the caller closes; -ESRCH if there is no such process, or
 * the number is a thread's; -EMFILE, -ENFILE, -ENOMEM.
 */
int procfs_pidfd_open(pid_t process);

/*
 * Opens a pidfd of exactly that process. Returns a descriptor that the caller closes and that polls readable
 * once the process has ended; -ESRCH if it has; -ETIMEDOUT if procfs_identity_waits().
 */
int procfs_owner_open(const struct policy_owner *owner);

/*
 * Returns the number of the system call in which a thread is blocked, or is about to be; -1 as for
 * procfs_fcntl_command().
 */
long procfs_call(pid_t thread);

/*
 * Returns the command argument of the fcntl(2) in which a thread is blocked, or is about to be; -1 if the
 * thread may not be inspected, or is not blocked within PROCFS_REQUESTER_TIMEOUT. For a thread that waits
 * for our reply.
 */
int procfs_fcntl_command(pid_t thread);

#endif
