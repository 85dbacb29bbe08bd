// SPDX-License-Identifier: MIT
#include "fs/source/process_node.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define INODE_BITS 47

_Static_assert(sizeof(struct process_key) <= sizeof(((struct node_key *)0)->handle),
	       "a key fits into a node");

/* --- keys --- */

/* FNV-1a */
static uint64_t hash(const void *bytes, size_t size)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		value = (value ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
	return value;
}

static uint64_t inode_of(const struct process_key *key)
{
	uint64_t value = hash(key, sizeof(*key));

	value = (value ^ value >> INODE_BITS) & ((UINT64_C(1) << INODE_BITS) - 1);
	return value ? value : 1;
}

ino_t process_inode(const struct process_key *key, uint16_t store)
{
	return source_unique_inode(inode_of(key), store);
}

static void node_key_of(const struct process_key *key, uint16_t store, struct node_key *node_key)
{
	*node_key = (struct node_key){
		.inode = inode_of(key),
		.store = store,
		.handle_type = NODE_HANDLE_SOURCE,
		.handle_bytes = sizeof(*key),
	};
	memcpy(node_key->handle, key, sizeof(*key));
}

bool process_key_of(const struct node_slot *node, struct process_key *key)
{
	if (node->handle_type != NODE_HANDLE_SOURCE || node->handle_bytes != sizeof(*key))
		return false;
	memcpy(key, node->handle, sizeof(*key));
	return true;
}

struct process_key process_key_of_task(const struct task *task, enum process_kind kind)
{
	return (struct process_key){.kind = kind, .pid = task->pid, .identity = task->identity};
}

struct process_key process_key_of_link(const struct task *task, const char *target)
{
	struct process_key key = process_key_of_task(task, PROCESS_LINK);

	/* a new target gets a new node, because the kernel caches link targets */
	key.target_hash = hash(target, strlen(target));
	return key;
}

struct process_key process_key_of_memory(const struct task *task, const struct memory_key *memory)
{
	struct process_key key = process_key_of_task(task, memory->kind);

	key.first = memory->first;
	key.second = memory->second;
	key.device = memory->device;
	key.inode = memory->inode;
	return key;
}

struct memory_key process_memory_key(const struct process_key *key)
{
	return (struct memory_key){
		.kind = key->kind,
		.first = key->first,
		.second = key->second,
		.device = key->device,
		.inode = key->inode,
	};
}

/* --- attributes --- */

static int stat_root(const struct state *state, uint16_t store, const struct process_key *key,
		     struct stat *stat)
{
	struct stat found;

	if (fstat(process_proc_fd(state, store), &found) < 0)
		return -errno;
	*stat = (struct stat){
		.st_ino = process_inode(key, store),
		.st_mode = S_IFDIR | 0555,
		.st_nlink = 2,
		.st_uid = geteuid(),
		.st_gid = getegid(),
		.st_blksize = 4096,
		.st_atim = found.st_atim,
		.st_mtim = found.st_mtim,
		.st_ctim = found.st_ctim,
	};
	return 0;
}

/* Attributes of a process's directory and link. proc: those of its directory in /proc. */
static void set_stat(const struct process_key *key, uint16_t store, const struct stat *proc, mode_t mode,
		     off_t size, struct stat *stat)
{
	*stat = (struct stat){
		.st_ino = process_inode(key, store),
		.st_mode = mode,
		.st_nlink = S_ISDIR(mode) ? 2 : 1,
		.st_uid = proc->st_uid,
		.st_gid = proc->st_gid,
		.st_size = size,
		.st_blksize = 4096,
		.st_atim = proc->st_atim,
		.st_mtim = proc->st_mtim,
		.st_ctim = proc->st_ctim,
	};
}

