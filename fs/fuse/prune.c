// SPDX-License-Identifier: MIT
#include "fs/fuse/prune.h"
#include "fs/fuse/protocol.h"
#include "fs/fuse/reader.h"
#include "fs/state/node.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define PRUNE_AT_ONCE      256u
#define PRUNE_PAUSE        64u                     /* requests between two notifications */
#define PRUNE_TIMEOUT      100000000               /* nanoseconds that a request waits for room */
#define PRUNE_BACKOFF      1000000000              /* nanoseconds without waits after one in vain */
#define PRUNE_BEGIN(limit) ((limit) - (limit) / 8) /* referenced nodes from which on the kernel is asked */

static struct {
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t changed;
	_Atomic unsigned int waiters;
	uint64_t backoff_until; /* CLOCK_MONOTONIC, nanoseconds */
} room = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Finds nodes without opens, starting where the last search ended. Returns their number. */
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
	/* relaxed: a bound that a reload may change at any time, without other data */
	uint32_t limit = atomic_load_explicit(&header->limit_nodes, memory_order_relaxed);
	/* read without the lock: may be off by some nodes, and relaxed, since it is a hint without other data
	 */
	bool is_crowded =
		atomic_load_explicit(&fs->state.is_crowded, memory_order_relaxed) ||
		(limit && fs->state.n_nodes - fs->state.lists[NODE_LIST_IDLE].n >= PRUNE_BEGIN(limit));
	uint64_t requests;

	if (!is_crowded || fs->cannot_prune)
		return false;
	requests = atomic_load(&header->requests);
	if (requests - fs->pruned_at < PRUNE_PAUSE)
		return false;
	fs->pruned_at = requests;
	/* relaxed: a `true` that this overwrites is set again by the next descriptor */
	atomic_store_explicit(&fs->state.is_crowded, false, memory_order_relaxed);
	return true;
}

void prune(struct fs *fs)
{
	struct {
		struct fuse_out_header header;
		struct protocol_prune prune;
		uint64_t ids[PRUNE_AT_ONCE];
	} message = {.header = {.error = PROTOCOL_NOTIFY_PRUNE}};

	message.prune.count = find_unused(fs, message.ids);
	message.header.len = (uint32_t)(sizeof(message.header) + sizeof(message.prune) +
					message.prune.count * sizeof(uint64_t));
	if (message.prune.count == 0)
		return;
	/* what it drops may have pages to be written first, which others have to answer */
	reader_hand_over();
	if (write(fs->fuse_fd, &message, message.header.len) < 0 && errno == EINVAL) {
		fs->cannot_prune = true;
		log_info("this kernel cannot be asked to forget unused files; beyond max-nodes, calls fail "
			 "with ENFILE");
	}
}

/* A look without the lock: node_reference() says what is true. */
static bool has_room(const struct fs *fs)
{
	uint32_t limit = atomic_load(&fs->state.arena->header->limit_nodes);

	return limit == 0 || fs->state.n_nodes < limit || fs->state.lists[NODE_LIST_IDLE].n > 0;
}

static bool wait_for_room(const struct fs *fs, uint64_t end)
{
	const struct timespec until = {.tv_sec = (time_t)(end / 1000000000),
				       .tv_nsec = (long)(end % 1000000000)};

	while (!has_room(fs))
		if (pthread_cond_clockwait(&room.changed, &room.lock, CLOCK_MONOTONIC, &until) != 0)
			return false;
	return true;
}

bool prune_for_room(struct fs *fs)
{
	uint64_t begin = monotonic_nanoseconds();
	bool found;

	pthread_mutex_lock(&room.lock);
	found = !fs->cannot_prune && begin >= room.backoff_until;
	pthread_mutex_unlock(&room.lock);
	if (!found)
		return false;
	/* one asks for all: each thread that does may have to wait for pages that another has to write */
	if (atomic_fetch_add(&room.waiters, 1) == 0)
		prune(fs);
	else
		reader_hand_over();
	pthread_mutex_lock(&room.lock);
	found = wait_for_room(fs, begin + PRUNE_TIMEOUT);
	if (!found)
		room.backoff_until = monotonic_nanoseconds() + PRUNE_BACKOFF;
	pthread_mutex_unlock(&room.lock);
	atomic_fetch_sub(&room.waiters, 1);
	return found;
}

void prune_made_room(void)
{
	if (atomic_load(&room.waiters) == 0)
		return;
	pthread_mutex_lock(&room.lock);
	pthread_cond_broadcast(&room.changed);
	pthread_mutex_unlock(&room.lock);
}
