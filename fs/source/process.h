/* SPDX-License-Identifier: MIT */
/*
 * The memory of running processes: a directory for each of them, in which there are files for what memory it has that the kernel
 * knows as files. The nodes belong to the process's user, and are gone with it; those that are open hold their memory.
 */
#ifndef SEGFS_SOURCE_PROCESS_H
#define SEGFS_SOURCE_PROCESS_H

#include "fs/source/process_memory.h"
#include "fs/source/source.h"

/* The key of a node under process/, in the bytes of its handle. */
struct process_key {
	uint32_t kind;     /* enum process_kind */
	int32_t pid;
	uint64_t identity; /* of struct task */
	uint64_t first;    /* of struct memory_key; of a link a hash of its target */
	uint64_t second;
	uint64_t device;
	uint64_t inode;
};

/* Fills `file` for the directory process/ itself. store: its record. Returns 0 or a negative errno. */
int process_identify_root(const struct state *state, uint16_t store, struct source_file *file);

/* The key of a node; false where it is of another source. */
bool process_key_of(const struct node_slot *node, struct process_key *key);

/* The file of a node, whether its process is there or not. */
struct process_file {
	int fd;           /* O_PATH, its own */
	bool is_there;    /* the process is, and has it */
	struct task task; /* if it is */
	struct stat stat; /* of the file; owner and group are those of the process, where it is there */
};

#define PROCESS_FILE_NONE ((struct process_file){.fd = -1, .task = TASK_NONE})

/* Returns 0; -ESTALE where it is gone and not open; the errno of a lack of our own, see procfs_says_none(). May wait. */
int process_reach(const struct state *state, const struct node_slot *node, struct process_file *file);
void process_file_close(struct process_file *file);

#define _cleanup_process_file_ __attribute__((cleanup(process_file_close)))

/* The seals of a file, of fcntl(2); -EINVAL where it can't have any. May wait. */
int process_seals(const struct process_file *file);

extern const struct source_fact process_facts[];

#endif