/* Access for the process's user and root only. Write access is checked at open, since it can change. */
static void set_stat_of_memory(const struct process_key *key, uint16_t store, const struct stat *memory,
			       uid_t uid, gid_t gid, struct stat *stat)
{
	struct stat found = *memory;

	found.st_ino = process_inode(key, store);
	found.st_mode = S_IFREG | 0600;
	found.st_nlink = 1;
	found.st_uid = uid;
	found.st_gid = gid;
	*stat = found;
}

static void set_file(const struct process_key *key, uint16_t store, struct source_file *file)
{
	file->flags = NODE_EXTERNAL;
	file->fd = -1;
	node_key_of(key, store, &file->key);
}

void process_file_of_task(const struct task *task, uint16_t store, const struct stat *proc,
			  struct source_file *file)
{
	const struct process_key key = process_key_of_task(task, PROCESS_DIRECTORY);

	set_stat(&key, store, proc, S_IFDIR | 0500, 0, &file->stat);
	set_file(&key, store, file);
}

void process_file_of_link(const struct task *task, uint16_t store, const struct stat *proc,
			  const char *target, struct source_file *file)
{
	const struct process_key key = process_key_of_link(task, target);

	set_stat(&key, store, proc, S_IFLNK | 0777, (off_t)strlen(target), &file->stat);
	set_file(&key, store, file);
}

void process_file_of_memory(const struct task *task, uint16_t store, const struct stat *proc,
			    const struct memory *memory, struct source_file *file)
{
	const struct process_key key = process_key_of_memory(task, &memory->key);

	set_stat_of_memory(&key, store, &memory->stat, proc->st_uid, proc->st_gid, &file->stat);
	set_file(&key, store, file);
}

int process_identify_root(const struct state *state, uint16_t store, struct source_file *file)
{
	const struct process_key key = {.kind = PROCESS_ROOT};
	struct source_file found;
	int result = stat_root(state, store, &key, &found.stat);

	if (result < 0)
		return result;
	set_file(&key, store, &found);
	*file = found;
	return 0;
}

/* --- the process and the file of a node --- */

int process_open_task(const struct state *state, uint16_t store, const struct process_key *key,
		      struct task *task)
{
	struct task found;
	int result = task_open(process_proc_fd(state, store), key->pid, &found);

	if (result == 0 && found.identity != key->identity) {
		task_close(&found);
		result = -ESRCH;
	}
	if (result == 0)
		*task = found;
	return result;
}

int process_open_task_in_view(const struct state *state, uint16_t store, const struct process_key *key,
			      struct view *view, struct task *task)
{
	int result = view_of_requester(state, view);

	if (result == 0)
		result = process_open_task(state, store, key, task);
	if (result < 0)
		return result;
	result = view_sees(view, task);
	/* still this process, so the check was about it */
	if (result > 0)
		result = task_check(task);
	else if (result == 0)
		result = -EACCES;
	if (result < 0)
		task_close(task);
	return result;
}

int process_stale(int result)
{
	return result == -ESRCH || result == -ENOENT ? -ESTALE : result;
}

/* Uses the descriptor that an open node keeps. */
static int reach_by_node_fd(const struct state *state, const struct node_slot *node,
			    const struct process_key *key, struct process_file *file)
{
	file->fd = backing_open(state, node, O_PATH);
	if (file->fd < 0)
		return file->fd;
	if (fstatat(file->fd, "", &file->stat, AT_EMPTY_PATH) < 0)
		return -errno;
	return file->stat.st_dev != key->device || file->stat.st_ino != key->inode ? -ESTALE : 0;
}

static int reach_in_process(const struct state *state, const struct view *view, const struct node_slot *node,
			    const struct process_key *key, struct process_file *file)
{
	const struct memory_key memory = process_memory_key(key);
	struct stat owner;
	int result = process_open_task(state, node->store, key, &file->task);

	if (result < 0)
		return result;
	result = memory_open(view, &file->task, &memory, &file->use);
	if (result < 0)
		return result;
	file->fd = result;
	file->stat = file->use.stat;
	/* last: the file belongs to the owner of the process as of now */
	result = task_stat(&file->task, &owner);
	file->stat.st_uid = owner.st_uid;
	file->stat.st_gid = owner.st_gid;
	file->exists = result == 0;
	return result;
}

