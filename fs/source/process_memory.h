/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process that is a file to the kernel: its memfds, its shared anonymous mappings, and what it maps of POSIX shared
 * memory that has no name any more.
 *
 * One object is taken once, by an O_PATH descriptor, and all that is said of it is asked of that descriptor, or is of the very line of
 * /proc/PID/maps by which it was found. What the view may not look at is not there.
 *
 * All of it may wait for a process that is in execve(2), until a deadline: nothing here is for the thread that reads requests. Errors of
 * a process that is gone, or does not have the memory any more, are -ENOENT; beside them there are -ETIMEDOUT and those of a lack of our
 * own, see procfs_says_none().
 */
#ifndef SEGFS_SOURCE_PROCESS_MEMORY_H
#define SEGFS_SOURCE_PROCESS_MEMORY_H

#include "fs/source/process_maps.h"

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
int memory_find(const struct view *view, const struct task *task, const char *name, struct memory *memory);

/* Finds all, in the order of their names' numbers, MEMORY_LIST_MAX at most. `found` looks at one, which is closed for it. Returns 0. */
int memory_list(const struct view *view, const struct task *task, void (*found)(void *context, const struct memory *memory),
		void *context);

/* What may be done with memory that was opened again. */
struct memory_use {
	struct stat stat; /* of the file */
	bool is_mapping;  /* or it is a memfd: then the file's own permissions say what may be done */
	bool accessible;  /* the viewer may read and write the memory of the process: /proc/PID/mem can be opened */
	bool readable;    /* through the mapping */
	bool writable;    /* through the mapping, or by the descriptor of a memfd */
};

/* Opens it again. use: gets what may be done with it. Returns an O_PATH descriptor. */
int memory_open(const struct view *view, const struct task *task, const struct memory_key *key, struct memory_use *use);

void memory_close(struct memory *memory);

#define _cleanup_memory_ __attribute__((cleanup(memory_close)))

#endif
