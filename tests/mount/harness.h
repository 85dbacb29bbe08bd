/* SPDX-License-Identifier: MIT */
/*
 * Shared by the tests on a real mount: starting and stopping a segfs, waiting for conditions, inspecting a
 * mount.
 *
 * Everything is created below test_directory(), so that the runner finds leftovers. Mounts left when the
 * program ends, also by a signal, are unmounted and purged. Failures end a case by cmocka, except in setups
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

/* Deadline of conditions. Longer for sanitizers, which search all memory when a process exits. */
#ifdef __SANITIZE_ADDRESS__
#define WAIT_SECONDS wait_seconds(60)
#else
#define WAIT_SECONDS wait_seconds(10)
#endif

/*
 * Whether this build has a sanitizer, with a malloc(3) and system calls of its own; whether it has the thread
 * sanitizer, which defers signals.
 */
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

/* Parameters of a segfs; all zeros is the default. */
struct mount_spec {
	const char *tag;          /* last component of the mount point; NULL = "mnt" */
	const char *options;      /* for -o, or NULL */
	const char *config;       /* content of a configuration file, or NULL */
	const char *preload;      /* LD_PRELOAD of the daemon, or NULL */
	unsigned int descriptors; /* RLIMIT_NOFILE of the daemon, 0 = inherited */
};

/* A running segfs. */
struct mount {
	bool running;
	pid_t supervisor;        /* our child, running in the foreground */
	char path[PATH_MAX];     /* the mount point, absolute */
	char name[NAME_MAX + 1]; /* of the instance */
	char store[PATH_MAX];    /* directory of the backing files */
	char log[PATH_MAX];      /* the daemon's log */
	char config[PATH_MAX];   /* its configuration file, or "" */
};

/* The test's own directory, without trailing '/'. */
const char *test_directory(void);

/*
 * A directory of the test on a file system that is neither in memory nor stacked: test_directory(), or one
 * below /var/tmp if that is in memory (as /tmp of Debian 13). NULL if there is none.
 */
const char *disk_directory(void);

/* The program under test, absolute. */
const char *segfs_program(void);

/*
 * Allows preloading libraries into daemons built with a sanitizer. options: additional NAME=VALUE options
 * common to all sanitizers, separated by ':'; or "".
 */
void preload_with_sanitizers(const char *options);

/* Formats a path like printf(3); valid for 16 further calls. Ends the program if it is too long. */
const char *path_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * The paths formatted between path_mark() and path_return() are valid no longer, and do not count: so a loop
 * that formats paths keeps those from before it valid.
 */
unsigned int path_mark(void);
void path_return(unsigned int mark);

/* Writes a text to a new or existing file. Returns 0 or -errno. */
int write_text(const char *path, const char *text);

/* Reads at most size - 1 bytes of a file, and adds a 0. Returns the number of bytes or -errno. */
ssize_t read_text(const char *path, char *text, size_t size);

/*
 * Starts a segfs and waits until it is ready. mount: registered by address until it is stopped.
 * Returns 0, or -1 with the reason on stderr.
 */
int mount_start(struct mount *mount, const struct mount_spec *spec);

/*
 * Verifies the daemon's state, unmounts, waits for the daemon to exit successfully, and purges the store.
 * Returns 0, or -1 with the reason on stderr; the mount is gone in any case.
 */
int mount_stop(struct mount *mount);

/* Like mount_stop(), but keeps the store. */
int mount_stop_keep(struct mount *mount);

/* Purges an instance that is not running. Returns 0 or -1. */
int mount_purge(const struct mount *mount);

/*
 * Checks the arena's invariants from outside; waits until at most `handles` opens are left.
 * Returns 0, or -1 with the reason on stderr.
 */
int mount_verify(const struct mount *mount, unsigned int handles);

/* The number of open handles, or -1. */
int mount_handles(const struct mount *mount);

/* Whether no handle is open and no request is being carried out. */
bool mount_is_idle(const struct mount *mount);

/* The number for a key in MOUNT/.segfs/status; -1 if there is none. */
long long mount_status(const struct mount *mount, const char *key);

/* Whether `segfs --features` says that the kernel has a feature. */
bool kernel_has(const char *feature);

/* Whether MOUNT/.segfs/status says that the kernel has a feature. */
bool mount_has_feature(const struct mount *mount, const char *feature);

/*
 * Whether files can be mapped that others may change behind the mount, those of posix/, sysv/ and process/,
 * and mandatory ones. They bypass the page cache, so without passthrough the kernel must permit mmap(2) with
 * FOPEN_DIRECT_IO.
 */
bool kernel_maps_uncached(void);

/* Whether segfs keeps the locks of its users, instead of the kernel. */
bool mount_keeps_locks(const struct mount *mount);

/* Kills the worker and waits until the next one serves. */
void mount_kill_worker(const struct mount *mount);

/* Whether a process is stopped by a signal. */
bool is_stopped(pid_t pid);

/* TEST_WAIT of the environment, which a slow machine sets, or what is `usual`. */
unsigned int wait_seconds(unsigned int usual);

/*
 * How many rounds of random or repeated work to do: `usual`, or where TEST_WAIT tells of a slow machine a
 * tenth, at least 2; that is printed once.
 */
unsigned int rounds_of(unsigned int usual);

/* Deadlines; `wait_for(condition)` is true once the condition is, and false after WAIT_SECONDS. */
struct deadline {
	struct timespec at;
};
struct deadline deadline_in(unsigned int seconds);
/* Waits a millisecond; false after the deadline. */
bool deadline_wait(const struct deadline *deadline);
/* Milliseconds left, 0 after the deadline. */
int milliseconds_until(const struct deadline *deadline);
#define wait_for(condition)                                                                                  \
	__extension__({                                                                                      \
		const struct deadline deadline_ = deadline_in(WAIT_SECONDS);                                 \
		const unsigned int mark_ = path_mark();                                                      \
		bool met_;                                                                                   \
		while (!(met_ = (condition)) && deadline_wait(&deadline_))                                   \
			path_return(mark_);                                                                  \
		met_;                                                                                        \
	})

/* CLOCK_BOOTTIME in milliseconds. */
long long milliseconds(void);

/* Skips the case for a feature that this machine lacks. */
#define skip_missing(feature)                                                                                \
	do {                                                                                                 \
		print_message("missing: %s\n", feature);                                                     \
		skip();                                                                                      \
	} while (0)

/* Skips a case that maps such files where the kernel can't. */
#define need_uncached_views()                                                                                \
	do {                                                                                                 \
		if (!kernel_maps_uncached())                                                                 \
			skip_missing("mmap-direct-io");                                                      \
	} while (0)

/* Skips the whole program, before any group has run. */
void skip_program(const char *feature) __attribute__((noreturn));

/* A system call that must succeed; evaluates to its result. */
#define check(call) check_result((long long)(call), #call, __FILE__, __LINE__)
long long check_result(long long result, const char *call, const char *file, int line);

/* A system call that must fail with this errno. */
#define check_error(error, call) check_failure(error, (long long)(call), #call, __FILE__, __LINE__)
void check_failure(int error, long long result, const char *call, const char *file, int line);

#endif
