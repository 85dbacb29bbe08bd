/* SPDX-License-Identifier: MIT */
/*
 * The memory of running processes: a directory for each of them, in which there are files for what memory it has that the kernel
 * knows as files. The nodes belong to the process's user, and are gone with it; those that are open hold their memory.
 */
#ifndef SEGFS_SOURCE_PROCESS_NODE_H
#define SEGFS_SOURCE_PROCESS_NODE_H

#include "fs/source/process_memory.h"
#include "fs/source/source.h"

#include <fcntl.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

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

/* The key of a node; false where it is of another source. */
bool process_key_of(const struct node_slot *node, struct process_key *key);

/* Keys of what a process has: itself, as PROCESS_DIRECTORY; the link to its name; memory. */
struct process_key process_key_of_task(const struct task *task, enum process_kind kind);
struct process_key process_key_of_link(const struct task *task, const char *target);
struct process_key process_key_of_memory(const struct task *task, const struct memory_key *memory);

/* Which memory of its process a key means. */
struct memory_key process_memory_key(const struct process_key *key);

/* The inode number that what a key means has in the mount. store: its record. */
ino_t process_inode(const struct process_key *key, uint16_t store);

/* --- files that were found; proc: attributes of the process, from task_stat() --- */

/* Fills `file` for the directory process/ itself. store: its record. Returns 0 or a negative errno. */
int process_identify_root(const struct state *state, uint16_t store, struct source_file *file);

/* Fill `file` for the directory of a process; the link to its name, which is `target`; memory of it. */
void process_file_of_task(const struct task *task, uint16_t store, const struct stat *proc, struct source_file *file);
void process_file_of_link(const struct task *task, uint16_t store, const struct stat *proc, const char *target,
			  struct source_file *file);
void process_file_of_memory(const struct task *task, uint16_t store, const struct stat *proc, const struct memory *memory,
			    struct source_file *file);

/* --- nodes --- */

/* Descriptor of /proc, by which a store's processes are found; not the caller's. */
static inline int process_proc_fd(const struct state *state, uint16_t store)
{
	return state->arena->header->stores[store].root_fd;
}

/* Finds the very process that a key means, as task_open(). Returns 0; -ESRCH where it is gone; -EMFILE, -ENFILE, -ENOMEM. */
int process_open_task(const struct state *state, uint16_t store, const struct process_key *key, struct task *task);

/* The same, for the requester's view, which it fills; -EACCES where that does not see it. */
int process_open_task_in_view(const struct state *state, uint16_t store, const struct process_key *key, struct view *view,
			      struct task *task);

/* What a result is for a node: -ESTALE where its process, or what it is about, is gone. */
int process_stale(int result);

/* Attributes of any node. Returns 0; -ESTALE where it is gone and not open; -EMFILE, -ENFILE, -ENOMEM. May wait but for the root. */
int process_stat_node(struct state *state, const struct node_slot *node, struct stat *stat);

/* The file of a node, whether its process is there or not. */
struct process_file {
	int fd;                /* O_PATH, its own */
	bool is_there;         /* the process is, and has it, for the requester to see */
	struct task task;      /* if it is */
	struct memory_use use; /* the same */
	struct stat stat;      /* of the file; owner and group are those of the process, where it is there */
};

#define PROCESS_FILE_NONE ((struct process_file){.fd = -1, .task = TASK_NONE})

/* Returns 0; where it is not open: -ESTALE for one that is gone, -EACCES for one that the view does not see; -ETIMEDOUT; a lack of our own. */
int process_reach(const struct state *state, const struct view *view, const struct node_slot *node, struct process_file *file);
void process_file_close(struct process_file *file);

#define _cleanup_process_file_ __attribute__((cleanup(process_file_close)))

/* The seals of a file, of fcntl(2); -EINVAL where it can't have any; -EACCES where the view may not read it. */
int process_seals(const struct view *view, const struct process_file *file);

/*
 * Opens the file of a node as the view may: flags of open(2). Returns a descriptor that the caller closes; the errno of open(2);
 * -EAGAIN where somebody has a lease of it.
 */
int process_open_file(const struct view *view, const struct process_file *file, int flags);

/* What is known of memory, as attributes. */
extern const struct source_fact process_facts[];

#endif
