/* SPDX-License-Identifier: MIT */
/*
 * Lockers: processes that open, lock, unlock and close on command, one call at a time. A blocking call is
 * begun, observed to block, and ended; locker_call() does all of it. Each has descriptors in numbered slots,
 * inherited by lockers forked from it.
 *
 * Failures end the case; lockers_end() belongs in the teardown. For one thread.
 */
#ifndef SEGFS_TESTS_LOCKER_H
#define SEGFS_TESTS_LOCKER_H

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define LOCKERS      16
#define LOCKER_SLOTS 16

enum locker_action {
	LOCKER_OPEN, /* opens the path with flags `argument` into the slot */
	LOCKER_DUP,  /* into slot `argument` */
	LOCKER_CLOSE,
	LOCKER_FCNTL, /* with command `argument` */
	LOCKER_FLOCK, /* with operation `argument` */
	LOCKER_FORK,  /* into a locker with number `argument` */
	LOCKER_EXIT,
};

struct locker_command {
	enum locker_action action;
	int slot;
	int argument;
	struct flock lock;   /* for fcntl(2) */
	char path[PATH_MAX]; /* to be opened */
};

struct locker_answer {
	int result;          /* 0 or more, or -errno */
	struct flock lock;   /* as fcntl(2) leaves it */
	unsigned int caught; /* signals caught so far */
};

/* Signals for lockers: a blocked call fails with EINTR, or is restarted (SA_RESTART). */
#define LOCKER_INTERRUPT SIGUSR1
#define LOCKER_RESTART   SIGUSR2

/* Starts lockers 0 to n - 1, without descriptors. */
void lockers_start(unsigned int n);

/* Starts one more, with an unused number. */
void locker_start(int number);

/* Kills all of them, if any. Returns 0. */
int lockers_end(void);

/* The pid of a locker; 0 if there is none with this number. */
pid_t locker_pid(int locker);

/* Begin and end a call. Nothing else may be asked of the locker in between. */
void locker_begin(int locker, const struct locker_command *command);
struct locker_answer locker_end(int locker);

/* Whether a call that was begun has returned. */
bool locker_has_answer(int locker);

/* Whether a call that was begun blocks in fcntl(2) or flock(2) before the deadline. */
bool locker_waits(int locker);

/* Whether it returns before the deadline. */
bool locker_is_answered(int locker);

/* The first of some lockers whose call returns; -1 after the deadline. */
int locker_first_answered(const int *lockers, int n);

struct locker_answer locker_call(int locker, const struct locker_command *command);

/* Common calls. Those with a result return that of the call. */
void locker_open(int locker, int slot, const char *path, int flags);
void locker_close(int locker, int slot);
int locker_lock(int locker, int slot, int command, int type, off_t start, off_t length);
void locker_begin_lock(int locker, int slot, int command, int type, off_t start, off_t length);
int locker_flock(int locker, int slot, int operation);
void locker_begin_flock(int locker, int slot, int operation);
int locker_result(int locker);

/* Sends a signal. */
void locker_signal(int locker, int number);

/* Ends a locker by itself, or by SIGKILL, and reaps it. */
void locker_exit(int locker);
void locker_kill(int locker);

/* Reaps a locker that was sent SIGKILL. */
void locker_collect(int locker);

#endif
