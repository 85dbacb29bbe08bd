/* SPDX-License-Identifier: MIT */
/*
 * The operations whose round trips and system calls are counted. Each works in the current directory, on files that
 * are there or that it makes.
 */
#ifndef SEGFS_BENCH_OPERATIONS_H
#define SEGFS_BENCH_OPERATIONS_H

#define OPERATIONS 100 /* times that each is done */

struct operation {
	const char *mount;           /* BASE/..., which is mounted in the mode that the operation is about */
	const char *name;            /* NULL ends the list */
	void (*prepare)(void);       /* or NULL */
	void (*run)(unsigned int i); /* i: 0 to OPERATIONS - 1 */
	void (*finish)(void);        /* or NULL */
};

extern const struct operation operations[];

/*
 * Makes the files in the current directory unless they are there. directory_behind: the same directory, reached without
 * the mount.
 */
void set_up_operations(int directory_behind);

/* Looks at all files, so that the kernel knows them. */
void stat_files(void);

#endif
