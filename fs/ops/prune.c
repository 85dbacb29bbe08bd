// SPDX-License-Identifier: MIT
#include "fs/ops/prune.h"
#include "fs/ops/loop.h"
#include "fs/ops/wire.h"
#include "fs/state/node.h"
#include "lib/base/log.h"

#include <errno.h>
#include <unistd.h>

#define PRUNE_AT_ONCE 256u
#define PRUNE_PAUSE 64u /* requests between two times */
#define PRUNE_BEGIN(limit) ((limit) - (limit) / 8) /* nodes that the kernel refers to, from which on it is asked to let go of some */

/* Nodes that may be of no use to anybody, from where the last look ended. Returns how many. */
static uint32_t find_unused(struct fs *fs, uint64_t ids[PRUNE_AT_ONCE])
{
	static uint32_t next = NODE_ROOT + 1; /* guarded by the state's lock */
	const struct arena *arena = fs->state.arena;
	uint32_t high = atomic_load(&arena->header->nodes_high);
	uint32_t n = 0;

	pthread_mutex_lock(&fs->state.lock);
	for (uint32_t looked = 1; looked < high && n < PRUNE_AT_ONCE; looked++) {
		const struct node_slot *node;

		next = next < high ? next : NODE_ROOT + 1;
		node = &arena->nodes[next];
		if (atomic_load(&node->state) == SLOT_LIVE && !(atomic_load(&node->flags) & NODE_FIXED) &&
		    atomic_load(&node->lookups) > 0 && fs->state.index[next].handles == 0)
			ids[n++] = node_id(&fs->state, next);
		next++;
	}
	pthread_mutex_unlock(&fs->state.lock);
	return n;
}

bool prune_is_due(struct fs *fs)
{
	const struct arena_header *header = fs->state.arena->header;
	uint32_t limit = atomic_load_explicit(&header->limit_nodes, memory_order_relaxed);
	/* a look without the lock, which may be some nodes off */
	bool is_crowded = atomic_load_explicit(&fs->state.is_crowded, memory_order_relaxed) ||
			  (limit && fs->state.n_nodes - fs->state.n_idle >= PRUNE_BEGIN(limit));
	uint64_t requests;

	if (!is_crowded || fs->cannot_prune)
		return false;
	requests = atomic_load(&header->requests);
	if (requests - fs->pruned_at < PRUNE_PAUSE)
		return false;
	fs->pruned_at = requests;
	atomic_store_explicit(&fs->state.is_crowded, false, memory_order_relaxed);
	return true;
}

void prune(struct fs *fs)
{
	struct {
		struct wire_out_header header;
		struct wire_prune_out prune;
		uint64_t ids[PRUNE_AT_ONCE];
	} message = {.header = {.error = WIRE_NOTIFY_PRUNE}};

	message.prune.count = find_unused(fs, message.ids);
	message.header.length = (uint32_t)(sizeof(message.header) + sizeof(message.prune) + message.prune.count * sizeof(uint64_t));
	if (message.prune.count == 0)
		return;
	/* what it drops may have pages to be written first, which others have to answer */
	loop_hand_over(fs);
	if (write(fs->fuse_fd, &message, message.header.length) < 0 && errno == EINVAL) {
		fs->cannot_prune = true;
		log_info("this kernel can't be asked to forget files that nobody uses: with too many of them there is ENFILE");
	}
}
