// SPDX-License-Identifier: MIT
#include "fs/source/internal.h"
#include "fs/source/process_node.h"
#include "fs/source/records.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

/* An object that the requester may not see does not exist for him. */
static int absent(int result)
{
	return result == -ESRCH || result == -EACCES ? -ENOENT : result;
}

static int find_task(struct state *state, uint16_t store, const char *name, struct source_file *file)
{
	_cleanup_task_ struct task task = TASK_NONE;
	struct stat proc = {0};
	struct view view;
	pid_t pid;
	int result;

	if (!process_parse_number(name, &pid) || source_is_segfs(state, pid))
		return -ENOENT;
	result = view_of_requester(state, &view);
	if (result == 0)
		result = task_open(process_proc_fd(state, store), pid, &task);
	if (result == 0)
		result = view_sees(&view, &task);
	if (result == 0)
		result = -EACCES;
	if (result > 0)
		result = task_stat(&task, &proc);
	if (result < 0)
		return absent(result);
	process_file_of_task(&task, store, &proc, file);
	return 0;
}

static int find_in_task(const struct view *view, const struct task *task, uint16_t store, const char *name,
			struct source_file *file)
{
	_cleanup_memory_ struct memory memory = MEMORY_NONE;
	char target[TASK_NAME_MAX];
	struct stat proc = {0};
	int result;

	if (strcmp(name, PROCESS_COMM) == 0)
		result = task_name(task, target);
	else
		result = memory_find(view, task, name, &memory);
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

static int process_find(struct state *state, const struct node_slot *dir, const char *name,
			struct source_file *file)
{
	_cleanup_task_ struct task task = TASK_NONE;
	struct source_file found = {.fd = -1};
	struct process_key key;
	struct view view;
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
		result = absent(process_open_task_in_view(state, dir->store, &key, &view, &task));
		if (result == 0)
			result = find_in_task(&view, &task, dir->store, name, &found);
	}
	if (result == 0)
		*file = found;
	return result;
}

/* Checks in a delegate whether the file's permissions let the requester open it. */
struct permission {
	int fd;
	int mode; /* of access(2) */
};

static int ask_permission(void *context)
{
	const struct permission *permission = context;

	return syscall(SYS_faccessat2, permission->fd, "", permission->mode, AT_EMPTY_PATH | AT_EACCESS) < 0
		       ? -errno
		       : 0;
}

/* Like an open of /proc/PID/fd/N. F_GET_SEALS of a file that cannot be sealed is EINVAL. */
static int admit_to_file(const struct view *view, const struct process_file *file, bool reads, bool writes)
{
	struct permission permission = {file->fd, (reads ? R_OK : 0) | (writes ? W_OK : 0)};
	int result = view_run(view, false, ask_permission, &permission);

	if (result < 0 || !writes)
		return result;
	/* the process's own descriptor is read-only */
	if (!file->use.writable)
		return -EPERM;
	result = process_seals(&(struct view){.kind = VIEW_ALL}, file);
	if (result < 0)
		return result == -EINVAL ? 0 : result;
	return result & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ? -EPERM : 0;
}

/* Like a read or write of /proc/PID/mem. */
static int admit_to_mapping(const struct process_file *file, bool reads, bool writes)
{
	if (!file->use.accessible || (reads && !file->use.readable))
		return -EACCES;
	return writes && !file->use.writable ? -EPERM : 0;
}

static int process_admit(struct state *state, const struct node_slot *node, int flags)
{
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	const bool reads = (flags & O_ACCMODE) != O_WRONLY;
	const bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
	struct view view;
	int result = view_of_requester(state, &view);

	if (result == 0)
		result = process_reach(state, &view, node, &file);
	if (result < 0)
		return result;
	if (view.kind == VIEW_NOTHING)
		return -EACCES;
	return file.exists && file.use.is_mapping ? admit_to_mapping(&file, reads, writes)
						  : admit_to_file(&view, &file, reads, writes);
}

/* An O_PATH descriptor is for the daemon, not for the requester, so it needs no permission. */
static int process_open(struct state *state, const struct node_slot *node, int flags)
{
	_cleanup_process_file_ struct process_file file = PROCESS_FILE_NONE;
	struct view view;
	int result;

	if (node->type != S_IFREG >> 12)
		return -EINVAL;
	result = view_of_requester(state, &view);
	if (result == 0)
		result = process_reach(state, &view, node, &file);
	if (result < 0)
		return result;
	return flags & O_PATH ? take_fd(&file.fd) : process_open_file(&view, &file, flags);
}

