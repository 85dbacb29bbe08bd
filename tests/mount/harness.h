/* SPDX-License-Identifier: MIT */
/*
 * What the tests on a real mount share: starting and ending a segfs, waiting for conditions, looking into a mount.
 *
 * Everything is made below test_directory(), so that the runner finds what a test leaves. What is still mounted when the
 * program ends, also by a signal, is unmounted and purged. Failures that end a case are cmocka's, but in setups
 * and teardowns, which return -1. For one thread.
 */
#ifndef SEGFS_MOUNT_HARNESS_H
#define SEGFS_MOUNT_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/process.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

/* After which a condition that does not come is a failure. Sanitizers look through all memory at the end of a process. */
#ifdef __SANITIZE_ADDRESS__
#define WAIT_SECONDS 60
#else
#define WAIT_SECONDS 10
#endif

/* Whether this build has a sanitizer, which has a malloc(3) and system calls of its own; or that for threads, which puts signals off. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#ifdef __SANITIZE_THREAD__
#define THREAD_SANITIZED true
#else
#define THREAD_SANITIZED __has_feature(thread_sanitizer)
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED true
#else
#define SANITIZED (THREAD_SANITIZED || __has_feature(address_sanitizer))
#endif

/* How a segfs is to be started; all zero is a plain one. */
struct mount_spec {
	const char *tag;          /* last component of the mount point; NULL = "mnt" */
	const char *options;      /* for -o, or NULL */
	const char *config;       /* text of a configuration file, or NULL */
	const char *preload;      /* LD_PRELOAD of the daemon, or NULL */
	unsigned int descriptors; /* RLIMIT_NOFILE of the daemon, 0 = as here */
};

/* A running segfs. */
struct mount {
	bool running;
	pid_t supervisor;         /* our child, in the foreground */
	char path[PATH_MAX];      /* the mount point, absolute */
	char name[NAME_MAX + 1];  /* of the instance */
	char store[PATH_MAX];     /* where the backing files are */
	char log[PATH_MAX];       /* what the daemon says */
	char config[PATH_MAX];    /* its configuration file, or "" */
};

/* The test's own directory; no '/' at the end. */
const char *test_directory(void);

/*
 * A directory of the test's own on a file system that is neither in memory nor stacked on others: test_directory(), or where
 * that one is (Debian 13 has /tmp in memory), one below /var/tmp. NULL where there is none.
 */
const char *disk_directory(void);

/* The program under test, absolute. */
const char *segfs_program(void);

/*
 * Lets a library be preloaded into daemons that are built with a sanitizer. options: more of them, NAME=VALUE with ':' between them, of those that
 * all sanitizers have; or "".
 */
void preload_with_sanitizers(const char *options);

/* A path made by printf(3); valid until 16 further calls. Ends the program where it is too long. */
const char *path_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a text to a file that may exist. Returns 0 or -errno. */
int write_text(const char *path, const char *text);

/* Reads a file, at most size - 1 bytes, and ends it with a 0. Returns the number of bytes or -errno. */
ssize_t read_text(const char *path, char *text, size_t size);

/*
 * Starts a segfs and waits until it says that it is ready. mount: registered by address until it is stopped.
 * Returns 0, or -1 with the reason on stderr.
 */
int mount_start(struct mount *mount, const struct mount_spec *spec);

/*
 * Verifies the daemon's state, unmounts, waits for the end of the daemon, which must be a good one, and purges the store.
 * Returns 0, or -1 with the reason on stderr; the mount is gone in any case.
 */
int mount_stop(struct mount *mount);

/* As mount_stop(), but keeps the store. */
int mount_stop_keep(struct mount *mount);

/* Ends the store of an instance that is not running. Returns 0 or -1. */
int mount_purge(const struct mount *mount);

/*
 * Checks the arena's invariants, from outside; waits until no more than `handles` opens are known to the daemon.
 * Returns 0, or -1 with the reason on stderr.
 */
int mount_verify(const struct mount *mount, unsigned int handles);

/* Number of opens that the daemon knows now, or -1. */
int mount_handles(const struct mount *mount);

/* The number that MOUNT/.segfs/status has for a key; -1 where there is none. */
long long mount_status(const struct mount *mount, const char *key);

/* Kills the worker and waits until the next one answers. */
void mount_kill_worker(const struct mount *mount);

/* Deadlines; `wait_for(condition)` is true as soon as the condition is, and false after WAIT_SECONDS. */
struct deadline {
	struct timespec at;
};
struct deadline deadline_in(unsigned int seconds);
/* Lets a millisecond pass; false after the deadline. */
bool deadline_wait(const struct deadline *deadline);
/* Milliseconds left, 0 after it. */
int milliseconds_until(const struct deadline *deadline);
#define wait_for(condition)                                                                                        \
	__extension__({                                                                                            \
		const struct deadline deadline_ = deadline_in(WAIT_SECONDS);                                       \
		bool met_;                                                                                         \
		while (!(met_ = (condition)) && deadline_wait(&deadline_))                                         \
			;                                                                                          \
		met_;                                                                                              \
	})

/* Ends the case as skipped, for a feature that this machine does not have. */
#define skip_missing(feature)                                                                                      \
	do {                                                                                                       \
		print_message("missing: %s\n", feature);                                                           \
		skip();                                                                                            \
	} while (0)

/* Ends the whole program as skipped, before any group has run. */
void skip_program(const char *feature) __attribute__((noreturn));

/* A system call that must succeed; evaluates to its result. */
#define check(call) check_result((long long)(call), #call, __FILE__, __LINE__)
long long check_result(long long result, const char *call, const char *file, int line);

/* A system call that must fail with this errno. */
#define check_error(error, call) check_failure(error, (long long)(call), #call, __FILE__, __LINE__)
void check_failure(int error, long long result, const char *call, const char *file, int line);

#endif
