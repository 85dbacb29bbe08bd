/* SPDX-License-Identifier: MIT */
/*
 * For tests of a worker's death: files and opens as the kernel knows them, a worker that changes slots by one
 * operation after another, and the comparison of the two after a recovery.
 *
 * A world is in shared memory. The worker first writes its next operation to `under_way`, and last its
 * result: everything not under way must be recovered exactly.
 */
#ifndef SEGFS_TESTS_UNIT_WORLD_H
#define SEGFS_TESTS_UNIT_WORLD_H

#include "tests/unit/slots.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WORLD_FILES  12
#define WORLD_OPENS  15                  /* all handle slots */
#define WORLD_IDS    64                  /* passthrough ids that the kernel can have */
#define WORLD_NODES  32                  /* slots */
#define WORLD_HOT    2                   /* nodes that are not open and keep their id: fewer than files */
#define WORLD_IDLE   3                   /* nodes that are remembered */
#define WORLD_FILLER ((uint64_t)1 << 40) /* inode numbers of nodes that are there only to take slots */
#define WORLD_LOW_FD 300                 /* the worker's descriptors are from here on */

enum operation {
	OP_NONE,
	OP_REFERENCE, /* variant: 1 links an unnamed file, 2 creates an unnamed one */
	OP_FORGET,    /* variant: number of references, at most */
	OP_UNLINK,    /* variant: 1 fails and undoes the hold */
	OP_OPEN,      /* variant: enum io_mode, + 4: no passthrough id available */
	OP_CREATE,    /* variant: as of OP_OPEN */
	OP_CLOSE,     /* variant: 1 = twice */
	OPERATIONS,
};

struct step {
	enum operation operation;
	int file; /* of OP_CLOSE: the open */
	uint64_t variant;
};

struct world {
	uint64_t random;
	struct {
		uint64_t inode; /* changes when the file is replaced by a new one */
		uint64_t id;
		uint64_t lookups;
		bool unlinked;
		bool lost; /* a death during the unlink lost what would have held it */
	} files[WORLD_FILES];
	struct {
		uint64_t number; /* 0 = not open */
		uint64_t unique;
		int file;
		int fd;
		int backing_id;
	} opens[WORLD_OPENS];
	int32_t ids[WORLD_IDS]; /* open passthrough ids, 0 = free */
	int32_t last_id;
	bool no_id; /* the next one is refused */
	uint64_t last_unique;
	uint64_t given[WORLD_NODES]; /* newest node id of a slot known to the kernel */
	uint64_t given_handles[WORLD_OPENS + 1];
	struct step under_way;
	uint64_t unique;       /* of an OP_OPEN or OP_CREATE in flight, 0 before it has one */
	_Atomic uint32_t done; /* operations */
	int null_fd;
};