struct listing {
	struct records records;
	const struct view *view;
	const struct task *task;
	uint16_t store;
};

static void list_key(struct listing *listing, const char *name, const struct process_key *key,
		     unsigned char type)
{
	records_add(&listing->records, name, process_inode(key, listing->store), type);
}

/* Skips a process that has ended. */
static int list_task(struct state *state, struct listing *listing, pid_t pid)
{
	_cleanup_task_ struct task task = TASK_NONE;
	struct process_key key;
	char name[16];
	bool asked = !procfs_is_unresponsive(pid);
	int result = asked ? task_open(process_proc_fd(state, listing->store), pid, &task) : -ETIMEDOUT;

	/*
	 * Before Linux 6.9 the identity of a process in execve(2) cannot be read, but its name is known: it
	 * must not hide all others.
	 */
	if (result == -ETIMEDOUT) {
		if (asked)
			procfs_mark_unresponsive(pid);
		task.pid = pid;
		result = 0;
	}
	if (result < 0)
		return result == -ESRCH ? 0 : result;
	key = process_key_of_task(&task, PROCESS_DIRECTORY);
	snprintf(name, sizeof(name), "%d", (int)pid);
	list_key(listing, name, &key, DT_DIR);
	return 0;
}

/* Processes to be filtered by what the requester may see. */
struct batch {
	pid_t process[256];
	size_t n;
};

static int list_batch(struct state *state, struct listing *listing, struct batch *batch)
{
	bool seen[sizeof(batch->process) / sizeof(batch->process[0])];
	int result = view_filter(listing->view, batch->process, batch->n, seen);

	for (size_t i = 0; result == 0 && i < batch->n; i++)
		if (seen[i])
			result = list_task(state, listing, batch->process[i]);
	batch->n = 0;
	return result;
}

static int list_tasks(struct state *state, struct listing *listing)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct batch batch = {.n = 0};
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
	for (errno = 0; result == 0 && (entry = readdir(dir)); errno = 0) {
		if (!process_parse_number(entry->d_name, &batch.process[batch.n]) ||
		    source_is_segfs(state, batch.process[batch.n]))
			continue;
		batch.n++;
		if (batch.n == sizeof(batch.process) / sizeof(batch.process[0]))
			result = list_batch(state, listing, &batch);
	}
	if (result == 0 && errno)
		result = -errno;
	return result < 0 ? result : list_batch(state, listing, &batch);
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
	int result = task_name(listing->task, target);

	if (result < 0)
		return result;
	key = process_key_of_link(listing->task, target);
	list_key(listing, PROCESS_COMM, &key, DT_LNK);
	return memory_list(listing->view, listing->task, list_memory, listing);
}

static int process_list(struct state *state, const struct node_slot *dir)
{
	const struct process_key root = {.kind = PROCESS_ROOT};
	struct listing listing = {.store = dir->store};
	_cleanup_task_ struct task task = TASK_NONE;
	_cleanup_close_ int fd = -1;
	struct process_key key;
	struct view view;
	int result;

	if (!process_key_of(dir, &key) || dir->type != S_IFDIR >> 12)
		return -ENOTDIR;
	if (key.kind != PROCESS_ROOT)
		result = process_stale(process_open_task_in_view(state, dir->store, &key, &view, &task));
	else
		result = view_of_requester(state, &view);
	if (result < 0)
		return result;
	listing.view = &view;
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

/* A write that would clear set-id bits has none to clear. */
static int process_change(struct state *state, const struct node_slot *node,
			  const struct source_change *change, struct stat *stat)
{
	return change->what ? -EPERM : process_stat_node(state, node, stat);
}

static int process_readlink(struct state *state, const struct node_slot *node, char *target, size_t size)
{
	_cleanup_task_ struct task task = TASK_NONE;
	char found[TASK_NAME_MAX] = "";
	struct process_key key;
	struct view view;
	int result;

	if (!process_key_of(node, &key) || key.kind != PROCESS_LINK)
		return -EINVAL;
	result = process_open_task_in_view(state, node->store, &key, &view, &task);
	if (result == 0)
		result = task_name(&task, found);
	if (result < 0)
		return process_stale(result);
	if (process_key_of_link(&task, found).target_hash != key.target_hash)
		return -ESTALE;
	return snprintf(target, size, "%s", found);
}

/* The list of processes is available at once; their contents may have to wait for execve(2). */
static bool process_waits(const struct state *state, const struct node_slot *node, enum source_wanted wanted)
{
	struct process_key key;

	(void)state;
	if (wanted == SOURCE_ALL || procfs_identity_waits() || !process_key_of(node, &key))
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
