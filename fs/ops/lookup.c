// SPDX-License-Identifier: MIT
/*
 * From names to nodes, and the end of the kernel's interest in nodes.
 */
#include "fs/ops/ops.h"
#include "fs/ops/reply.h"
#include "fs/ops/request.h"
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

void op_forget_raw(struct fs *fs)
{
	const struct wire_forget_in *in = request_body(sizeof(*in));

	if (in)
		entry_forget(fs, request_node(), in->lookups);
}

void op_batch_forget_raw(struct fs *fs)
{
	const struct wire_batch_forget_in *in = request_body(sizeof(*in));
	const struct wire_forget_one *forgets;

	if (!in || !request_body(sizeof(*in) + (size_t)in->count * sizeof(*forgets)))
		return;
	forgets = (const void *)(in + 1);
	for (uint32_t i = 0; i < in->count; i++)
		entry_forget(fs, forgets[i].node, forgets[i].lookups);
}
