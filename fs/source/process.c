// SPDX-License-Identifier: MIT
#include "fs/source/process.h"
#include "fs/source/backing.h"
#include "fs/source/records.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define INODE_BITS 47

_Static_assert(sizeof(struct process_key) <= sizeof(((struct node_key *)0)->handle), "a key fits into a node");

/* --- keys ------------------------------------------------------------------------------------------------------- */

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

static ino_t inode_in_mount(const struct process_key *key, uint16_t store)
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

static struct process_key key_of_task(const struct task *task, enum process_kind kind)
{
	return (struct process_key){.kind = kind, .pid = task->pid, .identity = task->identity};
}

static struct process_key key_of_link(const struct task *task, const char *target)
{
	struct process_key key = key_of_task(task, PROCESS_LINK);

	/* another target is another node: the kernel keeps the targets of links */
	key.first = hash(target, strlen(target));
	return key;
}

static struct process_key key_of_memory(const struct task *task, const struct memory_key *memory)
{
	struct process_key key = key_of_task(task, memory->kind);

	key.first = memory->first;
	key.second = memory->second;
	key.device = memory->device;
	key.inode = memory->inode;
	return key;
}

static struct memory_key memory_key_of(const struct process_key *key)
{
	return (struct memory_key){
		.kind = key->kind,
		.first = key->first,
		.second = key->second,
		.device = key->device,
		.inode = key->inode,
	};
}

/* --- attributes ------------------------------------------------------------------------------------------------- */

static int proc_of(const struct state *state, uint16_t store)
{
	return state->arena->header->stores[store].root_fd;
}

