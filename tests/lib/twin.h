/* SPDX-License-Identifier: MIT */
/*
 * "The same as on a tmpfs": a case is a function that works on files in its current directory. It runs twice,
 * each time in a process of its own: in a directory of a plain tmpfs, and in one of the mount. What it notes
 * (results, errnos, attributes, contents) has to be equal line by line, and what it expects has to hold in
 * both.
 *
 * On a store on disk the other directory is one beside it on the same disk.
 *
 *   works(CALL)          succeeds; the result is noted. Evaluates to it
 *   fails(ERRNO, CALL)   returns a negative number with this errno
 *   same(CALL)           the result or errno is noted
 *   holds(CONDITION)     is true
 *   must(CONDITION)      is true, and not noted: for what only one side does
 *   needs(CONDITION, F)  else this kernel lacks the feature F, and the case is skipped
 *   note...(...)         notes attributes, listings, bytes
 *
 * The first expectation that does not hold ends the case.
 */
#ifndef SEGFS_TESTS_TWIN_H
#define SEGFS_TESTS_TWIN_H

#include "tests/mount/harness.h"

#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>

struct twin_case {
	const char *name;
	void (*run)(void);
	bool memory_only; /* not on a disk store, where the results of the two media depend on the kernel */
};

#define TWIN_CASE(function)                                                                                  \
	{                                                                                                    \
		.name = #function, .run = function                                                           \
	}
#define TWIN_CASE_MEMORY(function)                                                                           \
	{                                                                                                    \
		.name = #function, .run = function, .memory_only = true                                      \
	}

/* Where a case runs. */
struct twin {
	bool on_mount; /* else on the file system to compare with */
	bool on_disk;
	const char *io_mode; /* of the mount's opens */
	const char *root;    /* absolute path of the case's directory */
	int log;
};
extern struct twin twin;

/*
 * Runs all cases with the mount in direct, mediated and relayed mode, and in direct mode on a disk store,
 * each as a group of cmocka tests with its own mount. TEST_FILTER=PATTERN in the environment selects cases.
 * Returns main's result.
 */
int twin_main(const struct twin_case *cases, size_t n_cases);

#define works(call)        twin_works(__FILE__, __LINE__, #call, (errno = 0, (long long)(call)))
#define fails(error, call) twin_fails(__FILE__, __LINE__, #call, error, (errno = 0, (long long)(call)))
#define same(call)         twin_same(__FILE__, __LINE__, #call, (errno = 0, (long long)(call)))
#define holds(condition)                                                                                     \
	((condition) ? twin_holds(__FILE__, __LINE__, #condition)                                            \
		     : twin_fails_to_hold(__FILE__, __LINE__, #condition))
#define must(condition) ((condition) ? (void)0 : twin_fails_to_hold(__FILE__, __LINE__, #condition))

#define needs(condition, feature) ((condition) ? (void)0 : twin_lacks(feature))

int twin_works(const char *file, int line, const char *call, long long result);
void twin_fails(const char *file, int line, const char *call, int error, long long result);
int twin_same(const char *file, int line, const char *call, long long result);
void twin_holds(const char *file, int line, const char *condition);
void twin_fails_to_hold(const char *file, int line, const char *condition) __attribute__((noreturn));

void twin_lacks(const char *feature) __attribute__((noreturn));

void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Type, mode, owner, group, links and size. */
void note_stat(const char *path);
void note_fstat(int fd);

/* Names and types in a directory, sorted. */
void note_list(const char *path);

/* All bytes of a file; long ones as length and checksum. */
void note_bytes(const char *path);

/* Extended attributes with values, sorted, without those of segfs. */
void note_xattrs(const char *path);

/* Creates a file with this content, mode 0644 before the umask. */
void make_file(const char *path, const char *text);

/* Becomes another user; become(0, 0) returns. become_with() adds a supplementary group. */
void become(uid_t uid, gid_t gid);
void become_with(uid_t uid, gid_t gid, gid_t further);

#endif
