/* SPDX-License-Identifier: MIT */
/*
 * Processes that hang in execve(2): each closes a close-on-exec file of a FUSE file system whose server does not answer. The kernel
 * lets nobody look into them meanwhile.
 *
 * One such file system at a time. For programs of root's; failures end the case.
 */
#ifndef SEGFS_TESTS_HANGING_H
#define SEGFS_TESTS_HANGING_H

#include <sys/types.h>

#define HANGING_MAX 64

/* Mounts the file system below the test's directory, and serves it. Returns 0 or -1. */
int hanging_begin(void);

/*
 * Starts a process as another user, which calls `before`, if that is not NULL, and then hangs. Waits until it does.
 * Returns its pid; it is ended, and waited for, by hanging_end().
 */
pid_t hanging_start(uid_t uid, gid_t gid, void (*before)(void *context), void *context);

/* The same, mounted elsewhere: on a directory that is made for it, unless it is there. */
int hanging_begin_at(const char *path);

/* The path of something in it. All names there are those of one file, but for the directories "dev" and "shm". */
const char *hanging_path(const char *name);

/* From here on its server does not answer questions about attributes either, or about the file system. How many requests are unanswered. */
void hanging_mute(void);
unsigned int hanging_held(void);

/* Unmounts it lazily: what is open there is then shown with a path that begins in it. */
void hanging_detach(void);

/* Ends all, and unmounts. Fine where nothing was begun. */
void hanging_end(void);

#endif
