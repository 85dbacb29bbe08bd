// SPDX-License-Identifier: MIT
/*
 * State after state_recover(), descriptors closed by descriptors_close_strays(), findings of state_check().
 */
#include "fs/state/share.h"
#include "tests/unit/slots.h"

#include "fs/state/descriptors.h"
#include "fs/state/recover.h"
#include "lib/base/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

static void recovers_an_empty_arena(void **state)
{
	struct slots slots;

	(void)state;
	assert_int_equal(arena_create(&slots.arena, 16, 16, 16), 0);
	assert_int_equal(state_recover(&slots.state, &slots.arena, 4), 0);
	assert_int_equal(slots.state.n_nodes, 0);
	assert_int_equal(slots.state.n_handles, 0);
	assert_int_equal(slots.state.free_node, 0);
	assert_null(node_get(&slots.state, NODE_ROOT));
	slots_close(&slots);
}

static void recovers_everything(void **state)
{
	struct slots slots, before;
	struct handle_open open;
	uint64_t ids[8], number;
	int next_id = 5, backing_id, none = -1;
	int unlinked_fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 2);
	for (uint64_t i = 0; i < 8; i++)
		ids[i] = reference(&slots, 100 + i);
	reference(&slots, 100);
	unlinked(&slots, ids[1], unlinked_fd);
	forget(&slots, ids[6], 1);
	forget(&slots, ids[4], 1);
	open = direct_open(ids[2], &next_id);
	assert_int_equal(handle_add(&slots.state, &open, &none, &number, &backing_id), 0);
	before = slots;
	slots_again(&slots);
	slots_check(&slots);
	assert_int_equal(slots.state.n_nodes, 9);
	assert_int_equal(slots.state.n_nodes, before.state.n_nodes);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 2);
	assert_int_equal(slots.state.n_handles, 1);
	assert_int_equal(slots.state.index[node_index_of(ids[2])].handles, 1);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(find(&slots, 100 + i), ids[i]);
	assert_int_equal(node_get(&slots.state, ids[0])->lookups, 2);
	assert_int_equal(node_get(&slots.state, ids[1])->fd, unlinked_fd);
	assert_true(is_open(unlinked_fd));
	assert_int_equal(handle_get(&slots.state, number)->node, ids[2]);
	/* fewer idle nodes are permitted now */
	state_close(&slots.state);
	assert_int_equal(state_recover(&slots.state, &slots.arena, 1), 0);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	assert_int_equal(slots.state.n_nodes, 8);
	slots_close(&slots);
	close(unlinked_fd);
}

/* A worker that died within node_forget(): the node exists without references. */
static void finishes_what_a_death_left(void **state)
{
	struct slots slots;
	uint64_t idle, gone, unreachable = 0;
	int fds[3] = {new_fd(), new_fd(), new_fd()};
	int cached = fds[2];

	(void)state;
	slots_open(&slots, 16, 16, 4);
	idle = reference(&slots, 100);
	gone = reference(&slots, 101);
	assert_int_equal(try_reference(&slots, 102, NODE_NEEDS_FD, &fds[2], &unreachable), 0);
	node_get(&slots.state, idle)->fd = fds[0]; /* of a file without a name that was linked */
	unlinked(&slots, gone, fds[1]);
	for (uint32_t i = 2; i <= 4; i++)
		slots.arena.nodes[i].lookups = 0;
	node_get(&slots.state, idle)->flags |= NODE_HELD;
	slots_again(&slots);
	slots_check(&slots);
	assert_int_equal(find(&slots, 100), idle);
	assert_int_equal(node_get(&slots.state, idle)->fd, -1);
	assert_int_equal(node_get(&slots.state, idle)->flags, 0);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	assert_null(node_get(&slots.state, gone));
	assert_null(node_get(&slots.state, unreachable));
	assert_false(is_open(fds[0]) || is_open(fds[1]) || is_open(cached));
	slots_close(&slots);
}

/* node_forget() records an id as closing, and only then removes it from the node. */
static void takes_ids_that_are_being_closed_from_nodes(void **state)
{
	struct slots slots;
	uint64_t closing, cached_ids;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	closing = reference(&slots, 100);
	cached_ids = reference(&slots, 101);
	node_get(&slots.state, closing)->backing_id = 5;
	node_get(&slots.state, cached_ids)->backing_id = 6;
	slots.arena.header->backing_closing[ARENA_CLOSING - 1] = 5;
	slots_again(&slots);
	slots_check(&slots);
	assert_int_equal(node_get(&slots.state, closing)->backing_id, 0);
	assert_int_equal(slots.arena.header->backing_closing[ARENA_CLOSING - 1], 5);
	assert_int_equal(node_get(&slots.state, cached_ids)->backing_id, 6);
	assert_false(is_hot(&slots, 2));
	assert_true(is_hot(&slots, 3));
	slots_close(&slots);
}

