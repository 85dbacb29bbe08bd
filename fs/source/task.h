/* SPDX-License-Identifier: MIT */
/*
 * A process that is looked at: told from a later one that got its number, by what nobody else has.
 *
 * All of it goes by a descriptor of /proc. Functions may be called by several threads at once; a struct task belongs to one.
 */
#ifndef SEGFS_SOURCE_TASK_H
#define SEGFS_SOURCE_TASK_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TASK_NAME_MAX 64 /* bytes of what a process is called, with the final 0 */
#define TASK_PATH_MAX 96 /* bytes of a path made by task_path() */

struct task {
	int proc_fd;       /* of /proc; not its own */
	int pidfd;         /* its own */
	pid_t pid;
	uint64_t identity; /* no two processes of the machine have the same since it was started */
};

#define TASK_NONE ((struct task){.proc_fd = -1, .pidfd = -1})

/*
 * Finds a process. Returns 0; -ESRCH where there is none, or only a thread with this number, or one that has ended and is yet to be
 * waited for; as procfs_says_none() has it, the errno of a lack of our own, which is true of what follows as well. Waits for nobody
 * unless procfs_identity_waits().
 */
int task_open(int proc_fd, pid_t pid, struct task *task);

/*
 * Returns 0 where the process is still there: then what was read in its directory of /proc was about it, since its number is not
 * given to another one before. -ESRCH where it has ended.
 */
int task_check(const struct task *task);

/* What a failure to look into its directory means, error being a positive errno: -ESRCH where there is no such thing, or a lack of our own. */
int task_failure(int error);

/*
 * Attributes of it in /proc, of which those of the type mean nothing: the owner is who may look into it, root where it is not
 * dumpable. Waits for nobody. Returns 0; -ESRCH.
 */
int task_stat(const struct task *task, struct stat *stat);

/* What it is called, made safe to be a name; never empty. Waits for nobody. Returns 0; -ESRCH. */
int task_name(const struct task *task, char name[TASK_NAME_MAX]);

/* The path of something in its directory, relative to /proc. */
void task_path(const struct task *task, char path[TASK_PATH_MAX], const char *format, ...) __attribute__((format(printf, 3, 4)));

void task_close(struct task *task);

#define _cleanup_task_ __attribute__((cleanup(task_close)))

#endif
