// SPDX-License-Identifier: MIT
#include "fs/fuse/cost.h"
#include "fs/source/source.h"

bool cost_changes_policy(const struct request *request)
{
	return request->operation->flags & OPERATION_SETS_XATTR && source_attribute(request->name);
}

enum deferral_kind cost_deferral(const struct request *request)
{
	const struct operation *operation = request->operation;
	const struct state *state = &request->fs->state;
	const struct node_slot *node = request_node(request);
	const struct source *source;

	if (!node || operation->flags & OPERATION_ON_HANDLE)
		return DEFERRAL_NONE;
	if (operation->queue) {
		enum deferral_kind kind = operation->queue(request);

		if (kind != DEFERRAL_NONE)
			return kind;
	}
	source = source_of(state, node);
	return source->waits && source->waits(state, node, operation->wanted) ? DEFERRAL_FACTS
									      : DEFERRAL_NONE;
}

bool cost_may_be_high(const struct request *request)
{
	const struct operation *operation = request->operation;
	const struct state *state = &request->fs->state;
	const struct node_slot *node = request_node(request);

	if (operation->flags & OPERATION_IN_MEMORY)
		return false;
	if (operation->flags & OPERATION_SLOW || (operation->is_slow && operation->is_slow(request)))
		return true;
	if (!node || node->store == NODE_STORE_CONTROL)
		return false;
	/* reading the requester's credentials in /proc does not block, but would delay the reader */
	if (source_of(state, node)->as_requester && !(operation->flags & OPERATION_AS_DAEMON))
		return true;
	/* the reader inspects no process, however short that takes */
	if (state->arena->header->stores[node->store].source == SOURCE_PROCESS)
		return true;
	/* the end of a file without a name frees its memory */
	return state->arena->header->stores[node->store].on_disk || atomic_load(&node->flags) & NODE_SLOW_END;
}
