/* SPDX-License-Identifier: MIT */
/*
 * A process that has memory of all the kinds that process/ shows, and waits. For tests; failures end the case.
 */
#ifndef SEGFS_TESTS_TARGET_H
#define SEGFS_TESTS_TARGET_H

#include "tests/mount/harness.h"

#define TARGET_PAGES 2u
#define TARGET_SIZE  (TARGET_PAGES * 4096u) /* bytes of each piece of memory */

struct target {
	pid_t pid;
	int control;          /* the process ends when this is closed */
	int memfd;            /* numbers of its descriptors */
	int read_only;
	int sealed;           /* against all */
	int future;           /* against new writers */
	char *anonymous;      /* addresses in it */
	char *deleted;
	char deleted_title[64]; /* what the object was called */
};

enum target_flags {
	TARGET_NOT_DUMPABLE = 1,
	TARGET_EXEC = 2, /* target_exec() is going to be called */
};

/* Starts one as a user. Each piece of memory begins with the text that target_text() tells. */
void target_start(struct target *target, uid_t uid, unsigned int flags);

/* Has it execute another program, which keeps the memfds, and waits until it does so. */
void target_exec(struct target *target);

/* Ends it and waits until it is gone; fine for one that has ended. */
void target_end(struct target *target);

/* Paths below MOUNT/process/PID; valid as path_of()'s. */
const char *target_path(const struct mount *mount, const struct target *target, const char *name);
const char *target_memfd(const struct mount *mount, const struct target *target, int fd, const char *title);
const char *target_anonymous(const struct mount *mount, const struct target *target);
const char *target_deleted(const struct mount *mount, const struct target *target);

#define TARGET_TEXT_MEMFD     "a memfd's"
#define TARGET_TEXT_ANONYMOUS "anonymous memory's"
#define TARGET_TEXT_DELETED   "an unlinked object's"

#endif