/* The worker that was to close the descriptor of a forgotten node died before. */
static void drops_kept_descriptors_of_forgotten_nodes(void **state)
{
	struct slots slots;
	struct cached_fd_record *cached;
	uint64_t ids[3];

	(void)state;
	slots_open(&slots, 16, 16, 4);
	cached = slots.arena.header->cached_fds;
	for (uint64_t i = 0; i < 3; i++) {
		ids[i] = reference(&slots, 100 + i);
		cached[i] = (struct cached_fd_record){.id = ids[i], .fd = 900};
	}
	cached[4] = (struct cached_fd_record){.id = NODE_ROOT, .fd = 900};
	forget(&slots, ids[1], 1);
	unlinked(&slots, ids[2], -1);
	forget(&slots, ids[2], 1);
	slots_again(&slots);
	assert_int_equal(cached[0].id, ids[0]);
	assert_int_equal(cached[1].id, 0);
	assert_int_equal(cached[2].id, 0);
	assert_int_equal(cached[3].id, 0);
	assert_int_equal(cached[4].id, NODE_ROOT);
	slots_close(&slots);
}

static void drops_handles_without_a_node(void **state)
{
	struct slots slots;
	struct handle_open open;
	uint64_t number;
	int backing_id, none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	open = (struct handle_open){.node = reference(&slots, 100), .mode = IO_RELAYED};
	assert_int_equal(handle_add(&slots.state, &open, &none, &number, &backing_id), 0);
	slots.arena.handles[1].node += (uint64_t)1 << 32;
	slots_again(&slots);
	slots_check(&slots);
	assert_null(handle_get(&slots.state, number));
	assert_int_equal(slots.state.n_handles, 0);
	assert_int_equal(slots.arena.handles[1].fd, -1);
	slots_close(&slots);
}

/* Which descriptors are open, from 0 on. */
static size_t open_fds(bool *open, size_t size)
{
	size_t n = 0;

	for (size_t fd = 0; fd < size; fd++) {
		open[fd] = is_open((int)fd);
		n += open[fd];
	}
	return n;
}

static void closes_what_no_slot_names(void **state)
{
	enum { MOST = 512, ABOVE = 300 };
	bool before[MOST], after[MOST];
	struct arena_header *header;
	struct handle_open open;
	struct slots slots;
	int named[10];
	int n_named = 0;
	int strays[3];
	int taken, backing_id;
	uint64_t id, number;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	header = slots.arena.header;
	open_fds(before, MOST);
	for (int fd = 0; fd < MOST; fd++)
		if (before[fd] && fd != slots.arena.fd)
			header->base_fds[header->n_base_fds++] = fd;
	for (int i = 0; i < 8; i++)
		named[n_named++] = new_fd();
	header->fuse_fd = named[0];
	header->ready_fd = named[1];
	header->config_fd = named[2];
	header->stores[3] = (struct store_record){.state = SLOT_LIVE, .root_fd = named[3]};
	header->stores[ARENA_STORES - 1] = (struct store_record){.state = SLOT_LIVE, .root_fd = named[4]};
	header->cached_fds[7] = (struct cached_fd_record){.id = NODE_ROOT, .fd = named[5]};
	id = reference(&slots, 100);
	assert_int_equal(unlinked(&slots, id, named[6]), -1);
	open = (struct handle_open){.node = id, .mode = IO_RELAYED};
	taken = named[7];
	assert_int_equal(handle_add(&slots.state, &open, &taken, &number, &backing_id), 0);
	named[n_named++] = fcntl(named[0], F_DUPFD, ABOVE);
	header->base_fds[header->n_base_fds++] = named[8];

	assert_int_equal(descriptors_close_strays(&slots.arena), 0);
	/* free slots and records are ignored */
	strays[0] = new_fd();
	strays[1] = fcntl(named[0], F_DUPFD, ABOVE);
	strays[2] = fcntl(named[0], F_DUPFD, ABOVE + 100); /* the highest */
	slots.arena.handles[2].fd = strays[0];
	header->handles_high = 3;
	header->cached_fds[8].fd = strays[1];
	header->stores[4].root_fd = strays[2];
	header->base_fds[header->n_base_fds] = strays[0];
	assert_int_equal(descriptors_close_strays(&slots.arena), 3);
	for (int i = 0; i < n_named; i++)
		assert_true(is_open(named[i]));
	for (int i = 0; i < 3; i++)
		assert_false(is_open(strays[i]));
	open_fds(after, MOST);
	for (int fd = 0; fd < MOST; fd++)
		assert_true(!before[fd] || after[fd]);
	assert_int_equal(descriptors_close_strays(&slots.arena), 0);
	for (int i = 0; i < n_named; i++)
		close(named[i]);
	slots_close(&slots);
}

