/* SPDX-License-Identifier: MIT */
/*
 * Lockers: processes that open, lock, unlock and close on command, one call at a time. A call that waits is begun, seen to
 * wait, and ended; locker_call() does all of it. Each has descriptors in numbered slots, and those that are forked from
 * another one have that one's.
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
	LOCKER_OPEN,  /* path, with flags `argument`, into the slot */
	LOCKER_DUP,   /* into slot `argument` */
	LOCKER_CLOSE,
	LOCKER_FCNTL, /* with command `argument` */
	LOCKER_FLOCK, /* with operation `argument` */
	LOCKER_FORK,  /* a locker of number `argument` */
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
	unsigned int caught; /* signals that were caught until now */
};

/* The lockers' signals: a call that waits fails with EINTR, or goes on waiting (SA_RESTART). */
#define LOCKER_INTERRUPT SIGUSR1
#define LOCKER_RESTART   SIGUSR2

/* Starts lockers 0 to n - 1, without descriptors. */
void lockers_start(unsigned int n);

/* One more, of a number that nobody has. */
void locker_start(int number);

/* Kills all of them. Also where none is left. Returns 0. */
int lockers_end(void);

/* The pid of a locker; 0 where there is none of this number. */
pid_t locker_pid(int locker);

/* Begins a call; ends it. Between the two nothing else is asked of the same locker. */
void locker_begin(int locker, const struct locker_command *command);
struct locker_answer locker_end(int locker);

/* Whether a call that was begun has an answer by now. */
bool locker_has_answer(int locker);

/* Whether the call that was begun comes to wait in fcntl(2) or flock(2), and has no answer. */
bool locker_waits(int locker);

/* Whether it comes to an answer. */
bool locker_is_answered(int locker);

/* The first of some lockers to answer; -1 after the deadline. */
int locker_first_answered(const int *lockers, int n);

struct locker_answer locker_call(int locker, const struct locker_command *command);

/* The common calls. Those that return something return the call's result. */
void locker_open(int locker, int slot, const char *path, int flags);
void locker_close(int locker, int slot);
int locker_lock(int locker, int slot, int command, int type, off_t start, off_t length);
void locker_begin_lock(int locker, int slot, int command, int type, off_t start, off_t length);
int locker_flock(int locker, int slot, int operation);
void locker_begin_flock(int locker, int slot, int operation);
int locker_result(int locker);

/* Sends a signal. */
void locker_signal(int locker, int number);

/* Ends a locker: by itself, or by SIGKILL; and waits until it is gone. */
void locker_exit(int locker);
void locker_kill(int locker);

/* Waits until one that was sent SIGKILL is gone. */
void locker_collect(int locker);

#endif
