/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells of processes. All functions may be called by several threads at once. What they tell may be over by the
 * time they return: who must be sure compares the identity of a process before and after.
 *
 * The kernel tells some of it only while a process is not in execve(2), which may last as long as that process likes. Then these
 * functions return -ETIMEDOUT after PROCFS_PATIENCE; each that may says so. The others wait for nobody.
 */
#ifndef SEGFS_BASE_PROCFS_H
#define SEGFS_BASE_PROCFS_H

#include "lib/base/policy.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCFS_COMMAND_MAX 64 /* bytes of a process's name, with the final 0 */
#define PROCFS_FD_MAX 32      /* bytes of a path made by procfs_fd_path() */
#define PROCFS_PATIENCE 20u   /* milliseconds that a process has to answer: one that is not in execve(2) needs a fraction of one */
#define PROCFS_REQUESTER_PATIENCE 2000u /* ... that a thread has which waits for our reply: execve(2) waits for that thread, so that only a busy machine delays it */

/* Writes "/proc/self/fd/FD": the path by which calls without a descriptor form reach an O_PATH descriptor. */
void procfs_fd_path(char path[PROCFS_FD_MAX], int fd);

/*
 * Opens once more what a descriptor is of, also an O_PATH one. flags: of open(2), without O_CREAT; O_CLOEXEC and O_NOCTTY are a matter
 * of course. Returns a descriptor that the caller closes, or the negative errno of open(2).
 */
int procfs_fd_open(int fd, int flags);

/* Clock ticks in a second, of starts of processes. */
uint64_t procfs_ticks_per_second(void);

/*
 * Whether a failure to look into /proc says of a process that there is no such thing, or none that we may see. Else it is a lack of our
 * own, of memory or descriptors most of all, which says nothing of it. error: a positive errno.
 */
bool procfs_says_none(int error);

/*
 * The process that a thread belongs to. Returns its pid; -ESRCH where there is no such thread. This and what follows: another errno is
 * that of a lack of our own.
 */
pid_t procfs_process_of(pid_t thread);

/* The effective user of a thread. Returns 0; -ESRCH. */
int procfs_user(pid_t thread, uid_t *user);

/* Whether the process of a pidfd is still there, and so has its number. Returns 0; -ESRCH where it has ended. Waits for nobody. */
int procfs_pidfd_check(int pidfd);

/* What is known of a process at any time. */
struct procfs_brief {
	pid_t parent;
	uid_t user;      /* the effective one */
	bool has_memory; /* false for a thread of the kernel, and for one that has ended */
};

/* Returns 0; -ESRCH. */
int procfs_brief(pid_t process, struct procfs_brief *brief);

/* When a process began, in clock ticks after boot. Returns 0; -ESRCH where there is none with this number; -ETIMEDOUT. */
int procfs_start(pid_t process, uint64_t *start);

/* The CPU on which a thread ran last; -1 where that can't be told within PROCFS_PATIENCE. */
int procfs_cpu(pid_t thread);

/* The name of a process, made printable. Returns 0; -ESRCH. */
int procfs_command(pid_t process, char command[PROCFS_COMMAND_MAX]);

/*
 * What tells a thread from later ones with its number, until the machine is started again. A process has that of its first thread.
 * Returns 0; -ESRCH for an unknown number, 0 included; -ETIMEDOUT if procfs_identity_waits().
 */
int procfs_thread_identity(pid_t thread, uint64_t *identity);

/* The same of the process or thread that a pidfd is of. pidfd: not looked at if procfs_identity_waits(). */
int procfs_pidfd_identity(int pidfd, pid_t pid, uint64_t *identity);

/* True where identities are starts, which may have to be waited for: before Linux 6.9, or where that can't be found out now. */
bool procfs_identity_waits(void);

/*
 * The process that a thread belongs to, told from later ones. Returns 0; -ESRCH for an unknown number, 0 included; -ETIMEDOUT if
 * procfs_identity_waits().
 */
int procfs_owner(pid_t thread, struct policy_owner *owner);

/*
 * A pidfd of the process that has a number now. Returns a descriptor that the caller closes; -ESRCH where there is none, or only a
 * thread with this number; -EMFILE, -ENFILE, -ENOMEM.
 */
int procfs_pidfd_open(pid_t process);

/*
 * A pidfd of that very process. Returns a descriptor that the caller closes and that polls as readable once the process has ended;
 * -ESRCH where it has; -ETIMEDOUT if procfs_identity_waits().
 */
int procfs_owner_open(const struct policy_owner *owner);

/* The number of the system call that a thread waits in; -1 as procfs_fcntl_command(). */
long procfs_call(pid_t thread);

/*
 * The command argument of the fcntl(2) that a thread waits in; -1 where it is in no system call, may not be asked, or does not
 * answer within PROCFS_REQUESTER_PATIENCE. For a thread that waits for its caller's answer.
 */
int procfs_fcntl_command(pid_t thread);

#endif
