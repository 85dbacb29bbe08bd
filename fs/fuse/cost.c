// SPDX-License-Identifier: MIT
#include "fs/fuse/cost.h"
#include "fs/fuse/request.h"
#include "fs/source/source.h"
#include "fs/state/handle.h"
#include "fs/state/node.h"
#include "lib/base/procfs.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

#define LARGE_IO (64u * 1024u) /* bytes of one read or write that are worth another reader */

static enum source_wanted wanted_by(const struct wire_in_header *header)
{
	switch (header->opcode) {
	case WIRE_OP_GETATTR:
	case WIRE_OP_STATX:
	case WIRE_OP_GETXATTR:
		return SOURCE_ATTRIBUTES;
	case WIRE_OP_LOOKUP:
		return SOURCE_NAME;
	default:
		return SOURCE_ALL;
	}
}

/* Whether it asks for an attribute for which all processes are looked at. */
static bool asks_for_users(const struct fs *fs, const struct node_slot *node)
{
	const size_t length = strlen(SOURCE_OWN_PREFIX);
	const char *in = request_body(sizeof(struct wire_getxattr_in) + length);
	const struct source_fact *fact = source_of(&fs->state, node)->facts;
	const char *name;

	if (!in || memcmp(in + sizeof(struct wire_getxattr_in), SOURCE_OWN_PREFIX, length) != 0)
		return false;
	name = in + sizeof(struct wire_getxattr_in) + length;
	if (strcmp(name, "attached") == 0)
		return true;
	while (fact && fact->name && strcmp(fact->name, name) != 0)
		fact++;
	return fact && fact->name && fact->looks;
}

/* Whether writers are to be counted one by one, views included. Where one is all, a lease tells; where there are as many, there is no need. */
static bool counts_writers(const struct fs *fs, uint64_t id, const struct node_slot *node)
{
	const struct wire_open_in *in = request_body(sizeof(*in));
	uint32_t limit = node_policy_writers(atomic_load(&node->policy));
	uint32_t writers;

	if (limit < 2 || !in || (in->flags & O_ACCMODE) == O_RDONLY)
		return false;
	handle_count((struct state *)(uintptr_t)&fs->state, id, &writers);
	return writers < limit;
}

bool cost_changes_policy(const struct fs *fs, const struct wire_in_header *header)
{
	const size_t length = strlen(SOURCE_OWN_PREFIX);
	size_t before;
	const char *in;

	switch (header->opcode) {
	case WIRE_OP_SETXATTR:
		before = fs->short_setxattr ? offsetof(struct wire_setxattr_in, setxattr_flags) : sizeof(struct wire_setxattr_in);
		break;
	case WIRE_OP_REMOVEXATTR:
		before = 0;
		break;
	default:
		return false;
	}
	in = request_body(before + length);
	return in && memcmp(in + before, SOURCE_OWN_PREFIX, length) == 0;
}

/* Files that end with the process that makes them: which that is may have to be waited for. */
static bool looks_for_owner(const struct node_slot *dir, uint32_t opcode)
{
	return (opcode == WIRE_OP_CREATE || opcode == WIRE_OP_MKNOD || opcode == WIRE_OP_TMPFILE) &&
	       atomic_load(&dir->policy) & NODE_POLICY_OWNER && procfs_identity_waits();
}

enum aside_kind cost_aside(const struct fs *fs, const struct wire_in_header *header)
{
	const struct node_slot *node = node_get(&fs->state, header->node);
	const struct source *source;

	if (!node)
		return ASIDE_NONE;
	switch (header->opcode) {
	/* what only needs what is open */
	case WIRE_OP_READ:
	case WIRE_OP_WRITE:
	case WIRE_OP_RELEASE:
	case WIRE_OP_RELEASEDIR:
	case WIRE_OP_FLUSH:
	case WIRE_OP_FSYNC:
	case WIRE_OP_FSYNCDIR:
	case WIRE_OP_FORGET:
	case WIRE_OP_BATCH_FORGET:
	case WIRE_OP_INTERRUPT:
	case WIRE_OP_GETLK:
	case WIRE_OP_SETLK:
	case WIRE_OP_SETLKW:
		return ASIDE_NONE;
	case WIRE_OP_GETXATTR:
		if (asks_for_users(fs, node))
			return ASIDE_FACTS;
		break;
	case WIRE_OP_OPEN:
		if (counts_writers(fs, header->node, node))
			return ASIDE_OPENS;
		break;
	default:
		break;
	}
	source = source_of(&fs->state, node);
	return source->waits && source->waits(&fs->state, node, wanted_by(header)) ? ASIDE_FACTS : ASIDE_NONE;
}

/*
 * What is done with the requester's credentials: they are read in /proc. It waits for nobody, since the requester waits for us; but it is
 * no work for the thread that all wait for.
 */
static bool is_done_as_requester(const struct fs *fs, const struct wire_in_header *header, const struct node_slot *node)
{
	if (!source_of(&fs->state, node)->as_requester)
		return false;
	switch (header->opcode) {
	case WIRE_OP_LOOKUP:
	case WIRE_OP_GETATTR:
	case WIRE_OP_STATX:
	case WIRE_OP_READDIR:
	case WIRE_OP_READDIRPLUS:
	case WIRE_OP_READ:
	case WIRE_OP_WRITE:
	case WIRE_OP_RELEASE:
	case WIRE_OP_RELEASEDIR:
	case WIRE_OP_FORGET:
	case WIRE_OP_BATCH_FORGET:
		return false;
	default:
		return true;
	}
}

bool cost_may_be_high(const struct fs *fs, const struct wire_in_header *header)
{
	const struct node_slot *node;

	switch (header->opcode) {
	/* nothing but memory; and an INTERRUPT must find the request that it is about */
	case WIRE_OP_GETLK:
	case WIRE_OP_SETLK:
	case WIRE_OP_SETLKW:
	case WIRE_OP_FLUSH:
	case WIRE_OP_INTERRUPT:
		return false;
	case WIRE_OP_FSYNC:
	case WIRE_OP_FSYNCDIR:
	case WIRE_OP_FALLOCATE:
	case WIRE_OP_COPY_FILE_RANGE:
		return true;
	case WIRE_OP_READ:
	case WIRE_OP_WRITE: {
		/* handle, offset, size: the same places in both */
		const struct wire_write_in *in = request_body(offsetof(struct wire_write_in, write_flags));

		if (in && in->size >= LARGE_IO)
			return true;
		break;
	}
	default:
		break;
	}
	node = node_get(&fs->state, header->node);
	if (!node)
		return false;
	/* what they tell is put together; and a lease tells whether somebody can write */
	if (header->opcode == WIRE_OP_OPEN &&
	    (node->store == NODE_STORE_CONTROL || node_policy_writers(atomic_load(&node->policy)) > 0))
		return true;
	if (node->store == NODE_STORE_CONTROL)
		return false;
	if (is_done_as_requester(fs, header, node))
		return true;
	/* what is asked of a process is none of the reader's, however short it takes */
	if (fs->state.arena->header->stores[node->store].source == SOURCE_PROCESS)
		return true;
	/* the end of a file without a name frees its memory */
	return looks_for_owner(node, header->opcode) ||
	       fs->state.arena->header->stores[node->store].on_disk || atomic_load(&node->flags) & NODE_SLOW_END;
}
