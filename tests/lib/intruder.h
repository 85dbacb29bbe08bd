/* SPDX-License-Identifier: MIT */
/*
 * Processes that each do one I/O call on what others may have locked. The test sees which of them are
 * blocked, and what their calls have returned.
 *
 * At most INTRUDERS at a time; failures end the case.
 */
#ifndef SEGFS_TESTS_INTRUDER_H
#define SEGFS_TESTS_INTRUDER_H

#include "tests/lib/job.h"
#include "tests/mount/harness.h"

#define INTRUDERS 256

/* The call of an intruder. The path, like all else, is copied by fork(2). */
struct access {
	long (*call)(const struct access *access); /* returns the call's result, or -errno */
	const char *path;                          /* absolute; opened by the call unless `fd` is set */
	int fd;                                    /* a descriptor of the test, inherited; 0 = none */
	int flags;                                 /* additional ones for open(2) */
	off_t at;
	size_t size;
	char byte; /* every byte written, or expected to be read */
};

/* To be called once, before the first intruder. */
void intruders_setup(const struct mount *mount);

/* Starts an intruder. Returns its number. */
int intrude(const struct access *access);

/* The number of requests that wait for a lock or for I/O, according to the daemon. */
int n_waiting(void);

/* Fails unless `n` requests wait before the deadline. */
void expect_waiting(int n);

/* Whether the intruder's call has returned. */
bool has_returned(int intruder);

/* Waits for its exit. Returns the result of its call. */
long result_of(int intruder);

/* Starts an intruder and waits for its exit: it must not be blocked. */
long intrude_now(const struct access *access);

/* Its process, until it is reaped. */
struct job *job_of(int intruder);

/* Ends a blocked intruder by SIGKILL. */
void kill_intruder(int intruder);

/* Ends those left by a failed case. */
void intruders_end(void);

/* --- calls --- */

long call_read(const struct access *access);
long call_write(const struct access *access);
long call_readv(const struct access *access);
long call_writev(const struct access *access);
long call_read_direct(const struct access *access);
long call_write_direct(const struct access *access);
long call_append(const struct access *access); /* ignores `at` */
long call_sendfile(const struct access *access);
long call_splice_from(const struct access *access);
long call_splice_to(const struct access *access);
long call_copy_from(const struct access *access); /* to an unnamed file beside it */
long call_copy_to(const struct access *access);   /* from an unnamed file beside it */
long call_allocate(const struct access *access);
long call_punch(const struct access *access);
long call_zero(const struct access *access);
long call_truncate(const struct access *access); /* to `at` bytes */
long call_ftruncate(const struct access *access);
long call_open_truncating(const struct access *access);

/*
 * Locks `size` bytes (0 = to the end). command: F_SETLK, F_OFD_SETLK, ... type: F_RDLCK, ... Returns 0 or
 * -errno.
 */
int lock_bytes(int fd, int command, int type, off_t at, off_t size);

#endif
