/* SPDX-License-Identifier: MIT */
/*
 * For tests of a worker's death: compares the slots after a recovery with the world that the kernel knows. A
 * difference ends the case.
 */
#ifndef SEGFS_TESTS_UNIT_COMPARE_H
#define SEGFS_TESTS_UNIT_COMPARE_H

#include "tests/unit/world.h"

#define expect(condition)                                                                                    \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			wrong(view, #condition, __LINE__);                                                   \
	} while (0)

/* The remains of a worker. */
struct view {
	struct world *world;
	struct slots *slots;
	bool (*is_open)(int fd);
};

__attribute__((noreturn)) static inline void wrong(const struct view *view, const char *what, int line)
{
	fail_msg("line %d: %s; after %u operations, in operation %d of file or open %d, variant %llu", line,
		 what, atomic_load(&view->world->done), view->world->under_way.operation,
		 view->world->under_way.file, (unsigned long long)view->world->under_way.variant);
	abort(); /* not reached */
}

static inline bool is_under_way(const struct view *view, int file)
{
	const struct step *step = &view->world->under_way;

	if (step->operation == OP_CLOSE)
		return view->world->opens[step->file].file == file;
	return step->operation != OP_NONE && step->file == file;
}

/* A lookup count is never too low. */
static inline void compare_file(const struct view *view, int file)
{
	const struct step *step = &view->world->under_way;
	uint64_t id = view->world->files[file].id;
	uint64_t least = view->world->files[file].lookups;
	uint64_t most = least;
	const struct node_slot *node;

	if (is_under_way(view, file) && (step->operation == OP_REFERENCE || step->operation == OP_CREATE))
		most++;
	if (is_under_way(view, file) && step->operation == OP_FORGET)
		least = step->variant < least ? least - step->variant : 0;
	if (least == 0)
		return;
	node = node_get(&view->slots->state, id);
	expect(node != NULL);
	expect(node->inode == view->world->files[file].inode);
	expect(find(view->slots, node->inode) == id);
	expect(node->lookups >= least && node->lookups <= most);
	if (is_under_way(view, file))
		return;
	expect(!(node->flags & NODE_UNLINKED) == !view->world->files[file].unlinked);
	if (view->world->files[file].unlinked && !view->world->files[file].lost)
		expect(node->fd >= 0 || node->backing_id > 0);
}

static inline void compare_open(const struct view *view, int place)
{
	const struct step *step = &view->world->under_way;
	uint64_t number = view->world->opens[place].number;
	int file = view->world->opens[place].file;
	const struct handle_slot *slot;

	if (number == 0 || (step->operation == OP_CLOSE && step->file == place))
		return;
	slot = handle_get(&view->slots->state, number);
	expect(slot != NULL);
	expect(slot->node == view->world->files[file].id);
	expect(slot->unique == view->world->opens[place].unique);
	expect(slot->fd == view->world->opens[place].fd);
	if (slot->mode != IO_RELAYED)
		expect(node_get(&view->slots->state, slot->node)->backing_id ==
		       view->world->opens[place].backing_id);
}

/* A new open exists completely or not at all. */
static inline void compare_new_open(const struct view *view)
{
	uint64_t number = handle_find_by_request(&view->slots->state, view->world->unique);
	const struct handle_slot *slot = number ? handle_get(&view->slots->state, number) : NULL;

	const struct step *step = &view->world->under_way;

	if ((step->operation != OP_OPEN && step->operation != OP_CREATE) || view->world->unique == 0 || !slot)
		return;
	for (int i = 0; i < WORLD_OPENS; i++)
		if (view->world->opens[i].number == number)
			return;
	expect(number >> 32 > view->world->given_handles[(uint32_t)number] >> 32);
	expect(find(view->slots, view->world->files[step->file].inode) == slot->node);
	expect(node_get(&view->slots->state, slot->node)->lookups > 0);
	expect((slot->fd >= 0) == (slot->mode != IO_DIRECT));
	if (slot->mode != IO_RELAYED)
		expect(node_get(&view->slots->state, slot->node)->backing_id > 0);
}

static inline int file_of(const struct view *view, uint64_t inode)
{
	for (int i = 0; i < WORLD_FILES; i++)
		if (view->world->files[i].inode == inode)
			return i;
	return -1;
}