/* The seed: TEST_SEED, or a new one; the log of a failed test shows it. */
static inline uint64_t world_seed(void)
{
	const char *given = getenv("TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 10) : (uint64_t)now.tv_nsec + 1;
	print_message("TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

static inline uint64_t world_random(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % below;
}

static inline void world_open(struct world *world, struct slots *slots)
{
	slots_open(slots, WORLD_NODES, WORLD_OPENS + 1, WORLD_IDLE);
	slots->arena.header->limit_hot = WORLD_HOT;
	for (int i = 0; i < WORLD_FILES; i++) {
		world->files[i].inode = 100 + (uint64_t)i;
		world->files[i].id = reference(slots, world->files[i].inode);
		world->files[i].lookups = 1;
		world->given[node_index_of(world->files[i].id)] = world->files[i].id;
	}
	world->null_fd = new_fd();
}

/* --- the kernel's passthrough ids --- */

static inline int world_give_id(void *context)
{
	struct world *world = context;

	if (world->no_id)
		return -ENOMEM;
	for (int i = 0; i < WORLD_IDS; i++) {
		if (world->ids[i] == 0) {
			world->ids[i] = ++world->last_id;
			return world->last_id;
		}
	}
	return -ENFILE;
}

static inline bool world_has_id(const struct world *world, int id)
{
	for (int i = 0; i < WORLD_IDS; i++)
		if (world->ids[i] == id)
			return true;
	return false;
}

static inline void world_close_id(struct world *world, int id)
{
	for (int i = 0; i < WORLD_IDS; i++)
		if (world->ids[i] == id)
			world->ids[i] = 0;
}

/* What passthrough_recover() does to the kernel's ids, applied to the world's. */
static inline void world_recover_ids(struct world *world, struct slots *slots)
{
	struct arena_header *header = slots->arena.header;
	bool named[WORLD_IDS] = {false};

	for (int i = 0; i < ARENA_CLOSING; i++) {
		if (header->backing_closing[i])
			world_close_id(world, header->backing_closing[i]);
		header->backing_closing[i] = 0;
	}
	for (uint32_t i = 1; i < header->nodes_high; i++) {
		struct node_slot *node = &slots->arena.nodes[i];

		if (node->backing_id == 0)
			continue;
		if (node->state != SLOT_LIVE ||
		    (slots->state.index[i].handles == 0 && !node_holds_id(&slots->state, i))) {
			world_close_id(world, node->backing_id);
			node->backing_id = 0;
		}
		for (int k = 0; k < WORLD_IDS; k++)
			named[k] |= world->ids[k] == node->backing_id;
	}
	for (int i = 0; i < WORLD_IDS; i++)
		if (world->ids[i] > header->backing_last && !named[i])
			world->ids[i] = 0;
}

/* --- the worker --- */

static inline void world_close_backing(struct world *world, struct slots *slots, int id)
{
	if (id <= 0)
		return;
	world_close_id(world, id);
	handle_backing_closed(&slots->state, id);
}

static inline int world_new_fd(const struct world *world)
{
	return fcntl(world->null_fd, F_DUPFD_CLOEXEC, WORLD_LOW_FD);
}

static inline bool world_is_in_use(const struct world *world, int file)
{
	for (int i = 0; i < WORLD_OPENS; i++)
		if (world->opens[i].number && world->opens[i].file == file)
			return true;
	return false;
}

static inline void world_reference(struct world *world, struct slots *slots, int file, uint64_t variant)
{
	uint32_t flags = world->files[file].unlinked && variant != 1 ? NODE_UNLINKED : 0;
	uint64_t id;
	int fd = -1;

	if (variant == 2 && !find(slots, world->files[file].inode)) {
		flags = NODE_UNLINKED | NODE_SLOW_END;
		fd = world_new_fd(world);
	}
	if (try_reference(slots, world->files[file].inode, flags, &fd, &id) < 0)
		_exit(3);
	if (fd >= 0)
		close(fd);
	world->files[file].unlinked = flags & NODE_UNLINKED;
	world->files[file].lost &= world->files[file].unlinked;
	world->files[file].id = id;
	world->files[file].lookups++;
	world->given[node_index_of(id)] = id;
}

/* An unreachable file is gone; another one replaces it. */
static inline void world_file_is_gone(struct world *world, int file)
{
	world->files[file].inode += 100;
	world->files[file].unlinked = false;
	world->files[file].lost = false;
}

static inline void world_forget(struct world *world, struct slots *slots, int file, uint64_t count)
{
	if (world->files[file].lookups == 0 || count > world->files[file].lookups)
		return;
	if (count == world->files[file].lookups && world_is_in_use(world, file))
		return;
	world_close_backing(world, slots, forget(slots, world->files[file].id, count));
	world->files[file].lookups -= count;
	if (world->files[file].lookups == 0 && world->files[file].unlinked)
		world_file_is_gone(world, file);
}

static inline void world_unlink(struct world *world, struct slots *slots, int file, uint64_t variant)
{
	uint64_t id;
	int fd = -1;

	if (world->files[file].unlinked)
		return;
	id = hold(slots, 0, world->files[file].inode);
	if (variant == 1) {
		unhold(slots);
		return;
	}
	if (!id) {
		fd = world_new_fd(world);
		id = find(slots, world->files[file].inode);
	}
	fd = unlinked(slots, id, fd);
	if (fd >= 0)
		close(fd);
	if (world->files[file].lookups > 0)
		world->files[file].unlinked = true;
	else
		world_file_is_gone(world, file);
}

/* is_new: references the node as well, which may exist, as after a replay. */
static inline void world_open_file(struct world *world, struct slots *slots, int file, uint64_t variant,
				   bool is_new)
{
	struct handle_open open = {.node = is_new ? 0 : world->files[file].id,
				   .unique = ++world->last_unique,
				   .mode = (enum io_mode)(variant % 4 % 3),
				   .is_new = is_new,
				   .register_backing = world_give_id,
				   .context = world};
	struct node_new made = {.key = key_of(world->files[file].inode), .mode = S_IFREG | 0600};
	uint64_t number;
	int place = 0;
	int backing_id, fd;
	int none = -1;
	int result;

	while (place < WORLD_OPENS && world->opens[place].number)
		place++;
	if (place == WORLD_OPENS || (is_new ? world->files[file].unlinked : world->files[file].lookups == 0))
		return;
	world->unique = open.unique;
	world->no_id = variant >= 4;
	fd = open.mode == IO_DIRECT ? -1 : world_new_fd(world);
	made.fd = &none;
	if (is_new)
		result = handle_add_new(&slots->state, &made, &open, &fd, &number, &backing_id);
	else
		result = handle_add(&slots->state, &open, &fd, &number, &backing_id);
	if (is_new) {
		/* it stays referenced without the handle */
		if (!open.node)
			_exit(6);
		world->files[file].id = open.node;
		world->files[file].lookups++;
		world->given[node_index_of(open.node)] = open.node;
	}
	if (result == 0) {
		world->opens[place].unique = open.unique;
		world->opens[place].file = file;
		world->opens[place].fd = handle_get(&slots->state, number)->fd;
		world->opens[place].backing_id = backing_id;
		world->opens[place].number = number;
		world->given_handles[(uint32_t)number] = number;
	} else if (fd >= 0) {
		close(fd);
	}
}

static inline void world_close_file(struct world *world, struct slots *slots, int place, uint64_t variant)
{
	uint64_t number = world->opens[place].number;
	int backing_id = 0;

	if (!number)
		return;
	if (handle_remove(&slots->state, number, &backing_id) < 0)
		_exit(4);
	world_close_backing(world, slots, backing_id);
	if (variant == 1 && handle_remove(&slots->state, number, &backing_id) != -EBADF)
		_exit(5);
	world->opens[place].number = 0;
}

static inline void world_do(struct world *world, struct slots *slots, const struct step *step)
{
	/* the compiler must not move accesses across these fences, since a kill may come in between */
	world->unique = 0;
	world->under_way = (struct step){.operation = OP_NONE, .file = step->file, .variant = step->variant};
	atomic_signal_fence(memory_order_seq_cst);
	world->under_way.operation = step->operation;
	atomic_signal_fence(memory_order_seq_cst);
	switch (step->operation) {
	case OP_REFERENCE:
		world_reference(world, slots, step->file, step->variant);
		break;
	case OP_FORGET:
		world_forget(world, slots, step->file, step->variant);
		break;
	case OP_UNLINK:
		world_unlink(world, slots, step->file, step->variant);
		break;
	case OP_OPEN:
	case OP_CREATE:
		world_open_file(world, slots, step->file, step->variant, step->operation == OP_CREATE);
		break;
	default:
		world_close_file(world, slots, step->file, step->variant);
		break;
	}
	atomic_signal_fence(memory_order_seq_cst);
	world->under_way.operation = OP_NONE;
	atomic_fetch_add(&world->done, 1);
}

static inline void world_do_something(struct world *world, struct slots *slots)
{
	static const enum operation often[] = {OP_REFERENCE, OP_FORGET, OP_FORGET, OP_UNLINK, OP_OPEN,
					       OP_OPEN,      OP_CREATE, OP_CLOSE,  OP_CLOSE};
	struct step step = {.operation = often[world_random(&world->random, 9)]};

	step.file = (int)world_random(&world->random, step.operation == OP_CLOSE ? WORLD_OPENS : WORLD_FILES);
	step.variant = world_random(&world->random,
				    step.operation == OP_OPEN || step.operation == OP_CREATE ? 6 : 3);
	if (step.operation == OP_FORGET)
		step.variant = 1 + world_random(&world->random, world->files[step.file].lookups + 1);
	world_do(world, slots, &step);
}

#endif
