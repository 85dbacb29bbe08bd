/* SPDX-License-Identifier: MIT */
/*
 * For unit tests of what survives a worker: an arena with its indexes, keys of files that need not exist, and
 * shorthand for calls that must succeed. Each test has its own; a failure ends the case.
 */
#ifndef SEGFS_TESTS_UNIT_SLOTS_H
#define SEGFS_TESTS_UNIT_SLOTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/state/handle.h"
#include "fs/state/name_change.h"
#include "fs/state/node.h"
#include "fs/state/node_list.h"
#include "fs/state/recover.h"

#define SLOTS_HOT 64 /* nodes that are not open and keep their passthrough id */

struct slots {
	struct arena arena;
	struct state state;
	struct name_change change; /* between hold() and unlinked() or unhold() */
};

/* The key of a file with this inode number, as of a file system with handles of 12 bytes. */
static inline struct node_key key_of(uint64_t inode)
{
	struct node_key key = {.inode = inode, .handle_type = 1, .handle_bytes = 12};

	memcpy(key.handle, &inode, sizeof(inode));
	memset(key.handle + sizeof(inode), 0x5a, 4);
	return key;
}

/*
 * Begins a change that may remove the last name of a file. Returns the id of its node if that holds the file,
 * else 0.
 */
static inline uint64_t hold(struct slots *slots, uint16_t store, uint64_t inode)
{
	name_change_end(&slots->change);
	name_change_begin(&slots->state, store, inode, false, &slots->change);
	return slots->change.held ? slots->change.node : 0;
}

/* The name was not removed. */
static inline void unhold(struct slots *slots)
{
	name_change_failed(&slots->change);
	name_change_end(&slots->change);
}

static inline void slots_check(struct slots *slots)
{
	char why[256];

	if (state_check(&slots->state, why, sizeof(why)) < 0)
		fail_msg("%s", why);
}

/* Whether a node that is not open keeps its passthrough id for the next open. */
static inline bool is_hot(const struct slots *slots, uint32_t index)
{
	return node_list_has(&slots->state, NODE_LIST_HOT, index);
}

/* An empty arena with a root. */
static inline void slots_open(struct slots *slots, uint32_t max_nodes, uint32_t max_handles,
			      uint32_t max_idle)
{
	struct node_key root = key_of(1);

	slots->change = (struct name_change){0};
	assert_int_equal(arena_create(&slots->arena, max_nodes, max_handles, 4096), 0);
	slots->arena.header->limit_hot = SLOTS_HOT;
	assert_int_equal(state_recover(&slots->state, &slots->arena, max_idle), 0);
	assert_int_equal(node_add_fixed(&slots->state, NODE_ROOT, &root, S_IFDIR | 0755, 0, -1), 0);
}

static inline void slots_close(struct slots *slots)
{
	slots_check(slots);
	state_close(&slots->state);
	arena_destroy(&slots->arena);
}

/* What a new worker does: rebuilds the indexes over the same slots. */
static inline void slots_again(struct slots *slots)
{
	uint32_t max_idle = slots->state.max_idle;

	slots->change = (struct name_change){0};
	state_close(&slots->state);
	assert_int_equal(state_recover(&slots->state, &slots->arena, max_idle), 0);
}

static inline uint64_t reference(struct slots *slots, uint64_t inode)
{
	struct node_key key = key_of(inode);
	uint64_t id = 0;
	int none = -1;

	assert_int_equal(node_reference(&slots->state, &key, S_IFREG | 0600, 0, &none, &id), 0);
	assert_ptr_not_equal(node_get(&slots->state, id), NULL);
	return id;
}

/* Returns the result of node_reference(), which may fail. */
static inline int try_reference(struct slots *slots, uint64_t inode, uint32_t flags, int *fd, uint64_t *id)
{
	struct node_key key = key_of(inode);

	return node_reference(&slots->state, &key, S_IFREG | 0600, flags, fd, id);
}

static inline uint64_t find(struct slots *slots, uint64_t inode)
{
	struct node_key key = key_of(inode);

	return node_find(&slots->state, &key);
}

/* Returns the passthrough id to be closed. */
static inline int forget(struct slots *slots, uint64_t id, uint64_t count)
{
	int backing_id = -7;

	node_forget(&slots->state, id, count, &backing_id);
	return backing_id;
}

/*
 * Removes the last name of a file, which a descriptor or nothing keeps: by the change that hold() has begun,
 * if it is of this node. Returns the descriptor unless it was moved to the node.
 */
static inline int unlinked_with(struct slots *slots, uint64_t id, uint32_t flags, int fd)
{
	struct name_change other = {.state = &slots->state, .node = id};
	bool is_begun = slots->change.entry && slots->change.node == id;

	name_change_unlinked(is_begun ? &slots->change : &other, flags, &fd);
	name_change_end(&slots->change);
	return fd;
}

static inline int unlinked(struct slots *slots, uint64_t id, int fd)
{
	return unlinked_with(slots, id, 0, fd);
}

static inline int new_fd(void)
{
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static inline bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/*
 * For register_backing(): returns the number that `context` points to, and increments it unless it is an
 * error.
 */
static inline int give_id(void *context)
{
	int *next = context;

	return *next > 0 ? (*next)++ : *next;
}

static inline struct handle_open direct_open(uint64_t node, int *next_id)
{
	return (struct handle_open){.node = node,
				    .unique = node << 8,
				    .mode = IO_DIRECT,
				    .register_backing = give_id,
				    .context = next_id};
}

#endif
