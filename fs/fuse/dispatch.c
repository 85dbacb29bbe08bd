// SPDX-License-Identifier: MIT
#include "fs/fuse/dispatch.h"
#include "fs/fuse/opcode.h"
#include "fs/fuse/request.h"
#include "fs/ops/ops.h"
#include "fs/source/source.h"
#include "fs/state/journal.h"
#include "lib/base/log.h"

#include <errno.h>
#include <stdio.h>

void dispatch_to_libfuse(struct fs *fs, void *message, size_t length)
{
	const struct fuse_buf buffer = {.mem = message, .size = length};

	fuse_session_process_buf(fs->session, &buffer);
}

static void call_operation(struct fs *fs, void *message, size_t length)
{
	const struct wire_in_header *header = message;

	switch (header->opcode) {
	case WIRE_OP_STATX:
		op_statx_raw(fs);
		break;
	case WIRE_OP_RELEASE:
		op_release_raw(fs);
		break;
	case WIRE_OP_RELEASEDIR:
		op_releasedir_raw(fs);
		break;
	case WIRE_OP_FORGET:
		op_forget_raw(fs);
		break;
	case WIRE_OP_BATCH_FORGET:
		op_batch_forget_raw(fs);
		break;
	case WIRE_OP_GETLK:
		op_getlk_raw(fs);
		break;
	case WIRE_OP_SETLK:
	case WIRE_OP_SETLKW:
		op_setlk_raw(fs, header->opcode == WIRE_OP_SETLKW);
		break;
	case WIRE_OP_FLUSH:
		op_flush_raw(fs);
		break;
	case WIRE_OP_INTERRUPT:
		if (!op_interrupt_raw(fs))
			dispatch_to_libfuse(fs, message, length);
		break;
	case WIRE_OP_WRITE:
		if (!op_write_back_raw(fs))
			dispatch_to_libfuse(fs, message, length);
		break;
	default:
		dispatch_to_libfuse(fs, message, length);
		break;
	}
}

/* A worker has done it, and died with the answer ready. Where nobody wants that, nobody has the handle. */
static void answer_again(struct fs *fs)
{
	if (!request_answer_again(fs) && opcode_opens(request_opcode()))
		drop_earlier_attempt(fs);
}

/* Where a node is, below the mount, as far as it can be known. */
static const char *path_of_node(const struct fs *fs, uint64_t id, char path[PATH_MAX])
{
	const struct node_slot *node = node_get(&fs->state, id);

	path[0] = '/';
	path[1] = 0;
	if (node && node_index_of(id) != NODE_ROOT &&
	    (!source_of(&fs->state, node)->path || source_of(&fs->state, node)->path(&fs->state, node, path + 1, PATH_MAX - 1) < 0))
		snprintf(path, PATH_MAX, "a file without a name");
	return path;
}

static void refuse_poison(const struct fs *fs, const struct wire_in_header *header)
{
	char path[PATH_MAX];

	log_error("%s of node %#llx (%s), requested by process %u of user %u: %u workers have died over it; replying EIO",
		  opcode_name(header->opcode), (unsigned long long)header->node, path_of_node(fs, header->node, path), header->pid,
		  header->uid, journal_deaths());
	request_answer_raw(fs, -EIO, NULL, 0);
}

void dispatch(struct fs *fs, void *message, size_t length, bool lasting)
{
	const struct wire_in_header *header = message;
	const struct journal_request request = {
		.unique = request_unique(),
		.node = header->node,
		.opcode = header->opcode,
		.pid = (int32_t)header->pid,
		.uid = header->uid,
		.repeated = request_is_resent(),
		.lasting = lasting,
	};

	if (header->opcode < ARENA_OPERATIONS)
		atomic_fetch_add(&fs->state.arena->header->operations[header->opcode], 1);
	/* what is never sent again needs no record */
	if (!wire_is_answered(header->opcode)) {
		call_operation(fs, message, length);
		return;
	}
	switch (journal_begin(&request)) {
	case JOURNAL_NEW:
	case JOURNAL_AGAIN:
		call_operation(fs, message, length);
		break;
	case JOURNAL_ANSWERED:
		answer_again(fs);
		break;
	case JOURNAL_POISON:
		refuse_poison(fs, header);
		break;
	}
	journal_end();
}
