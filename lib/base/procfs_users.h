/* SPDX-License-Identifier: MIT */
/*
 * Finds the processes that map files or have them open, from /proc. Processes that have ended or are not
 * visible are left out. A resource shortage of our own is an error, never an empty result. Unresponsive
 * processes are reported as unknown, see procfs_scan.h. All functions are thread-safe.
 */
#ifndef SEGFS_BASE_PROCFS_USERS_H
#define SEGFS_BASE_PROCFS_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Maps an errno from /proc: -ENOENT if procfs_means_absent(), else the negative errno. */
int procfs_map_errno(int error);

/*
 * Calls `visit` for each line of a file of /proc, until it returns non-zero.
 * dir_fd, path: as for openat(2). line: `length` bytes including the newline, and a final 0; valid during the
 * call.
 * Returns the result of the last call; 0 at the end, which comes early if the process ends; an errno as
 * procfs_map_errno().
 */
int procfs_walk_lines(int dir_fd, const char *path,
		      int (*visit)(void *context, const char *line, size_t length), void *context);

/* A process that maps a file, or an unknown one. */
struct procfs_view {
	pid_t process;
	bool is_unknown; /* it did not answer; the fields below are 0 */
	uint64_t inode;
	bool writable; /* it has a writable shared mapping */
};

/*
 * Finds the processes that map files of the file system `device`: one element per process and file, in the
 * order of processes; unknown ones come last.
 * inode: restricts the search to one file; 0 = all. views: receives a malloc'd array that the caller frees.
 * Returns the number of elements; -ENOMEM, -EMFILE, -ENFILE, another errno of a resource shortage, or that of
 * opening /proc.
 */
ssize_t procfs_find_views(dev_t device, uint64_t inode, struct procfs_view **views);

/* A file as /proc identifies it: by device and inode number. */
struct procfs_file {
	dev_t device;
	uint64_t inode;
};

/* A process that uses a file, or an unknown one. */
struct procfs_user {
	pid_t process;
	bool is_unknown; /* it did not answer; the fields below are 0 */
	bool maps;       /* it has a mapping of the file */
	bool opens;      /* it has a descriptor of the file, possibly O_PATH */
};

/*
 * Finds the processes that map or have open a file that /proc shows under any of `n` identities.
 * users: receives a malloc'd array that the caller frees, in the order of processes; unknown ones come last.
 * Returns as procfs_find_views().
 */
ssize_t procfs_find_users(const struct procfs_file *files, size_t n, struct procfs_user **users);

#endif