/* Every node is complete and of an existing file, under the id that the kernel knows or a new one. */
static inline void compare_nodes(const struct view *view)
{
	const struct arena *arena = &view->slots->arena;

	for (uint32_t i = NODE_ROOT + 1; i < arena->header->nodes_high; i++) {
		const struct node_slot *node = &arena->nodes[i];
		struct node_key key = key_of(node->inode);
		uint64_t id = node_id(&view->slots->state, i);
		int file;

		if (node->state != SLOT_LIVE || node->inode >= WORLD_FILLER)
			continue;
		file = file_of(view, node->inode);
		expect(file >= 0);
		expect(node_find(&view->slots->state, &key) == id);
		expect(id == view->world->files[file].id || id >> 32 > view->world->given[i] >> 32);
	}
}

/* The kernel's passthrough ids and those of nodes are the same. */
static inline void compare_ids(const struct view *view)
{
	const struct arena *arena = &view->slots->arena;
	int in_kernel = 0;
	int in_nodes = 0;

	for (int i = 0; i < WORLD_IDS; i++)
		in_kernel += view->world->ids[i] != 0;
	for (uint32_t i = 1; i < arena->header->nodes_high; i++) {
		if (arena->nodes[i].state != SLOT_LIVE || arena->nodes[i].backing_id == 0)
			continue;
		expect(world_has_id(view->world, arena->nodes[i].backing_id));
		in_nodes++;
	}
	expect(in_kernel == in_nodes);
}

/* Descriptors in slots are open, before and after a recovery. */
static inline void compare_fds(const struct view *view, const struct node_slot *nodes, uint32_t n_nodes,
			       const struct handle_slot *handles, uint32_t n_handles)
{
	for (uint32_t i = 1; i < n_nodes; i++)
		if (nodes[i].state == SLOT_LIVE && nodes[i].fd >= 0)
			expect(view->is_open(nodes[i].fd));
	for (uint32_t i = 1; i < n_handles; i++)
		if (handles[i].state == SLOT_LIVE && handles[i].fd >= 0)
			expect(view->is_open(handles[i].fd));
}

static inline void compare(const struct view *view)
{
	const struct arena *arena = &view->slots->arena;
	unsigned int opens = 0;
	char why[256];

	world_recover_ids(view->world, view->slots);
	if (state_check(&view->slots->state, why, sizeof(why)) < 0)
		wrong(view, why, __LINE__);
	for (int i = 0; i < WORLD_FILES; i++)
		compare_file(view, i);
	for (int i = 0; i < WORLD_OPENS; i++) {
		compare_open(view, i);
		opens += view->world->opens[i].number != 0;
	}
	compare_new_open(view);
	if (view->world->under_way.operation == OP_NONE)
		expect(view->slots->state.n_handles == opens);
	else
		expect(view->slots->state.n_handles + 1 >= opens &&
		       view->slots->state.n_handles <= opens + 1);
	compare_nodes(view);
	compare_ids(view);
	compare_fds(view, arena->nodes, arena->header->nodes_high, arena->handles,
		    arena->header->handles_high);
}

/* Every free slot can be used, with an id unknown to the kernel. */
static inline void compare_free_slots(const struct view *view)
{
	struct slots *left = view->slots;
	struct handle_open open = {.node = NODE_ROOT, .mode = IO_RELAYED, .kind = HANDLE_DIRECTORY};
	uint32_t nodes = WORLD_NODES - 1 - (left->state.n_nodes - left->state.lists[NODE_LIST_IDLE].n);
	uint32_t handles = WORLD_OPENS - left->state.n_handles;
	uint64_t id = 0;
	int none = -1, backing_id;
	char why[256];

	while (try_reference(left, 2 * WORLD_FILLER + nodes, 0, &none, &id) == 0) {
		expect(nodes > 0);
		expect(id >> 32 > view->world->given[node_index_of(id)] >> 32);
		nodes--;
	}
	expect(nodes == 0);
	while (handle_add(&left->state, &open, &none, &id, &backing_id) == 0) {
		expect(handles > 0);
		expect(id >> 32 > view->world->given_handles[(uint32_t)id] >> 32);
		handles--;
	}
	expect(handles == 0);
	if (state_check(&left->state, why, sizeof(why)) < 0)
		wrong(view, why, __LINE__);
}

#endif