int process_reach(const struct state *state, const struct view *view, const struct node_slot *node,
		  struct process_file *file)
{
	struct process_key key;
	int result;

	if (!process_key_of(node, &key) || key.kind < PROCESS_MEMFD)
		return -EINVAL;
	result = reach_in_process(state, view, node, &key, file);
	if (result == -ESRCH || result == -ENOENT) {
		bool is_hidden =
			view->kind != VIEW_ALL && file->task.pidfd >= 0 && view_sees(view, &file->task) == 0;

		process_file_close(file);
		result = reach_by_node_fd(state, node, &key, file);
		if (result == -ESTALE && is_hidden)
			result = -EACCES;
	}
	return result;
}

void process_file_close(struct process_file *file)
{
	cleanup_close(&file->fd);
	task_close(&file->task);
	*file = PROCESS_FILE_NONE;
}

/*
 * Opens a file in a delegate: the open may wait for a lease to be broken, and is checked against the
 * requester's permissions.
 */
struct reopening {
	char path[PROCFS_FD_MAX];
	int flags;
	int fd;
};

static int reopen(void *context)
{
	struct reopening *reopening = context;

	reopening->fd = open(reopening->path, reopening->flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return reopening->fd < 0 ? -errno : 0;
}

int process_open_file(const struct view *view, const struct process_file *file, int flags)
{
	/* the permissions of a mapping are those of the process's memory, which were checked before */
	static const struct view daemon = {.kind = VIEW_ALL};
	struct reopening reopening = {.flags = flags, .fd = -1};
	int result;

	procfs_fd_path(reopening.path, file->fd);
	result = view_run(file->use.is_mapping ? &daemon : view, false, reopen, &reopening);
	if (result < 0)
		cleanup_close(&reopening.fd);
	return result < 0 ? result : reopening.fd;
}

int process_seals(const struct view *view, const struct process_file *file)
{
	_cleanup_close_ int fd = process_open_file(view, file, O_RDONLY);
	int found;

	if (fd < 0)
		return fd;
	found = fcntl(fd, F_GET_SEALS);
	return found < 0 ? -errno : found;
}

/* --- attributes of a node --- */

static int stat_task(struct state *state, const struct node_slot *node, const struct process_key *key,
		     struct stat *stat)
{
	_cleanup_task_ struct task task = TASK_NONE;
	char target[TASK_NAME_MAX] = "";
	struct stat proc = {0};
	struct view view;
	int result = process_open_task_in_view(state, node->store, key, &view, &task);

	if (result == 0 && key->kind == PROCESS_LINK)
		result = task_name(&task, target);
	if (result == 0)
		result = task_stat(&task, &proc);
	if (result < 0)
		return process_stale(result);
	set_stat(key, node->store, &proc, key->kind == PROCESS_LINK ? S_IFLNK | 0777 : S_IFDIR | 0500,
		 (off_t)strlen(target), stat);
	return 0;
}

int process_stat_node(struct state *state, const struct node_slot *node, struct stat *stat)
{
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	struct process_key key;
	struct view view;
	int result;

	if (!process_key_of(node, &key))
		return -ESTALE;
	if (key.kind == PROCESS_ROOT)
		return stat_root(state, node->store, &key, stat);
	if (key.kind == PROCESS_DIRECTORY || key.kind == PROCESS_LINK)
		return stat_task(state, node, &key, stat);
	result = view_of_requester(state, &view);
	if (result == 0)
		result = process_reach(state, &view, node, &file);
	if (result == 0)
		set_stat_of_memory(&key, node->store, &file.stat, file.stat.st_uid, file.stat.st_gid, stat);
	return result;
}
