// SPDX-License-Identifier: MIT
#include "fs/segment/attached.h"
#include "fs/fuse/reader.h"
#include "fs/source/source.h"
#include "fs/source/views.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define LEFT_TRIES  5
#define LEFT_MOMENT 50000 /* nanoseconds between two tries */

/* Lists the threads whose opens of a node are not released. Returns an array that the caller frees. */
static pid_t *find_openers(struct fs *fs, uint64_t id, bool only_writers, size_t *n)
{
	const struct arena *arena = fs->state.arena;
	uint32_t high = atomic_load(&arena->header->handles_high);
	uint32_t writers;
	size_t max = handle_count(&fs->state, id, &writers);
	pid_t *openers = calloc(max + 1, sizeof(*openers));

	*n = 0;
	pthread_mutex_lock(&fs->state.lock);
	for (uint32_t i = 1; openers && i < high && *n < max; i++) {
		const struct handle_slot *handle = &arena->handles[i];

		if (atomic_load(&handle->state) == SLOT_LIVE && handle->node == id &&
		    handle->kind == HANDLE_FILE && (!only_writers || handle_writes(handle)))
			openers[(*n)++] = handle->pid;
	}
	pthread_mutex_unlock(&fs->state.lock);
	return openers;
}

/* Whether a process has made one of the opens: 1 or 0; a negative errno if that cannot be determined. */
static int is_opener(pid_t process, const pid_t *openers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pid_t opener = openers[i] == process ? process : procfs_process_of(openers[i]);

		if (opener == process)
			return 1;
		if (opener < 0 && opener != -ESRCH)
			return opener;
	}
	return 0;
}

/* Whether the mode of a segment lets a process write, as far as that is known without its groups. */
static bool may_write(struct fs *fs, const struct node_slot *node, pid_t process)
{
	struct stat attr;
	uid_t user;
	int result = procfs_user(process, &user);

	if (result < 0)
		return result != -ESRCH;
	if (source_of(&fs->state, node)->stat(&fs->state, node, &attr) < 0)
		return true;
	return user == 0 || user == attr.st_uid || attr.st_mode & (S_IWGRP | S_IWOTH);
}

/* Whether a process with a view is to be counted: 1 or 0; a negative errno. */
static int counts(struct fs *fs, const struct node_slot *node, const struct procfs_view *view,
		  bool only_writers, const pid_t *openers, size_t n_openers)
{
	int result;

	if (view->is_unknown)
		return only_writers && may_write(fs, node, view->process);
	if (only_writers && !view->writable)
		return 0;
	result = is_opener(view->process, openers, n_openers);
	return result < 0 ? result : !result;
}

/* Counts the processes with a view but no handle. */
static int count_views(struct fs *fs, uint64_t id, const struct node_slot *node, bool only_writers,
		       uint32_t *count)
{
	_cleanup_free_ struct procfs_view *views = NULL;
	ssize_t n = procfs_find_views((dev_t)fs->state.arena->header->device,
				      source_unique_inode(node->inode, node->store), &views);
	size_t n_openers;
	pid_t *openers;
	int result = 0;

	if (n < 0)
		return (int)n;
	openers = find_openers(fs, id, only_writers, &n_openers);
	if (!openers)
		return -ENOMEM;
	*count = 0;
	for (ssize_t i = 0; i < n && result >= 0; i++) {
		result = counts(fs, node, &views[i], only_writers, openers, n_openers);
		*count += result > 0;
	}
	free(openers);
	return result < 0 ? result : 0;
}

/*
 * Views outlive their handle with passthrough only, and not under .segfs, where each open has its own file.
 */
static bool can_outlive(const struct fs *fs, const struct node_slot *node)
{
	return fs->passthrough && node->type == S_IFREG >> 12 && node->store != NODE_STORE_CONTROL;
}

int attached_count(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t *attached)
{
	const bool is_external = node_is_external(node);
	uint32_t writers;
	uint32_t handles = handle_count(&fs->state, id, &writers);
	uint32_t views = 0;
	int result;

	*attached = handles;
	if (!can_outlive(fs, node))
		return 0;
	reader_hand_over();
	/* without a handle, only views keep the backing file open */
	if (handles == 0 && !is_external && !views_remain(&fs->state, node, false))
		return 0;
	result = count_views(fs, id, node, false, &views);
	/* someone invisible uses it; users of an external file outside of the mount are not attached */
	if (result == 0 && handles == 0 && views == 0 && !is_external)
		views = 1;
	*attached = handle_count(&fs->state, id, &writers) + views;
	return result;
}

/*
 * Whether anyone without a handle may still write. The kernel drops the backing file shortly after it has
 * sent the last RELEASE; any thread but the reader waits for that.
 */
static bool writers_are_left(struct fs *fs, const struct node_slot *node)
{
	const struct timespec moment = {.tv_nsec = LEFT_MOMENT};
	bool are_left = views_remain(&fs->state, node, true);

	for (int i = 0; i < LEFT_TRIES && are_left && !reader_is_self(); i++) {
		nanosleep(&moment, NULL);
		are_left = views_remain(&fs->state, node, true);
	}
	return are_left;
}

int attached_writers(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t limit,
		     uint32_t *views)
{
	uint32_t writers;
	int result;

	*views = 0;
	handle_count(&fs->state, id, &writers);
	/* the limit is reached, whatever the number of views */
	if (!can_outlive(fs, node) || writers >= limit)
		return 0;
	reader_hand_over();
	if (writers == 0 && !writers_are_left(fs, node))
		return 0;
	/* with a limit of one, any other writer means EBUSY, visible or not */
	*views = 1;
	if (writers == 0 && limit == 1)
		return 0;
	if (reader_is_self())
		return -EBUSY;
	result = count_views(fs, id, node, true, views);
	if (result == 0 && writers == 0 && *views == 0)
		*views = 1;
	return result;
}
