// SPDX-License-Identifier: MIT
#include "fs/ops/attached.h"
#include "fs/ops/loop.h"
#include "fs/source/views.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/base/procfs_users.h"

#include <errno.h>
#include <stdlib.h>

/* Threads that have opened a node and still have a handle of it. Returns an array that the caller frees. */
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

		if (atomic_load(&handle->state) == SLOT_LIVE && handle->node == id && handle->kind == HANDLE_FILE &&
		    (!only_writers || handle_writes(handle)))
			openers[(*n)++] = handle->pid;
	}
	pthread_mutex_unlock(&fs->state.lock);
	return openers;
}

/* Returns 1 or 0; a negative errno where that can't be said. */
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

/* Processes that have a view and are not among those that have a handle. */
static int count_views(struct fs *fs, uint64_t id, const struct node_slot *node, bool only_writers, uint32_t *count)
{
	_cleanup_free_ struct procfs_view *views = NULL;
	ssize_t n = procfs_find_views((dev_t)fs->state.arena->header->device, source_unique_inode(node->inode, node->store), &views);
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
		if (only_writers && !views[i].writable)
			continue;
		result = is_opener(views[i].process, openers, n_openers);
		*count += result == 0;
	}
	free(openers);
	return result < 0 ? result : 0;
}

int attached_views(struct fs *fs, uint64_t id, const struct node_slot *node, bool only_writers, uint32_t *views)
{
	uint32_t writers;
	uint32_t handles = handle_count(&fs->state, id, &writers);
	bool any = (only_writers ? writers : handles) > 0;
	bool is_foreign = node_is_foreign(node);
	int result;

	*views = 0;
	/* without passthrough a view keeps its handle; what is under .segfs is made anew for each open */
	if (!fs->passthrough || node->type != S_IFREG >> 12 || node->store == NODE_STORE_CONTROL)
		return 0;
	/* where there is no handle, who has the backing file open has a view of it */
	if (!any && !is_foreign && !views_are_left(&fs->state, node, only_writers))
		return 0;
	loop_hand_over(fs);
	result = count_views(fs, id, node, only_writers, views);
	/* somebody whom we can't see, or who may only begin to write; who uses a foreign file past the mount is not attached to it */
	if (result == 0 && *views == 0 && !any && !is_foreign)
		*views = 1;
	return result;
}

int attached_count(struct fs *fs, uint64_t id, const struct node_slot *node, uint32_t *attached)
{
	uint32_t writers;
	uint32_t views;
	int result = attached_views(fs, id, node, false, &views);

	*attached = handle_count(&fs->state, id, &writers) + views;
	return result;
}
