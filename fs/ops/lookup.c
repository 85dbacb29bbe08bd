// SPDX-License-Identifier: MIT
/*
 * From names to nodes, and the end of the kernel's interest in nodes.
 */
#include "fs/fuse/prune.h"
#include "fs/fuse/reader.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
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

/* A node by itself: a builtin directory, or the file of a handle that open_by_handle_at(2) brought back. */
static int find_self(struct fs *fs, const struct node_slot *node, struct source_file *file)
{
	key_of(node, file);
	file->flags = node_is_foreign(node) ? NODE_FOREIGN : 0;
	return source_of(&fs->state, node)->stat(&fs->state, node, &file->stat);
}

static int find(struct fs *fs, fuse_ino_t parent, const char *name, struct source_file *file)
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

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct source_file file = {.fd = -1};
	const struct node_slot *dir = node_get(&fs->state, parent);
	int result = find(fs, parent, name, &file);

	if (result == -ENOENT && fs->options.negative_timeout > 0 && !node_is_foreign(dir)) {
		struct fuse_entry_param none = {.entry_timeout = fs->options.negative_timeout};

		reply_entry(req, &none);
		return;
	}
	reply_file(req, result, &file);
}

/* Another file may get the slot at any time. */
static bool may_be_stale(struct fs *fs, uint64_t id)
{
	const struct node_slot *node = node_get(&fs->state, id);
	bool is_segment;

	if (atomic_load(&fs->state.arena->header->workers_started) == 1 || !node || atomic_load(&node->lookups) == 0 ||
	    !(atomic_load(&node->flags) & NODE_UNLINKED))
		return false;
	pthread_mutex_lock(&fs->state.lock);
	is_segment = node->store != NODE_STORE_CONTROL;
	pthread_mutex_unlock(&fs->state.lock);
	return is_segment;
}

/*
 * A count that a death left too high would hold a removed file until the mount ends; the kernel knows better. It does not
 * know the node either while an answer that names it is on its way: whoever waits for that finds a file that is gone.
 */
static void drop_if_unknown(struct fs *fs, uint64_t id)
{
	/* the kernel may wait for an inode that it is writing back to us */
	reader_hand_over();
	if (fuse_lowlevel_notify_inval_inode(fs->session, id, -1, 0) == -ENOENT)
		entry_forget(fs, id, UINT64_MAX);
}

static void forget(struct fs *fs, uint64_t id, uint64_t count)
{
	entry_forget(fs, id, count);
	if (may_be_stale(fs, id))
		drop_if_unknown(fs, id);
}

void op_forget_raw(struct fs *fs)
{
	const struct wire_forget_in *in = request_body(sizeof(*in));

	if (in)
		forget(fs, request_node(), in->lookups);
	prune_made_room();
}

void op_batch_forget_raw(struct fs *fs)
{
	const struct wire_batch_forget_in *in = request_body(sizeof(*in));
	const struct wire_forget_one *forgets;

	if (!in || !request_body(sizeof(*in) + (size_t)in->count * sizeof(*forgets)))
		return;
	forgets = (const void *)(in + 1);
	for (uint32_t i = 0; i < in->count; i++)
		forget(fs, forgets[i].node, forgets[i].lookups);
	prune_made_room();
}

void forget_unknown(struct fs *fs)
{
	const struct arena *arena = fs->state.arena;
	uint32_t high = atomic_load(&arena->header->nodes_high);

	for (uint32_t i = NODE_ROOT + 1; i < high; i++)
		if (atomic_load(&arena->nodes[i].state) == SLOT_LIVE && may_be_stale(fs, node_id(&fs->state, i)))
			drop_if_unknown(fs, node_id(&fs->state, i));
}
