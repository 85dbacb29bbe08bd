/* SPDX-License-Identifier: MIT */
/*
 * Who maps files, and who has them open, by what /proc tells. Processes that have ended by then or may not be looked at are left out; a lack
 * of our own, of memory or descriptors, never passes for that. Those that do not answer are told as such, see procfs_scan.h.
 * All functions may be called by several threads at once.
 */
#ifndef SEGFS_BASE_PROCFS_USERS_H
#define SEGFS_BASE_PROCFS_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a failure to look into /proc means, see procfs_says_none(): -ENOENT for what says so, the errno for a lack of our own. */
int procfs_lack_or_none(int error);

/*
 * Calls `visit` for each line of a file of /proc, until it returns another value than 0.
 * dir_fd, path: as openat(2) has them. line: with its newline, `length` bytes and a final 0; valid during the call.
 * Returns what the last call returned; 0 at the end, which comes early where the process ends; as procfs_lack_or_none().
 */
int procfs_walk_lines(int dir_fd, const char *path, int (*visit)(void *context, const char *line, size_t length),
		      void *context);

/* A process that maps a file, or one of which that is not known. */
struct procfs_view {
	pid_t process;
	bool is_unknown; /* it did not answer; the rest is 0 */
	uint64_t inode;
	bool writable; /* a shared mapping that may be written to */
};

/*
 * Finds who maps files of the file system `device`: one element for each process and file, in the order of processes; those that
 * did not answer come last.
 * inode: limits it to one file; 0 = all. views: gets a malloc'd array that the caller frees.
 * Returns how many; -ENOMEM, -EMFILE, -ENFILE, or another errno of a lack of our own, or of opening /proc.
 */
ssize_t procfs_find_views(dev_t device, uint64_t inode, struct procfs_view **views);

/* A file as the kernel shows it to processes: by device and inode number. */
struct procfs_file {
	dev_t device;
	uint64_t inode;
};

/* A process that uses a file, or one of which that is not known. */
struct procfs_user {
	pid_t process;
	bool is_unknown; /* it did not answer; the rest is 0 */
	bool maps;  /* it has a mapping of it */
	bool opens; /* it has a descriptor of it, which may be an O_PATH one */
};

/*
 * Finds who maps or has open a file that is known to processes under any of `n` names.
 * users: gets a malloc'd array that the caller frees, in the order of processes; those that did not answer come last.
 * Returns as procfs_find_views().
 */
ssize_t procfs_find_users(const struct procfs_file *files, size_t n, struct procfs_user **users);

#endif
