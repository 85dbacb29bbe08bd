// SPDX-License-Identifier: MIT
#include "fs/fuse/passthrough.h"
#include "fs/fuse/protocol.h"
#include "fs/state/node.h"

#include <errno.h>
#include <sys/ioctl.h>

/* Only the open that was cut short can have taken an id above the last one; a few more cost nothing. */
#define RECOVERED_IDS 16

static void close_id(const struct state *state, int id)
{
	uint32_t number = (uint32_t)id;

	/* ENOENT: it is closed already */
	ioctl(state->arena->header->fuse_fd, FUSE_DEV_IOC_BACKING_CLOSE, &number);
}

void passthrough_close_in(struct state *state, int id)
{
	if (id <= 0)
		return;
	close_id(state, id);
	handle_backing_closed(state, id);
}

uint32_t passthrough_trim(struct state *state, uint32_t limit)
{
	uint32_t n = 0;

	for (int id; (id = node_take_id(state, limit)) > 0; n++)
		passthrough_close_in(state, id);
	return n;
}

int passthrough_open(const struct fs *fs, int fd)
{
	struct fuse_backing_map map = {.fd = fd};
	int id = ioctl(fs->fuse_fd, FUSE_DEV_IOC_BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

void passthrough_close(struct fs *fs, int id)
{
	passthrough_close_in(&fs->state, id);
}

/* Closes ids that a dead worker left with unused nodes. named: which ids above `last` nodes name. */
static void recover_nodes(struct fs *fs, int64_t last, bool named[RECOVERED_IDS])
{
	struct arena *arena = fs->state.arena;

	for (uint32_t i = 1; i < arena->header->nodes_high; i++) {
		struct node_slot *node = &arena->nodes[i];
		int id = atomic_load(&node->backing_id);

		if (id == 0)
			continue;
		if (atomic_load(&node->state) != SLOT_LIVE ||
		    (fs->state.index[i].handles == 0 && !node_holds_id(&fs->state, i))) {
			close_id(&fs->state, id);
			atomic_store(&node->backing_id, 0);
		} else if (id > last && id - last <= RECOVERED_IDS) {
			named[id - last - 1] = true;
		}
	}
}

void passthrough_recover(struct fs *fs)
{
	struct arena_header *header = fs->state.arena->header;
	int64_t last = atomic_load(&header->backing_last);
	bool named[RECOVERED_IDS] = {false};

	for (int i = 0; i < ARENA_CLOSING; i++) {
		int id = atomic_load(&header->backing_closing[i]);

		if (id) {
			close_id(&fs->state, id);
			atomic_store(&header->backing_closing[i], 0);
		}
	}
	recover_nodes(fs, last, named);
	for (int i = 0; i < RECOVERED_IDS; i++)
		if (!named[i])
			close_id(&fs->state, (int)(last + 1 + i));
}
