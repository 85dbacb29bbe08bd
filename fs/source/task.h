/* SPDX-License-Identifier: MIT */
/*
 * A process under inspection, identified so that a later process with the same pid is not mistaken for it.
 *
 * Processes are accessed via a descriptor of /proc. Functions are thread-safe; a struct task belongs to one
 * thread.
 */
#ifndef SEGFS_SOURCE_TASK_H
#define SEGFS_SOURCE_TASK_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TASK_NAME_MAX 64 /* bytes of a command name, including the final 0 */
#define TASK_PATH_MAX 96 /* bytes of a path made by task_path() */

struct task {
	int proc_fd; /* of /proc; borrowed */
	int pidfd;   /* owned */
	pid_t pid;
	uint64_t identity; /* unique since boot */
};

#define TASK_NONE ((struct task){.proc_fd = -1, .pidfd = -1})

/*
 * Opens a process. Returns 0; -ESRCH if there is none, if the number is a thread's, or if the process is a
 * zombie; the errno of a resource shortage, see procfs_means_absent(), as do the functions below. Never
 * blocks unless procfs_identity_waits().
 */
int task_open(int proc_fd, pid_t pid, struct task *task);

/*
 * Returns 0 if the process still exists: then everything read from its directory in /proc was about it, since
 * its pid was not reused. -ESRCH if it has ended.
 */
int task_check(const struct task *task);

/* Converts an errno from its directory: -ESRCH if procfs_means_absent(), else the negative errno. */
int task_map_errno(int error);

/*
 * Gets its attributes in /proc; the type bits are meaningless. The owner is the user who may inspect it, or
 * root if it is not dumpable. Never blocks. Returns 0; -ESRCH.
 */
int task_stat(const struct task *task, struct stat *stat);

/* Gets its command name, usable as a file name and never empty. Never blocks. Returns 0; -ESRCH. */
int task_name(const struct task *task, char name[TASK_NAME_MAX]);

/* Formats a path in its directory, relative to /proc. */
void task_path(const struct task *task, char path[TASK_PATH_MAX], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void task_close(struct task *task);

#define _cleanup_task_ __attribute__((cleanup(task_close)))

#endif
