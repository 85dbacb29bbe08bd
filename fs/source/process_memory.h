/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process that is a file to the kernel: its memfds, its shared anonymous mappings, and what it maps of POSIX shared
 * memory that has no name any more.
 *
 * All of it may wait for a process that is in execve(2): nothing here is for the thread that reads requests. Errors of a process
 * that is gone, or does not have the memory any more, are -ENOENT; beside them there are those of a lack of our
 * own, see procfs_says_none().
 */
#ifndef SEGFS_SOURCE_PROCESS_MEMORY_H
#define SEGFS_SOURCE_PROCESS_MEMORY_H

#include "fs/source/process_names.h"
#include "fs/source/task.h"

/* What tells a piece of memory. */
struct memory_key {
	enum process_kind kind;
	uint64_t first;  /* descriptor; or first address */
	uint64_t second; /* the address after the last one */
	uint64_t device; /* of the file, as the kernel has it */
	uint64_t inode;
};

/* A piece of memory that was found. */
struct memory {
	struct memory_key key;
	int fd; /* O_PATH, its own */
	struct stat stat;
	char name[NAME_MAX + 1]; /* under process/PID */
};

#define MEMORY_NONE ((struct memory){.fd = -1})

#define MEMORY_LIST_MAX 65536 /* files of one process that are listed */

/* Finds what a name in a process's directory means. Returns 0. */
int memory_find(const struct task *task, const char *name, struct memory *memory);

/* Finds all, in the order of their names' numbers, MEMORY_LIST_MAX at most. `found` looks at one, which is closed for it. Returns 0. */
int memory_list(const struct task *task, void (*found)(void *context, const struct memory *memory), void *context);

/* Opens it again. Returns an O_PATH descriptor. */
int memory_open(const struct task *task, const struct memory_key *key, struct stat *stat);

/* Whether the process may write to it, by the way in which it has it open. Returns 1 or 0. */
int memory_is_writable(const struct task *task, const struct memory_key *key);

void memory_close(struct memory *memory);

#define _cleanup_memory_ __attribute__((cleanup(memory_close)))

#endif
