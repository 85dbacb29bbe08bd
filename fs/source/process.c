// SPDX-License-Identifier: MIT
#include "fs/source/process_node.h"
#include "fs/source/records.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>

static int absent(int result)
{
	return result == -ESRCH ? -ENOENT : result;
}

static int find_task(struct state *state, uint16_t store, const char *name, struct source_file *file)
{
	_cleanup_task_ struct task task = TASK_NONE;
	struct stat proc = {0};
	pid_t pid;
	int result;

	if (!process_parse_number(name, &pid) || source_is_segfs(state, pid))
		return -ENOENT;
	result = task_open(process_proc_fd(state, store), pid, &task);
	if (result == 0)
		result = task_stat(&task, &proc);
	if (result < 0)
		return absent(result);
	process_file_of_task(&task, store, &proc, file);
	return 0;
}

static int find_in_task(const struct task *task, uint16_t store, const char *name, struct source_file *file)
{
	_cleanup_memory_ struct memory memory = MEMORY_NONE;
	char target[TASK_NAME_MAX];
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
	if (memory.fd < 0)
		process_file_of_link(task, store, &proc, target, file);
	else
		process_file_of_memory(task, store, &proc, &memory, file);
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
		result = absent(process_open_task(state, dir->store, &key, &task));
		if (result == 0)
			result = find_in_task(&task, dir->store, name, &found);
	}
	if (result == 0)
		*file = found;
	return result;
}

static bool is_for_requester(uid_t owner)
{
	uid_t requester = (uid_t)setfsuid((uid_t)-1);

	return requester == 0 || requester == owner;
}

static int process_admit(struct state *state, const struct node_slot *node, int flags)
{
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	struct process_key key;
	struct memory_key memory;
	int result = process_reach(state, node, &file);

	if (result < 0)
		return result;
	if (!is_for_requester(file.stat.st_uid))
		return -EACCES;
	if ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_TRUNC))
		return 0;
	if (!file.is_there || !process_key_of(node, &key))
		return -EPERM;
	memory = process_memory_key(&key);
	result = memory_is_writable(&file.task, &memory);
	if (result <= 0)
		return result == 0 ? -EPERM : process_stale(result);
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
	return flags & O_PATH ? take_fd(&file.fd) : procfs_fd_open(file.fd, flags);
}

struct listing {
	struct records records;
	const struct task *task;
	uint16_t store;
};

static void list_key(struct listing *listing, const char *name, const struct process_key *key, unsigned char type)
{
	records_add(&listing->records, name, process_inode(key, listing->store), type);
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
	result = task_open(process_proc_fd(state, listing->store), pid, &task);
	if (result == 0)
		result = task_stat(&task, &proc);
	if (result < 0)
		return result == -ESRCH ? 0 : result;
	if (is_for_requester(proc.st_uid)) {
		key = process_key_of_task(&task, PROCESS_DIRECTORY);
		list_key(listing, name, &key, DT_DIR);
	}
	return 0;
}

static int list_tasks(struct state *state, struct listing *listing)
{
	_cleanup_closedir_ DIR *dir = NULL;
	const struct dirent *entry;
	int fd = openat(process_proc_fd(state, listing->store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
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
	const struct process_key key = process_key_of_memory(listing->task, &memory->key);

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
	key = process_key_of_link(listing->task, target);
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
		result = process_stale(process_open_task(state, dir->store, &key, &task));
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
		result = process_stale(list_in_task(&listing));
	}
	fd = records_finish(&listing.records);
	return result < 0 ? result : take_fd(&fd);
}

/* A write that would take set-id bits has none to take. */
static int process_change(struct state *state, const struct node_slot *node, const struct source_change *change,
			  struct stat *stat)
{
	return change->what ? -EPERM : process_stat_node(state, node, stat);
}

static int process_readlink(struct state *state, const struct node_slot *node, char *target, size_t size)
{
	_cleanup_task_ struct task task = TASK_NONE;
	char found[TASK_NAME_MAX] = "";
	struct process_key key;
	int result;

	if (!process_key_of(node, &key) || key.kind != PROCESS_LINK)
		return -EINVAL;
	result = process_open_task(state, node->store, &key, &task);
	if (result == 0)
		result = task_name(&task, found);
	if (result < 0)
		return process_stale(result);
	if (process_key_of_link(&task, found).first != key.first)
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
	.stat = process_stat_node,
	.admit = process_admit,
	.open = process_open,
	.list = process_list,
	.listed_in_memory = true,
	.readlink = process_readlink,
	.change = process_change,
};
