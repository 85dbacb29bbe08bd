// SPDX-License-Identifier: MIT
/*
 * The end of an open: RELEASE and FLUSH, and opens that a worker left behind when it died.
 */
#include "fs/ops/close.h"
#include "fs/fuse/passthrough.h"
#include "fs/ops/dir.h"
#include "fs/ops/internal.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/policy.h"
#include "fs/segment/resume.h"
#include "fs/source/source.h"
#include "fs/state/lock.h"

#include <errno.h>

void close_handle(struct fs *fs, uint64_t number)
{
	const struct handle_slot *handle = handle_get(&fs->state, number);
	const struct node_slot *node = handle ? node_get(&fs->state, handle->node) : NULL;
	uint32_t policy = node ? atomic_load(&node->policy) : 0;
	int backing_id;

	if (node && handle_writes(handle))
		policy_size_settled(&fs->state, node);
	if (handle_remove(&fs->state, number, &backing_id) == 0) {
		passthrough_close(fs, backing_id);
		lifetime_closed(policy);
	}
}

void close_earlier_attempt(struct fs *fs, uint64_t unique)
{
	const uint64_t number = handle_find_by_request(&fs->state, unique);
	int backing_id;

	if (!number || directory_close(fs, number) == 0)
		return;
	lock_drop_handle(&fs->state, handle_get(&fs->state, number)->node, number);
	handle_remove(&fs->state, number, &backing_id);
	passthrough_close(fs, backing_id);
}

/* RELEASE has no waiter, so its locks are dropped before the next request is read, which may want them. */
void release_prepare(struct request *request)
{
	const struct fuse_release_in *in = request->body;
	struct state *state = &request->fs->state;
	const struct handle_slot *handle = handle_get(state, in->fh);

	if (!fs_keeps_locks(request->fs))
		return;
	if (handle)
		lock_drop_handle(state, handle->node, in->fh);
	resume_ready(request->thread);
}

int op_release(struct request *request)
{
	const struct fuse_release_in *in = request->body;
	const struct handle_slot *handle = handle_get(&request->fs->state, in->fh);

	if (handle && handle->kind == HANDLE_DIRECTORY)
		return -EBADF;
	if (handle)
		close_handle(request->fs, in->fh);
	return 0;
}

/* The result of close(2): EINVAL for a file that was created but never sized, and therefore is no segment. */
static int close_status(const struct request *request)
{
	const struct node_slot *node = request_node(request);

	return node && source_is_unsized(&request->fs->state, node) ? -EINVAL : 0;
}

/* A process loses its fcntl(2) locks on a file when it closes any descriptor of the file. */
int op_flush(struct request *request)
{
	const struct fuse_flush_in *in = request->body;

	if (request_node(request))
		lock_drop_owner(&request->fs->state, request->node, in->lock_owner, LOCK_RANGE);
	return close_status(request);
}
