// SPDX-License-Identifier: MIT
/*
 * LOOKUP, FORGET and BATCH_FORGET: the kernel's references to nodes.
 */
#include "fs/fuse/prune.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/session.h"
#include "fs/ops/internal.h"
#include "fs/segment/entry.h"
#include "fs/source/source.h"

#include <errno.h>
#include <string.h>

static void key_of(const struct node_slot *node, struct source_file *file)
{
	file->key.store = node->store;
	file->key.handle_type = node->handle_type;
	file->key.handle_bytes = node->handle_bytes;
	memcpy(file->key.handle, node->handle, node->handle_bytes);
	file->key.inode = node->inode;
}

/*
 * Gets the file of a node itself: a builtin directory, or the node of a file handle (open_by_handle_at(2)).
 */
static int find_self(struct fs *fs, const struct node_slot *node, struct source_file *file)
{
	key_of(node, file);
	file->flags = node_is_external(node) ? NODE_EXTERNAL : 0;
	return source_of(&fs->state, node)->stat(&fs->state, node, &file->stat);
}

static int find(struct fs *fs, uint64_t parent, const char *name, struct source_file *file)
{
	uint32_t builtin = source_find_builtin(&fs->state, parent, name);
	const struct node_slot *node = node_get(&fs->state, parent);

	if (!node)
		return -ESTALE;
	if (builtin)
		return find_self(fs, &fs->state.arena->nodes[builtin], file);
	if (strcmp(name, ".") == 0)
		return find_self(fs, node, file);
	if (strcmp(name, "..") == 0 && atomic_load(&node->flags) & NODE_FIXED)
		return find_self(fs, node_get(&fs->state, NODE_ROOT), file);
	return source_of(&fs->state, node)->find(&fs->state, node, name, file);
}

int op_lookup(struct request *request)
{
	struct fs *fs = request->fs;
	struct source_file file = {.fd = -1};
	int result = find(fs, request->node, request->name, &file);

	if (result == -ENOENT && fs->options.negative_timeout > 0 &&
	    !node_is_external(request_node(request))) {
		reply_entry(request,
			    &(struct fuse_entry_param){.entry_timeout = fs->options.negative_timeout});
		return 0;
	}
	return reply_file(request, result, &file);
}

/* Whether a removed file may have too high a lookup count. Its slot may be reused at any time. */
static bool may_be_stale(struct fs *fs, uint64_t id)
{
	const struct node_slot *node = node_get(&fs->state, id);
	bool is_segment;

	if (atomic_load(&fs->state.arena->header->workers_started) == 1 || !node ||
	    atomic_load(&node->lookups) == 0 || !(atomic_load(&node->flags) & NODE_UNLINKED))
		return false;
	pthread_mutex_lock(&fs->state.lock);
	is_segment = node->store != NODE_STORE_CONTROL;
	pthread_mutex_unlock(&fs->state.lock);
	return is_segment;
}

/*
 * A lookup count that a worker's death left too high would keep a removed file until unmount; only the kernel
 * knows whether it has the inode. It does not have it either while a reply that contains the node is in
 * flight; that requester then finds the removed file to be gone.
 */
static void drop_if_unknown(struct fs *fs, uint64_t id)
{
	/* the kernel may wait for the eviction of the inode, whose pages it writes back to us */
	reader_hand_over();
	if (session_invalidate(fs, id, -1, 0) == -ENOENT)
		entry_forget(fs, id, UINT64_MAX);
}

static void forget(struct fs *fs, uint64_t id, uint64_t count)
{
	entry_forget(fs, id, count);
	if (may_be_stale(fs, id))
		drop_if_unknown(fs, id);
}

int op_forget(struct request *request)
{
	const struct fuse_forget_in *in = request->body;

	forget(request->fs, request->node, in->nlookup);
	prune_made_room();
	return 0;
}

int op_batch_forget(struct request *request)
{
	const struct fuse_batch_forget_in *in = request->body;
	const struct fuse_forget_one *forgets = (const void *)(in + 1);

	for (uint32_t i = 0; i < in->count; i++)
		forget(request->fs, forgets[i].nodeid, forgets[i].nlookup);
	prune_made_room();
	return 0;
}

void forget_unknown(struct fs *fs)
{
	const struct arena *arena = fs->state.arena;
	uint32_t high = atomic_load(&arena->header->nodes_high);

	for (uint32_t i = NODE_ROOT + 1; i < high; i++)
		if (atomic_load(&arena->nodes[i].state) == SLOT_LIVE &&
		    may_be_stale(fs, node_id(&fs->state, i)))
			drop_if_unknown(fs, node_id(&fs->state, i));
}