static int stat_root(const struct state *state, uint16_t store, const struct process_key *key, struct stat *stat)
{
	struct stat found;

	if (fstat(proc_of(state, store), &found) < 0)
		return -errno;
	*stat = (struct stat){
		.st_ino = inode_in_mount(key, store),
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

/* What a process's directory and link have; `proc` is its directory in /proc. */
static void set_stat(const struct process_key *key, uint16_t store, const struct stat *proc, mode_t mode, off_t size,
		     struct stat *stat)
{
	*stat = (struct stat){
		.st_ino = inode_in_mount(key, store),
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

/* Nobody but the process's user and root; what may be written to is found out when it is opened, since it changes. */
static void set_stat_of_memory(const struct process_key *key, uint16_t store, const struct stat *memory, uid_t uid, gid_t gid,
			       struct stat *stat)
{
	struct stat found = *memory;

	found.st_ino = inode_in_mount(key, store);
	found.st_mode = S_IFREG | 0600;
	found.st_nlink = 1;
	found.st_uid = uid;
	found.st_gid = gid;
	*stat = found;
}

static void set_file(const struct process_key *key, uint16_t store, struct source_file *file)
{
	file->flags = NODE_FOREIGN;
	file->fd = -1;
	node_key_of(key, store, &file->key);
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

/* --- a node's process and file ---------------------------------------------------------------------------------- */

/* A process that is the one which the key means. ESRCH. */
static int open_task(const struct state *state, uint16_t store, const struct process_key *key, struct task *task)
{
	struct task found;
	int result = task_open(proc_of(state, store), key->pid, &found);

	if (result == 0 && found.identity != key->identity) {
		task_close(&found);
		result = -ESRCH;
	}
	if (result == 0)
		*task = found;
	return result;
}

static int stale(int result)
{
	return result == -ESRCH || result == -ENOENT ? -ESTALE : result;
}

static int absent(int result)
{
	return result == -ESRCH ? -ENOENT : result;
}

/* By the descriptor that an open node keeps, which may be another's by the time that we look. */
static int reach_held(const struct node_slot *node, const struct process_key *key, struct process_file *file)
{
	int held = atomic_load(&node->fd);

	if (held < 0)
		return -ESTALE;
	file->fd = fcntl(held, F_DUPFD_CLOEXEC, 0);
	if (file->fd < 0)
		return errno == EBADF ? -ESTALE : -errno;
	if (fstatat(file->fd, "", &file->stat, AT_EMPTY_PATH) < 0)
		return -errno;
	return file->stat.st_dev != key->device || file->stat.st_ino != key->inode ? -ESTALE : 0;
}

static int reach_in_process(const struct state *state, const struct node_slot *node, const struct process_key *key,
			    struct process_file *file)
{
	const struct memory_key memory = memory_key_of(key);
	struct stat owner;
	int result = open_task(state, node->store, key, &file->task);

	if (result < 0)
		return result;
	result = memory_open(&file->task, &memory, &file->stat);
	if (result < 0)
		return result;
	file->fd = result;
	/* last: what was found belongs to who owns the process after it was found */
	result = task_stat(&file->task, &owner);
	file->stat.st_uid = owner.st_uid;
	file->stat.st_gid = owner.st_gid;
	file->is_there = result == 0;
	return result;
}

int process_reach(const struct state *state, const struct node_slot *node, struct process_file *file)
{
	struct process_key key;
	int result;

	if (!process_key_of(node, &key) || key.kind < PROCESS_MEMFD)
		return -EINVAL;
	result = reach_in_process(state, node, &key, file);
	if (result == -ESRCH || result == -ENOENT) {
		process_file_close(file);
		result = reach_held(node, &key, file);
	}
	return result;
}

void process_file_close(struct process_file *file)
{
	cleanup_close(&file->fd);
	task_close(&file->task);
	*file = PROCESS_FILE_NONE;
}

static int open_by_path(int fd, int flags)
{
	char path[PROC_FD_MAX];
	int opened;

	proc_fd_path(path, fd);
	opened = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return opened < 0 ? -errno : opened;
}

int process_seals(const struct process_file *file)
{
	_cleanup_close_ int fd = open_by_path(file->fd, O_RDONLY);
	int found;

	if (fd < 0)
		return fd;
	found = fcntl(fd, F_GET_SEALS);
	return found < 0 ? -errno : found;
}

/* --- the source ------------------------------------------------------------------------------------------------- */

static int find_task(struct state *state, uint16_t store, const char *name, struct source_file *file)
{
	_cleanup_task_ struct task task = TASK_NONE;
	struct process_key key;
	struct stat proc = {0};
	pid_t pid;
	int result;

	if (!process_parse_number(name, &pid) || source_is_segfs(state, pid))
		return -ENOENT;
	result = task_open(proc_of(state, store), pid, &task);
	if (result == 0)
		result = task_stat(&task, &proc);
	if (result < 0)
		return absent(result);
	key = key_of_task(&task, PROCESS_DIRECTORY);
	set_stat(&key, store, &proc, S_IFDIR | 0500, 0, &file->stat);
	set_file(&key, store, file);
	return 0;
}

static int find_in_task(const struct task *task, uint16_t store, const char *name, struct source_file *file)
{
	_cleanup_memory_ struct memory memory = MEMORY_NONE;
	char target[TASK_NAME_MAX];
	struct process_key key;
	struct stat proc = {0};
	int result;

	if (strcmp(name, PROCESS_COMM) == 0)
		result = task_name(task, target);
	else
		result = memory_find(task, name, &memory);
	if (result == 0)
		result = task_stat(task, &proc);
	if (result < 0)
		return absent(result);
	if (memory.fd < 0) {
		key = key_of_link(task, target);
		set_stat(&key, store, &proc, S_IFLNK | 0777, (off_t)strlen(target), &file->stat);
	} else {
		key = key_of_memory(task, &memory.key);
		set_stat_of_memory(&key, store, &memory.stat, proc.st_uid, proc.st_gid, &file->stat);
	}
	set_file(&key, store, file);
	return 0;
}

static int process_find(struct state *state, const struct node_slot *dir, const char *name, struct source_file *file)
{
	_cleanup_task_ struct task task = TASK_NONE;
	struct source_file found = {.fd = -1};
	struct process_key key;
	int result;

	if (!process_key_of(dir, &key) || dir->type != S_IFDIR >> 12)
		return -ENOTDIR;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (key.kind == PROCESS_ROOT) {
		result = find_task(state, dir->store, name, &found);
	} else if (strcmp(name, "..") == 0) {
		result = process_identify_root(state, dir->store, &found);
	} else {
		result = absent(open_task(state, dir->store, &key, &task));
		if (result == 0)
			result = find_in_task(&task, dir->store, name, &found);
	}
	if (result == 0)
		*file = found;
	return result;
}

static int stat_task(struct state *state, const struct node_slot *node, const struct process_key *key, struct stat *stat)
{
	_cleanup_task_ struct task task = TASK_NONE;
	char target[TASK_NAME_MAX] = "";
	struct stat proc = {0};
	int result = open_task(state, node->store, key, &task);

	if (result == 0 && key->kind == PROCESS_LINK)
		result = task_name(&task, target);
	if (result == 0)
		result = task_stat(&task, &proc);
	if (result < 0)
		return stale(result);
	set_stat(key, node->store, &proc, key->kind == PROCESS_LINK ? S_IFLNK | 0777 : S_IFDIR | 0500, (off_t)strlen(target),
		 stat);
	return 0;
}

static int process_stat(struct state *state, const struct node_slot *node, struct stat *stat)
{
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	struct process_key key;
	int result;

	if (!process_key_of(node, &key))
		return -ESTALE;
	if (key.kind == PROCESS_ROOT)
		return stat_root(state, node->store, &key, stat);
	if (key.kind == PROCESS_DIRECTORY || key.kind == PROCESS_LINK)
		return stat_task(state, node, &key, stat);
	result = process_reach(state, node, &file);
	if (result == 0)
		set_stat_of_memory(&key, node->store, &file.stat, file.stat.st_uid, file.stat.st_gid, stat);
	return result;
}

static bool is_for_requester(uid_t owner)
{
	uid_t requester = (uid_t)setfsuid((uid_t)-1);

	return requester == 0 || requester == owner;
}

static int process_admit(struct state *state, const struct node_slot *node, bool writes)
{
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	struct process_key key;
	struct memory_key memory;
	int result = process_reach(state, node, &file);

	if (result < 0)
		return result;
	if (!is_for_requester(file.stat.st_uid))
		return -EACCES;
	if (!writes)
		return 0;
	if (!file.is_there || !process_key_of(node, &key))
		return -EPERM;
	memory = memory_key_of(&key);
	result = memory_is_writable(&file.task, &memory);
	if (result <= 0)
		return result == 0 ? -EPERM : stale(result);
	/* others than memfds can't be sealed, and say so in their own way */
	result = key.kind == PROCESS_MEMFD ? process_seals(&file) : 0;
	if (result == -EINVAL)
		return 0;
	if (result < 0)
		return result;
	return result & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ? -EPERM : 0;
}

static int process_open(struct state *state, const struct node_slot *node, int flags)
{
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	int result;

	if (node->type != S_IFREG >> 12)
		return -EINVAL;
	result = process_reach(state, node, &file);
	if (result < 0)
		return result;
	return flags & O_PATH ? take_fd(&file.fd) : open_by_path(file.fd, flags);
}

/* --- listing */

struct listing {
	struct records records;
	const struct task *task;
	uint16_t store;
};

static void list_key(struct listing *listing, const char *name, const struct process_key *key, unsigned char type)
{
	records_add(&listing->records, name, inode_in_mount(key, listing->store), type);
}

/* One that is gone is none. */
static int list_task(struct state *state, struct listing *listing, const char *name)
{
	_cleanup_task_ struct task task = TASK_NONE;
	struct process_key key;
	struct stat proc = {0};
	pid_t pid;
	int result;

	if (!process_parse_number(name, &pid) || source_is_segfs(state, pid))
		return 0;
	result = task_open(proc_of(state, listing->store), pid, &task);
	if (result == 0)
		result = task_stat(&task, &proc);
	if (result < 0)
		return result == -ESRCH ? 0 : result;
	if (is_for_requester(proc.st_uid)) {
		key = key_of_task(&task, PROCESS_DIRECTORY);
		list_key(listing, name, &key, DT_DIR);
	}
	return 0;
}

static int list_tasks(struct state *state, struct listing *listing)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(proc_of(state, listing->store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		result = -errno;
		close(fd);
		return result;
	}
	for (errno = 0; result == 0 && (entry = readdir(dir)); errno = 0)
		result = list_task(state, listing, entry->d_name);
	return result < 0 ? result : -errno;
}

static void list_memory(void *context, const struct memory *memory)
{
	struct listing *listing = context;
	const struct process_key key = key_of_memory(listing->task, &memory->key);

	list_key(listing, memory->name, &key, DT_REG);
}

static int list_in_task(struct listing *listing)
{
	char target[TASK_NAME_MAX];
	struct process_key key;
	struct stat proc = {0};
	int result = task_name(listing->task, target);

	if (result < 0)
		return result;
	key = key_of_link(listing->task, target);
	list_key(listing, PROCESS_COMM, &key, DT_LNK);
	result = memory_list(listing->task, list_memory, listing);
	/* last: a program that runs as another user has been started meanwhile */
	if (result == 0)
		result = task_stat(listing->task, &proc);
	return result == 0 && !is_for_requester(proc.st_uid) ? -EACCES : result;
}

static int process_list(struct state *state, const struct node_slot *dir)
{
	const struct process_key root = {.kind = PROCESS_ROOT};
	struct listing listing = {.store = dir->store};
	_cleanup_task_ struct task task = TASK_NONE;
	_cleanup_close_ int fd = -1;
	struct process_key key;
	int result = 0;

	if (!process_key_of(dir, &key) || dir->type != S_IFDIR >> 12)
		return -ENOTDIR;
	if (key.kind != PROCESS_ROOT)
		result = stale(open_task(state, dir->store, &key, &task));
	if (result < 0)
		return result;
	listing.task = &task;
	records_begin(&listing.records);
	list_key(&listing, ".", &key, DT_DIR);
	if (key.kind == PROCESS_ROOT) {
		records_add(&listing.records, "..", source_inode_of(&state->arena->nodes[NODE_ROOT]), DT_DIR);
		result = list_tasks(state, &listing);
	} else {
		list_key(&listing, "..", &root, DT_DIR);
		result = stale(list_in_task(&listing));
	}
	fd = records_finish(&listing.records);
	return result < 0 ? result : take_fd(&fd);
}

/* A write that would take set-id bits has none to take. */
static int process_change(struct state *state, const struct node_slot *node, const struct source_change *change,
			  struct stat *stat)
{
	return change->what ? -EPERM : process_stat(state, node, stat);
}

static int process_readlink(struct state *state, const struct node_slot *node, char *target, size_t size)
{
	_cleanup_task_ struct task task = TASK_NONE;
	char found[TASK_NAME_MAX] = "";
	struct process_key key;
	int result;

	if (!process_key_of(node, &key) || key.kind != PROCESS_LINK)
		return -EINVAL;
	result = open_task(state, node->store, &key, &task);
	if (result == 0)
		result = task_name(&task, found);
	if (result < 0)
		return stale(result);
	if (hash(found, strlen(found)) != key.first)
		return -ESTALE;
	return snprintf(target, size, "%s", found);
}

/* Which processes there are is known at once; what is in them, only when they let us look. */
static bool process_waits(const struct state *state, const struct node_slot *node, enum source_wanted wanted)
{
	struct process_key key;

	(void)state;
	if (wanted == SOURCE_ALL || task_waits() || !process_key_of(node, &key))
		return true;
	return wanted == SOURCE_NAME ? key.kind != PROCESS_ROOT : node->type != S_IFDIR >> 12;
}

const struct source process_source = {
	.name = "process",
	.facts = process_facts,
	.fixed_size = true,
	.as_requester = true,
	.waits = process_waits,
	.find = process_find,
	.stat = process_stat,
	.admit = process_admit,
	.open = process_open,
	.list = process_list,
	.listed_in_memory = true,
	.readlink = process_readlink,
	.change = process_change,
};
