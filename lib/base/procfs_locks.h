/* SPDX-License-Identifier: MIT */
/* The locks that the kernel keeps, from /proc/locks. Thread-safe; no process can delay the reading. */
#ifndef SEGFS_BASE_PROCFS_LOCKS_H
#define SEGFS_BASE_PROCFS_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum procfs_lock_kind {
	PROCFS_LOCK_POSIX, /* fcntl(2), of a process */
	PROCFS_LOCK_OFD,   /* fcntl(2), of an open file description */
	PROCFS_LOCK_FLOCK, /* flock(2) */
};

struct procfs_lock {
	dev_t device; /* of the file */
	uint64_t inode;
	uint64_t start; /* first byte */
	uint64_t end;   /* last byte; UINT64_MAX = no end */
	pid_t process;  /* in the PID namespace of /proc; -1 = none, for open file descriptions */
	enum procfs_lock_kind kind;
	bool exclusive;
	bool waits; /* it is waited for, not held */
};

/*
 * Parses a line of /proc/locks. Returns false for another kind of line: a lease, a lock without a file, or
 * nothing known.
 */
bool procfs_parse_lock(const char *line, struct procfs_lock *lock);

/*
 * Lists the locks on files of the file system `device`, in the kernel's order: waiting ones follow the lock
 * that blocks them, in order of arrival.
 * locks: receives a malloc'd array that the caller frees.
 * Returns the number of elements; -ENOMEM; the negative errno of open(2) or read(2).
 */
ssize_t procfs_find_locks(dev_t device, struct procfs_lock **locks);

#endif
