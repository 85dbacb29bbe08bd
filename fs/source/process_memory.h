/* SPDX-License-Identifier: MIT */
/*
 * Memory of a process that is a file to the kernel: memfds, shared anonymous mappings, and mappings of POSIX
 * shared memory that has been unlinked.
 *
 * Each object is opened once as an O_PATH descriptor. All facts about it come from that descriptor or from
 * the single line of /proc/PID/maps that led to it. Objects that the view may not see do not exist.
 *
 * Functions may block until a deadline while the process is in execve(2), so the reader thread must not call
 * them. If the process or the memory is gone they return -ENOENT; otherwise -ETIMEDOUT or the errno of a
 * resource shortage, see procfs_means_absent().
 */
#ifndef SEGFS_SOURCE_PROCESS_MEMORY_H
#define SEGFS_SOURCE_PROCESS_MEMORY_H

#include "fs/source/process_maps.h"

/* Identifies a piece of memory. */
struct memory_key {
	enum process_kind kind;
	uint64_t first;  /* descriptor number, or start address */
	uint64_t second; /* end address, exclusive */
	uint64_t device; /* of the file, as in the kernel */
	uint64_t inode;
};

/* A piece of memory. */
struct memory {
	struct memory_key key;
	int fd; /* O_PATH, owned */
	struct stat stat;
	char name[NAME_MAX + 1]; /* name under process/PID */
};

#define MEMORY_NONE ((struct memory){.fd = -1})

#define MEMORY_LIST_MAX 65536 /* files listed per process */

/* Looks up a name in a process's directory. Returns 0. */
int memory_find(const struct view *view, const struct task *task, const char *name, struct memory *memory);

/*
 * Lists the memory of a process in the order of the numbers in the names, MEMORY_LIST_MAX at most. `found`
 * must not keep the struct memory, which is closed afterwards. Returns 0.
 */
int memory_list(const struct view *view, const struct task *task,
		void (*found)(void *context, const struct memory *memory), void *context);

/* Permitted uses of memory that was reopened. */
struct memory_use {
	struct stat stat; /* of the file */
	bool is_mapping;  /* false: a memfd, for which the file's own permissions apply */
	bool accessible;  /* the viewer may open /proc/PID/mem for reading and writing */
	bool readable;    /* through the mapping */
	bool writable;    /* through the mapping, or by the descriptor of a memfd */
};

/* Reopens memory by its key. use: receives the permitted uses. Returns an O_PATH descriptor. */
int memory_open(const struct view *view, const struct task *task, const struct memory_key *key,
		struct memory_use *use);

void memory_close(struct memory *memory);

#define _cleanup_memory_ __attribute__((cleanup(memory_close)))

#endif