/* A wrong number does not close another owner's descriptor, and a right one stays. */
static void forgets_descriptors_that_are_not_its_own(void **state)
{
	struct handle_open open = {.mode = IO_RELAYED};
	int of_node = new_fd(), of_handle = new_fd(), of_others = new_fd(), passing = new_fd();
	struct arena_header *header;
	int fd, backing_id;
	uint64_t first, second, number;
	struct slots slots;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	header = slots.arena.header;
	header->fuse_fd = header->ready_fd = header->lock_fd = -1;
	header->config_fd = -1;
	header->base_fds[header->n_base_fds++] = of_others;
	first = reference(&slots, 100);
	second = reference(&slots, 101);
	assert_int_equal(unlinked(&slots, first, fcntl(of_node, F_DUPFD, 0)), -1);
	fd = node_get(&slots.state, first)->fd;
	open.node = second;
	assert_int_equal(handle_add(&slots.state, &open, &of_handle, &number, &backing_id), 0);
	of_handle = handle_get(&slots.state, number)->fd;
	header->cached_fds[3] = (struct cached_fd_record){.id = first, .fd = passing};
	/* the journal's descriptor became the node's */
	header->journal[0].state = JOURNAL_BEGUN;
	header->journal[0].fd = fd;
	/* errors are expected here */
	log_setup(LOG_TO_STDERR, LOG_CRIT);
	assert_int_equal(descriptors_check(&slots.arena), 0);
	assert_int_equal(node_get(&slots.state, first)->fd, fd);
	assert_int_equal(handle_get(&slots.state, number)->fd, of_handle);
	assert_int_equal(header->cached_fds[3].fd, passing);
	assert_int_equal(header->journal[0].fd, -1);

	/* of the supervisor, of the arena, of another slot, not open, far away */
	header->cached_fds[3].fd = of_others;
	assert_int_equal(descriptors_check(&slots.arena), 0);
	assert_int_equal(header->cached_fds[3].fd, -1);
	header->cached_fds[3].fd = slots.arena.fd;
	assert_int_equal(descriptors_check(&slots.arena), 0);
	assert_int_equal(header->cached_fds[3].fd, -1);
	slots.arena.handles[1].fd = fd;
	assert_int_equal(descriptors_check(&slots.arena), 0);
	assert_int_equal(slots.arena.handles[1].fd, -1);
	assert_int_equal(node_get(&slots.state, first)->fd, fd);
	slots.arena.handles[1].fd = of_handle;
	close(passing);
	header->cached_fds[3].fd = passing;
	slots.arena.nodes[node_index_of(second)].fd = INT32_MAX;
	assert_int_equal(descriptors_check(&slots.arena), 0);
	assert_int_equal(header->cached_fds[3].fd, -1);
	assert_int_equal(node_get(&slots.state, second)->fd, -1);
	assert_int_equal(slots.arena.handles[1].fd, of_handle);
	assert_true(is_open(of_others) && is_open(of_handle) && is_open(fd));
	log_setup(LOG_TO_STDERR, LOG_NOTICE);
	close(of_others);
	close(of_node);
	header->journal[0].state = JOURNAL_FREE;
	header->cached_fds[3].id = 0;
	handle_remove(&slots.state, number, &backing_id);
	slots_close(&slots);
	close(fd);
}

/* The number of descriptors in slots is limited; the rest is for requests. */
static void leaves_descriptors_to_requests(void **state)
{
	struct handle_open open = {.mode = IO_RELAYED};
	struct node_key key = key_of(100);
	int fd = fcntl(STDERR_FILENO, F_DUPFD, 100), backing_id;
	uint64_t id, number;
	struct slots slots;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	slots.state.max_fd = fd;
	assert_int_equal(node_reference(&slots.state, &key, S_IFREG, NODE_NEEDS_FD, &fd, &id), -ENFILE);
	assert_true(fd >= 0);
	id = reference(&slots, 101);
	open.node = id;
	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), -ENFILE);
	assert_true(fd >= 0);
	slots.state.max_fd = fd + 1;
	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), 0);
	assert_int_equal(handle_remove(&slots.state, number, &backing_id), 0);
	fd = fcntl(STDERR_FILENO, F_DUPFD, 100);
	assert_int_equal(node_reference(&slots.state, &key, S_IFREG, NODE_NEEDS_FD, &fd, &id), 0);
	assert_int_equal(fd, -1);
	assert_true(slots.state.is_crowded);
	slots_close(&slots);
}

