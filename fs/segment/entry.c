// SPDX-License-Identifier: MIT
#include "fs/segment/entry.h"
#include "fs/fuse/passthrough.h"
#include "fs/fuse/prune.h"
#include "fs/fuse/reply.h"
#include "fs/segment/set_id.h"
#include "fs/source/fd_cache.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#define LISTED_FRESH 20u /* milliseconds within which the next part of a listing is requested */

/* Half of the time for which the kernel caches entries, so that they stay valid until the listing ends. */
static double fresh_seconds(const struct fs_options *options)
{
	double shorter = options->entry_timeout < options->attr_timeout ? options->entry_timeout
									: options->attr_timeout;

	return shorter < 3600.0 ? shorter / 2 : 1800.0;
}

static uint32_t now_milliseconds(void)
{
	struct timespec now;
	uint32_t milliseconds;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	milliseconds = (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
	return milliseconds ? milliseconds : 1;
}

bool kernel_knows(struct fs *fs, uint16_t store, uint64_t inode)
{
	uint32_t since = now_milliseconds() - (uint32_t)(fresh_seconds(&fs->options) * 1000);

	return node_is_fresh(&fs->state, store, inode, since);
}

static bool is_constant(const struct node_slot *node)
{
	return atomic_load(&node->flags) & NODE_FIXED && node->handle_type == NODE_HANDLE_SOURCE;
}

void node_was_listed(struct fs *fs, const struct node_slot *dir)
{
	node_attributes_sent(&fs->state, node_id_of(&fs->state, dir), now_milliseconds());
}

double attr_timeout(struct fs *fs, const struct node_slot *node, mode_t mode)
{
	if (set_id_sent(fs, node, mode))
		return 0;
	if (!node_is_external(node) || is_constant(node))
		return fs->options.attr_timeout;
	return node->type == S_IFDIR >> 12 && node_is_fresh(&fs->state, node->store, node->inode,
							    now_milliseconds() - LISTED_FRESH)
		       ? LISTED_TIMEOUT
		       : 0;
}

uint32_t entry_node_flags(const struct source_file *file)
{
	return file->flags | (file->stat.st_nlink == 0 ? NODE_UNLINKED : 0);
}

void entry_of_node(struct fs *fs, uint64_t id, const struct source_file *file, struct fuse_entry_param *entry)
{
	const bool is_external = file->flags & NODE_EXTERNAL;

	if (!is_external)
		node_attributes_sent(&fs->state, id, now_milliseconds());
	*entry = (struct fuse_entry_param){
		.ino = id,
		.generation = id >> 32,
		.attr = file->stat,
		.attr_timeout = attr_timeout(fs, node_get(&fs->state, id), file->stat.st_mode),
	};
	/* of external files, only the names in the root never change */
	if (!is_external || node_index_of(id) <= NODE_CONTROL)
		entry->entry_timeout = fs->options.entry_timeout;
}

int entry_from_file(struct fs *fs, struct source_file *file, struct fuse_entry_param *entry)
{
	const uint32_t flags = entry_node_flags(file);
	uint64_t id = 0;
	int result;

	result = node_reference(&fs->state, &file->key, file->stat.st_mode, flags, &file->fd, &id);
	if (result == -ENFILE && prune_for_room(fs))
		result = node_reference(&fs->state, &file->key, file->stat.st_mode, flags, &file->fd, &id);
	cleanup_close(&file->fd);
	file->fd = -1;
	if (result < 0)
		return result;
	entry_of_node(fs, id, file, entry);
	return 0;
}

/* Releases what a node no longer needs. The node may be gone. */
static void entry_release(struct fs *fs, uint64_t id, int backing_id)
{
	const struct node_slot *node = node_get(&fs->state, id);

	passthrough_close(fs, backing_id);
	if (!node || atomic_load(&node->lookups) == 0)
		fd_cache_drop(&fs->state, id);
}

void entry_forget(struct fs *fs, uint64_t id, uint64_t count)
{
	int backing_id;

	node_forget(&fs->state, id, count, &backing_id);
	entry_release(fs, id, backing_id);
}

void entry_unpin(struct fs *fs, uint64_t id)
{
	int backing_id;

	node_unpin_slot(&fs->state, &backing_id);
	entry_release(fs, id, backing_id);
}

void reply_entry(struct request *request, const struct fuse_entry_param *entry)
{
	/* the requester may have been killed meanwhile */
	if (reply_entry_out(request, entry) < 0 && entry->ino)
		entry_forget(request->fs, entry->ino, 1);
}

int reply_file(struct request *request, int result, struct source_file *file)
{
	struct fuse_entry_param entry;

	if (result >= 0)
		result = entry_from_file(request->fs, file, &entry);
	if (result == 0)
		reply_entry(request, &entry);
	return result;
}
