/* SPDX-License-Identifier: MIT */
/* A process with all kinds of memory that process/ shows, which waits. For tests; failures end the case. */
#ifndef SEGFS_TESTS_TARGET_H
#define SEGFS_TESTS_TARGET_H

#include "tests/mount/harness.h"

#define TARGET_PAGES 2u
#define TARGET_SIZE  (TARGET_PAGES * 4096u) /* bytes of each piece of memory */

struct target {
	pid_t pid;
	int control; /* the process exits when this is closed */
	int memfd;   /* descriptor numbers in the process */
	int read_only;
	int sealed;      /* with all seals */
	int future;      /* with F_SEAL_FUTURE_WRITE */
	char *anonymous; /* addresses in the process */
	char *deleted;
	char deleted_title[64]; /* former name of the object */
};

enum target_flags {
	TARGET_NOT_DUMPABLE = 1,
	TARGET_EXEC = 2, /* target_exec() will be called */
};

/* Starts a target as a user. Each piece of memory begins with its TARGET_TEXT_... below. */
void target_start(struct target *target, uid_t uid, unsigned int flags);

/* Makes it execute another program, which keeps the memfds, and waits until it has. */
void target_exec(struct target *target);

/* Ends it and reaps it; does nothing if it has ended. */
void target_end(struct target *target);

/* Paths below MOUNT/process/PID; valid like path_of(). */
const char *target_path(const struct mount *mount, const struct target *target, const char *name);
const char *target_memfd(const struct mount *mount, const struct target *target, int fd, const char *title);
const char *target_anonymous(const struct mount *mount, const struct target *target);
const char *target_deleted(const struct mount *mount, const struct target *target);

#define TARGET_TEXT_MEMFD     "a memfd's"
#define TARGET_TEXT_ANONYMOUS "anonymous memory's"
#define TARGET_TEXT_DELETED   "an unlinked object's"

#endif
