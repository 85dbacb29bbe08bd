/* SPDX-License-Identifier: MIT */
/*
 * Processes that do one piece of I/O each on what others may have locked. The test sees which of them are held back, and what
 * their calls have returned.
 *
 * At most INTRUDERS at a time; failures end the case.
 */
#ifndef SEGFS_TESTS_INTRUDER_H
#define SEGFS_TESTS_INTRUDER_H

#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#define INTRUDERS 256

/* What an intruder does. The path is copied by fork(2), as all else. */
struct access {
	long (*call)(const struct access *access); /* returns the call's result, or -errno */
	const char *path;                          /* absolute; opened by the call, unless `fd` is there */
	int fd;                                    /* of the test's own, which the intruder inherits; 0 = none */
	int flags;                                 /* further ones of open(2) */
	off_t at;
	size_t size;
	char byte;                                 /* that all of what is written is made of, or what is read has to be */
};

/* To be called once, before the first intruder. */
void intruders_setup(const struct mount *mount);

/* Starts one. Returns its number. */
int intrude(const struct access *access);

/* Requests that wait for a lock, or to read or write, as the daemon notes them. */
int n_waiting(void);

/* Fails unless it comes to pass that `n` requests wait. */
void expect_waiting(int n);

/* Whether the intruder's call has returned. */
bool has_returned(int intruder);

/* Waits for its end. Returns what its call returned. */
long result_of(int intruder);

/* Starts one, and waits for its end: nothing may hold it back. */
long intrude_now(const struct access *access);

/* Its process, which is there until its end is waited for. */
struct job *job_of(int intruder);

/* Ends one that is held back by SIGKILL. */
void kill_intruder(int intruder);

/* Ends those that a failed case has left. */
void intruders_end(void);

/* --- calls --- */

long call_read(const struct access *access);
long call_write(const struct access *access);
long call_readv(const struct access *access);
long call_writev(const struct access *access);
long call_read_direct(const struct access *access);
long call_write_direct(const struct access *access);
long call_append(const struct access *access);      /* `at` does not matter */
long call_sendfile(const struct access *access);
long call_splice_from(const struct access *access);
long call_splice_to(const struct access *access);
long call_copy_from(const struct access *access);   /* to a file without a name beside it */
long call_copy_to(const struct access *access);     /* from such a file */
long call_allocate(const struct access *access);
long call_punch(const struct access *access);
long call_zero(const struct access *access);
long call_truncate(const struct access *access);    /* to `at` bytes */
long call_ftruncate(const struct access *access);
long call_open_truncating(const struct access *access);

/* Locks `size` bytes (0 = to the end). command: F_SETLK, F_OFD_SETLK, ... type: F_RDLCK, ... Returns 0 or -errno. */
int lock_bytes(int fd, int command, int type, off_t at, off_t size);

#endif
