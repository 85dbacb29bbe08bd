/* SPDX-License-Identifier: MIT */
/*
 * Processes that hang in execve(2): each closes a close-on-exec file of a FUSE file system whose server does
 * not reply. Meanwhile the kernel blocks inspection of the process.
 *
 * One such file system at a time. For programs run by root; failures end the case.
 */
#ifndef SEGFS_TESTS_HANGING_H
#define SEGFS_TESTS_HANGING_H

#include <sys/types.h>

#define HANGING_MAX 64

/* Mounts and serves the file system below the test's directory. Returns 0 or -1. */
int hanging_begin(void);

/*
 * Starts a process as another user, which calls `before`, unless NULL, and then hangs. Waits until it does.
 * Returns its pid; hanging_end() kills and reaps it.
 */
pid_t hanging_start(uid_t uid, gid_t gid, void (*before)(void *context), void *context);

/* Like hanging_begin(), mounted on a directory that is created if necessary. */
int hanging_begin_at(const char *path);

/* The path of a name in it. All names refer to one file, except the directories "dev" and "shm". */
const char *hanging_path(const char *name);

/*
 * hanging_mute(): the server does not reply to GETATTR and STATFS any more, either. hanging_held(): the
 * number of unanswered requests.
 */
void hanging_mute(void);
unsigned int hanging_held(void);

/* Unmounts it lazily: paths of files open in it then start at its root. */
void hanging_detach(void);

/* Kills all processes, and unmounts. Does nothing if nothing was begun. */
void hanging_end(void);

#endif
