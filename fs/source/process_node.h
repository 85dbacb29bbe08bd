/* SPDX-License-Identifier: MIT */
/*
 * Nodes of the memory of running processes: a directory per process, with a file for each piece of memory
 * that is a file to the kernel. The nodes belong to the process's user and end with the process; an open node
 * keeps its memory alive.
 */
#ifndef SEGFS_SOURCE_PROCESS_NODE_H
#define SEGFS_SOURCE_PROCESS_NODE_H

#include "fs/source/process_memory.h"
#include "fs/source/source.h"

#include <fcntl.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Key of a node under process/, stored as its handle. */
struct process_key {
	uint32_t kind; /* enum process_kind */
	int32_t pid;
	uint64_t identity; /* of struct task */
	union {
		uint64_t first;       /* of struct memory_key */
		uint64_t target_hash; /* of a link */
	};
	uint64_t second;
	uint64_t device;
	uint64_t inode;
};

/* Gets the key of a node; false if the node is of another source. */
bool process_key_of(const struct node_slot *node, struct process_key *key);

/* Keys of a process's nodes: its directory (PROCESS_DIRECTORY), the link to its name, its memory. */
struct process_key process_key_of_task(const struct task *task, enum process_kind kind);
struct process_key process_key_of_link(const struct task *task, const char *target);
struct process_key process_key_of_memory(const struct task *task, const struct memory_key *memory);

/* The memory that a key refers to. */
struct memory_key process_memory_key(const struct process_key *key);

/* The inode number in the mount of a key's node. store: index of the store_record. */
ino_t process_inode(const struct process_key *key, uint16_t store);

/* --- results of lookups; proc: attributes of the process, from task_stat() --- */

/*
 * Fills `file` for the directory process/ itself. store: index of the store_record. Returns 0 or a negative
 * errno.
 */
int process_identify_root(const struct state *state, uint16_t store, struct source_file *file);

/* Fill `file` for a process's directory; the link to its name, with its `target`; its memory. */
void process_file_of_task(const struct task *task, uint16_t store, const struct stat *proc,
			  struct source_file *file);
void process_file_of_link(const struct task *task, uint16_t store, const struct stat *proc,
			  const char *target, struct source_file *file);
void process_file_of_memory(const struct task *task, uint16_t store, const struct stat *proc,
			    const struct memory *memory, struct source_file *file);

/* --- nodes --- */

/* The descriptor of /proc used by a store; borrowed. */
static inline int process_proc_fd(const struct state *state, uint16_t store)
{
	return state->arena->header->stores[store].root_fd;
}

/*
 * Opens the process of a key with task_open(). Returns 0; -ESRCH if it has ended; -EMFILE, -ENFILE, -ENOMEM.
 */
int process_open_task(const struct state *state, uint16_t store, const struct process_key *key,
		      struct task *task);

/*
 * Like process_open_task(), with the requester's view, which it fills; -EACCES if the view does not see the
 * process.
 */
int process_open_task_in_view(const struct state *state, uint16_t store, const struct process_key *key,
			      struct view *view, struct task *task);

/* Converts a result for a node: -ESTALE if its process or memory is gone. */
int process_stale(int result);

/*
 * Gets the attributes of any node. Returns 0; -ESTALE if it is gone and not open; -EMFILE, -ENFILE, -ENOMEM.
 * May block, except for the root.
 */
int process_stat_node(struct state *state, const struct node_slot *node, struct stat *stat);

/* The file of a node, whether or not its process still exists. */
struct process_file {
	int fd;                /* O_PATH, owned */
	bool exists;           /* the process exists, has the memory, and the view sees it */
	struct task task;      /* valid if is_there */
	struct memory_use use; /* valid if is_there */
	struct stat stat;      /* of the file; owner and group are the process's if is_there */
};

#define PROCESS_FILE_NONE ((struct process_file){.fd = -1, .task = TASK_NONE})

/*
 * Opens the file of a node. Returns 0; if the node is not open, -ESTALE for memory that is gone and -EACCES
 * for memory that the view does not see; -ETIMEDOUT; the errno of a resource shortage.
 */
int process_reach(const struct state *state, const struct view *view, const struct node_slot *node,
		  struct process_file *file);
void process_file_close(struct process_file *file);

#define _cleanup_process_file_ __attribute__((cleanup(process_file_close)))

/*
 * Gets the seals of a file, see fcntl(2); -EINVAL if it cannot have any; -EACCES if the view may not read it.
 */
int process_seals(const struct view *view, const struct process_file *file);

/*
 * Opens the file of a node with the view's permissions. flags: of open(2). Returns a descriptor that the
 * caller closes; the negative errno of open(2); -EAGAIN if another process holds a lease.
 */
int process_open_file(const struct view *view, const struct process_file *file, int flags);

#endif