/* Slots and indexes corrupted by the cases below: nodes 2 (open, with an id), 3 (idle), 4 (cached id). */
static void spoiled_open(struct slots *slots)
{
	int next_id = 5, backing_id, none = -1;
	struct handle_open open;
	uint64_t number, ids[3];

	slots_open(slots, 16, 16, 4);
	for (uint64_t i = 0; i < 3; i++)
		ids[i] = reference(slots, 100 + i);
	forget(slots, ids[1], 1);
	for (size_t i = 0; i < 3; i += 2) {
		open = direct_open(ids[i], &next_id);
		assert_int_equal(handle_add(&slots->state, &open, &none, &number, &backing_id), 0);
	}
	assert_int_equal(handle_remove(&slots->state, number, &backing_id), 0);
	slots_check(slots);
}

static void long_handle(struct slots *slots)
{
	slots->arena.nodes[2].handle_bytes = 81;
}

static void other_inode(struct slots *slots)
{
	slots->arena.nodes[3].inode = 4711;
}

static void out_of_the_table(struct slots *slots)
{
	memset(slots->state.buckets, 0, slots->state.n_buckets * sizeof(*slots->state.buckets));
}

static void id_without_use(struct slots *slots)
{
	slots->arena.nodes[3].backing_id = 17;
}

static void id_without_place(struct slots *slots)
{
	node_list_remove(&slots->state, NODE_LIST_HOT, 4);
}

static void handle_without_node(struct slots *slots)
{
	slots->arena.handles[1].node += (uint64_t)1 << 32;
}

static void node_gone(struct slots *slots)
{
	slots->arena.nodes[3].state = SLOT_FREE;
}

static void node_too_many(struct slots *slots)
{
	slots->state.n_nodes++;
}

static void handle_gone(struct slots *slots)
{
	slots->arena.handles[1].state = SLOT_FREE;
}

static void handle_from_nowhere(struct slots *slots)
{
	slots->arena.handles[2].state = SLOT_LIVE;
}

static void handle_not_counted(struct slots *slots)
{
	slots->state.index[2].handles++;
}

static void handle_not_given_back(struct slots *slots)
{
	share_count(&slots->state, 7, SHARE_HANDLES, 1);
}

static void lock_not_given_back(struct slots *slots)
{
	share_count(&slots->state, 7, SHARE_LOCKS, 1);
}

static void idle_lost(struct slots *slots)
{
	slots->state.lists[NODE_LIST_IDLE].head = 0;
}

static void idle_too_many(struct slots *slots)
{
	slots->state.lists[NODE_LIST_IDLE].n++;
}

static void sees_what_is_wrong(void **state)
{
	static const struct {
		void (*spoil)(struct slots *slots);
		const char *why;
	} cases[] = {
		{long_handle, "node 2: file handle of 81 bytes"},
		{other_inode, "node 3 is not in the hash table"},
		{out_of_the_table, "node 1 is not in the hash table"},
		{id_without_use, "node 3 has passthrough id 17, no handle, and no use for it"},
		{id_without_place, "node 4 has passthrough id 6, no handle, and no use for it"},
		{handle_without_node, "handle 1: no node 0x200000002"},
		{node_gone, "counted 3 nodes, 1 handles; expected 4, 1, 1 by nodes"},
		{node_too_many, "counted 4 nodes, 1 handles; expected 5, 1, 1 by nodes"},
		{handle_gone, "counted 4 nodes, 0 handles; expected 4, 1, 1 by nodes"},
		{handle_from_nowhere, "counted 4 nodes, 2 handles; expected 4, 1, 1 by nodes"},
		{handle_not_counted, "counted 4 nodes, 1 handles; expected 4, 1, 2 by nodes"},
		{handle_not_given_back, "counted 1 handles; users have 2"},
		{lock_not_given_back, "0 locks held or waited for; users have 1"},
		{idle_lost, "list 1 has 0 nodes and ends with 0; expected 1, 3"},
		{idle_too_many, "list 1 has 1 nodes and ends with 3; expected 2, 3"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slots slots;
		char why[128] = "";
		char little[8] = "";

		spoiled_open(&slots);
		cases[i].spoil(&slots);
		assert_int_equal(state_check(&slots.state, why, sizeof(why)), -EUCLEAN);
		assert_string_equal(why, cases[i].why);
		assert_int_equal(state_check(&slots.state, little, sizeof(little)), -EUCLEAN);
		assert_int_equal(strlen(little), sizeof(little) - 1);
		state_close(&slots.state);
		arena_destroy(&slots.arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recovers_an_empty_arena),
		cmocka_unit_test(recovers_everything),
		cmocka_unit_test(finishes_what_a_death_left),
		cmocka_unit_test(takes_ids_that_are_being_closed_from_nodes),
		cmocka_unit_test(drops_kept_descriptors_of_forgotten_nodes),
		cmocka_unit_test(drops_handles_without_a_node),
		cmocka_unit_test(closes_what_no_slot_names),
		cmocka_unit_test(forgets_descriptors_that_are_not_its_own),
		cmocka_unit_test(leaves_descriptors_to_requests),
		cmocka_unit_test(sees_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
