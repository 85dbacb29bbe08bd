// SPDX-License-Identifier: MIT
#include "fs/ops/attached.h"
#include "fs/ops/loop.h"
#include "fs/source/views.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

/* Whether a process, one of whose threads has opened the node, still has a handle of it. */
static bool has_handle(const struct fs *fs, pid_t process, uint64_t id, bool only_writers)
{
	const struct arena *arena = fs->state.arena;
	uint32_t high = atomic_load(&arena->header->handles_high);

	for (uint32_t i = 1; i < high; i++) {
		const struct handle_slot *handle = &arena->handles[i];

		if (atomic_load(&handle->state) == SLOT_LIVE && handle->node == id && handle->kind == HANDLE_FILE &&
		    (!only_writers || handle_writes(handle)) &&
		    (handle->pid == process || procfs_process_of(handle->pid) == process))
			return true;
	}
	return false;
}

uint32_t attached_views(struct fs *fs, uint64_t id, const struct node_slot *node, bool only_writers)
{
	_cleanup_free_ struct procfs_view *views = NULL;
	uint32_t count = 0;
	uint32_t writers;
	uint32_t handles = handle_count(&fs->state, id, &writers);
	bool any = (only_writers ? writers : handles) > 0;
	ssize_t n;

	/* without passthrough a view keeps its handle */
	if (!fs->passthrough || node->type != S_IFREG >> 12)
		return 0;
	/* where there is no handle, who has the backing file open has a view of it */
	if (!any && !views_are_left(&fs->state, node, only_writers))
		return 0;
	loop_hand_over(fs);
	n = procfs_find_views(fs->device, source_unique_inode(node->inode, node->store), &views);
	for (ssize_t i = 0; i < n; i++)
		count += (views[i].writable || !only_writers) && !has_handle(fs, views[i].process, id, only_writers);
	/* somebody whom we can't see, or who may only begin to write */
	return count == 0 && !any ? 1 : count;
}

uint32_t attached_count(struct fs *fs, uint64_t id, const struct node_slot *node)
{
	uint32_t writers;

	return handle_count(&fs->state, id, &writers) + attached_views(fs, id, node, false);
}
