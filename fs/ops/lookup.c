// SPDX-License-Identifier: MIT
/*
 * From names to nodes, and the end of the kernel's interest in nodes.
 */
#include "fs/ops/ops.h"
#include "fs/ops/reply.h"
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
	return source_of(&fs->state, node)->stat(&fs->state, node, &file->stat);
}

static int find(struct fs *fs, fuse_ino_t parent, const char *name, struct source_file *file)
{
	uint32_t builtin = source_find_builtin(parent, name);
	const struct node_slot *node = node_get(&fs->state, parent);

	if (!node)
		return -ESTALE;
	if (builtin)
		return find_self(fs, &fs->state.arena->nodes[builtin], file);
	if (strcmp(name, ".") == 0)
		return find_self(fs, node, file);
	if (strcmp(name, "..") == 0 && node->store == NODE_STORE_CONTROL)
		return find_self(fs, node_get(&fs->state, NODE_ROOT), file);
	return source_of(&fs->state, node)->find(&fs->state, node, name, file);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct source_file file = {.fd = -1};
	int result = find(fs, parent, name, &file);

	if (result == -ENOENT && fs->options.negative_timeout > 0) {
		struct fuse_entry_param none = {.entry_timeout = fs->options.negative_timeout};

		reply_entry(req, &none);
		return;
	}
	reply_file(req, result, &file);
}

void op_forget(fuse_req_t req, fuse_ino_t id, uint64_t count)
{
	entry_forget(fs_of(req), id, count);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		entry_forget(fs_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}
