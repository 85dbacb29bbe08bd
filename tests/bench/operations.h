/* SPDX-License-Identifier: MIT */
/*
 * Operations whose round trips and system calls are counted. Each works in the current directory, on files
 * that exist or that it creates.
 */
#ifndef SEGFS_BENCH_OPERATIONS_H
#define SEGFS_BENCH_OPERATIONS_H

#define OPERATIONS 100 /* times that each is done */

struct operation {
	const char *mount;           /* BASE/..., mounted in the mode that the operation is about */
	const char *name;            /* NULL ends the list */
	void (*prepare)(void);       /* or NULL */
	void (*run)(unsigned int i); /* i: 0 to OPERATIONS - 1 */
	void (*finish)(void);        /* or NULL */
};

extern const struct operation operations[];

/*
 * Creates the files in the current directory if necessary. directory_behind: the same directory, outside of
 * the mount.
 */
void set_up_operations(int directory_behind);

/* Stats all files, so that the kernel knows them. */
void stat_files(void);

#endif
