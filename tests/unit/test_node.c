// SPDX-License-Identifier: MIT
/* Nodes: references, idle nodes and their order, generations, times of sent attributes, limits. */
#include "tests/unit/slots.h"

#include <stdlib.h>

static void counts_references(void **state)
{
	struct slots slots;
	struct node_slot *slot;
	uint64_t id;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	assert_int_equal(find(&slots, 100), 0);
	id = reference(&slots, 100);
	assert_int_equal(id, (uint64_t)1 << 32 | 2);
	assert_int_equal(find(&slots, 100), id);
	slot = node_get(&slots.state, id);
	assert_int_equal(slot->lookups, 1);
	assert_int_equal(slot->inode, 100);
	assert_int_equal(slot->type, S_IFREG >> 12);
	assert_int_equal(slot->fd, -1);
	assert_int_equal(slot->backing_id, 0);
	for (uint64_t n = 2; n <= 5; n++) {
		assert_int_equal(reference(&slots, 100), id);
		assert_int_equal(slot->lookups, n);
	}
	assert_int_equal(forget(&slots, id, 3), 0);
	assert_int_equal(slot->lookups, 2);
	assert_int_equal(forget(&slots, id, 0), 0);
	assert_int_equal(slot->lookups, 2);
	/* more than were counted, as after a count that is too low */
	assert_int_equal(forget(&slots, id, 3), 0);
	assert_int_equal(slot->lookups, 0);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	forget(&slots, id, 1);
	forget(&slots, id, 0);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	assert_int_equal(find(&slots, 100), id);
	assert_int_equal(reference(&slots, 100), id);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 0);
	slots_close(&slots);
}

/* Every part of a key counts. */
static void tells_files_apart(void **state)
{
	struct node_key keys[6];
	uint64_t ids[6];
	struct slots slots;
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	for (int i = 0; i < 6; i++)
		keys[i] = key_of(100);
	keys[1].inode = 101;
	keys[2].store = 1;
	keys[3].handle_type = 2;
	keys[4].handle_bytes = 8;
	keys[5].handle[11] ^= 1;
	for (int i = 0; i < 6; i++)
		assert_int_equal(node_reference(&slots.state, &keys[i], S_IFREG, 0, &none, &ids[i]), 0);
	assert_int_equal(slots.state.n_nodes, 7);
	slots_again(&slots);
	for (int i = 0; i < 6; i++)
		assert_int_equal(node_find(&slots.state, &keys[i]), ids[i]);
	slots_close(&slots);
}

/* Bytes behind a shorter handle are ignored. */
static void compares_no_more_than_the_handle(void **state)
{
	struct node_key key = key_of(100);
	struct slots slots;
	uint64_t id, longest;
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	memset(key.handle, 0xff, sizeof(key.handle));
	key.handle_bytes = sizeof(key.handle);
	assert_int_equal(node_reference(&slots.state, &key, S_IFREG, 0, &none, &longest), 0);
	assert_memory_equal(node_get(&slots.state, longest)->handle, key.handle, sizeof(key.handle));
	key.handle_bytes = 0;
	assert_int_equal(node_reference(&slots.state, &key, S_IFREG, 0, &none, &id), 0);
	memset(key.handle, 0, sizeof(key.handle));
	assert_int_equal(node_find(&slots.state, &key), id);
	key.handle_bytes = sizeof(key.handle);
	assert_int_equal(node_find(&slots.state, &key), 0);
	slots_close(&slots);
}

static void refuses_ids_that_were_never_given(void **state)
{
	struct slots slots;
	uint64_t id;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	id = reference(&slots, 100);
	assert_ptr_equal(node_get(&slots.state, NODE_ROOT), &slots.arena.nodes[1]);
	assert_null(node_get(&slots.state, 0));
	assert_null(node_get(&slots.state, (uint64_t)1 << 32 | 1));  /* the root has one generation */
	assert_null(node_get(&slots.state, (uint64_t)1 << 32));      /* slot 0 is never used */
	assert_null(node_get(&slots.state, (uint64_t)1 << 32 | 3));  /* the next slot */
	assert_null(node_get(&slots.state, (uint64_t)1 << 32 | 16)); /* one past the last */
	assert_null(node_get(&slots.state, (uint64_t)1 << 32 | UINT32_MAX));
	assert_null(node_get(&slots.state, UINT64_MAX));
	assert_null(node_get(&slots.state, id + ((uint64_t)1 << 32)));
	assert_null(node_get(&slots.state, (uint32_t)id));
	/* using them has no effect */
	forget(&slots, UINT64_MAX, 1);
	forget(&slots, 0, 1);
	node_attributes_sent(&slots.state, 17, 1);
	assert_int_equal(unlinked(&slots, 17, 900), 900);
	slots_close(&slots);
}

static void keeps_the_idle_in_order(void **state)
{
	struct slots slots;
	uint64_t ids[6];

	(void)state;
	slots_open(&slots, 16, 16, 3);
	for (uint64_t i = 0; i < 6; i++)
		ids[i] = reference(&slots, 100 + i);
	forget(&slots, ids[3], 1);
	forget(&slots, ids[0], 1);
	forget(&slots, ids[5], 1);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 3);
	slots_check(&slots);
	/* the limit and one past it: the oldest goes */
	forget(&slots, ids[1], 1);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 3);
	assert_int_equal(find(&slots, 103), 0);
	assert_null(node_get(&slots.state, ids[3]));
	/* one from the middle, used again, becomes the youngest */
	assert_int_equal(reference(&slots, 105), ids[5]);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 2);
	slots_check(&slots);
	forget(&slots, ids[5], 1);
	forget(&slots, ids[2], 1);
	assert_null(node_get(&slots.state, ids[0]));
	forget(&slots, ids[4], 1);
	assert_null(node_get(&slots.state, ids[1]));
	assert_int_equal(find(&slots, 105), ids[5]);
	assert_int_equal(find(&slots, 102), ids[2]);
	assert_int_equal(find(&slots, 104), ids[4]);
	/* the oldest and the youngest leave the list */
	reference(&slots, 105);
	reference(&slots, 104);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].head, node_index_of(ids[2]));
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].tail, node_index_of(ids[2]));
	slots_close(&slots);
}

static void remembers_none_where_none_is_wanted(void **state)
{
	struct slots slots;
	uint64_t id;

	(void)state;
	slots_open(&slots, 16, 16, 0);
	id = reference(&slots, 100);
	forget(&slots, id, 1);
	assert_null(node_get(&slots.state, id));
	assert_int_equal(slots.state.n_nodes, 1);
	slots_close(&slots);
}

/* A pinned slot is neither dropped nor counted as idle, whatever happens to its node. */
static void keeps_a_node_for_a_while(void **state)
{
	struct slots slots;
	uint64_t id, other;
	int backing_id;

	(void)state;
	slots_open(&slots, 16, 16, 1);
	assert_false(node_pin_slot(&slots.state, (uint64_t)5 << 32 | 2));
	/* removed, and forgotten by the kernel */
	id = reference(&slots, 100);
	assert_true(node_pin_slot(&slots.state, id));
	assert_int_equal(unlinked(&slots, id, -1), -1);
	forget(&slots, id, 1);
	assert_non_null(node_get(&slots.state, id));
	assert_int_not_equal(reference(&slots, 101), id);
	node_unpin_slot(&slots.state, &backing_id);
	assert_null(node_get(&slots.state, id));
	/* idle, followed by another idle node */
	id = find(&slots, 101);
	forget(&slots, id, 1);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	assert_true(node_pin_slot(&slots.state, id));
	other = reference(&slots, 102);
	forget(&slots, other, 1);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	assert_non_null(node_get(&slots.state, id));
	node_unpin_slot(&slots.state, &backing_id);
	assert_non_null(node_get(&slots.state, id));
	assert_null(node_get(&slots.state, other));
	/* in use again */
	assert_true(node_pin_slot(&slots.state, id));
	assert_int_equal(reference(&slots, 101), id);
	node_unpin_slot(&slots.state, &backing_id);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 0);
	node_unpin_slot(&slots.state, &backing_id);
	slots_close(&slots);
}

static void never_gives_an_id_twice(void **state)
{
	struct slots slots;
	uint64_t id, next;

	(void)state;
	slots_open(&slots, 16, 16, 0);
	id = reference(&slots, 100);
	for (uint32_t i = 0; i < 100; i++) {
		forget(&slots, id, 1);
		if (i % 10 == 0)
			slots_again(&slots);
		next = reference(&slots, 100);
		assert_int_equal(next, id + ((uint64_t)1 << 32));
		assert_null(node_get(&slots.state, id));
		id = next;
	}
	/* a stale id does not reach the file that has the slot now */
	forget(&slots, id - ((uint64_t)1 << 32), 1);
	assert_int_equal(node_get(&slots.state, id)->lookups, 1);
	/* the first generation follows the last one; 0 is the root's */
	forget(&slots, id, 1);
	slots.arena.nodes[2].generation = UINT32_MAX;
	assert_int_equal(reference(&slots, 101), (uint64_t)1 << 32 | 2);
	slots_close(&slots);
}

static void knows_what_is_fresh(void **state)
{
	struct slots slots;
	uint64_t id;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	assert_false(node_is_fresh(&slots.state, 0, 100, 1));
	id = reference(&slots, 100);
	assert_false(node_is_fresh(&slots.state, 0, 100, 1));
	node_attributes_sent(&slots.state, id, 1000);
	assert_true(node_is_fresh(&slots.state, 0, 100, 1000));
	assert_true(node_is_fresh(&slots.state, 0, 100, 999));
	assert_false(node_is_fresh(&slots.state, 0, 100, 1001));
	assert_false(node_is_fresh(&slots.state, 1, 100, 999));
	/* the 32-bit clock wraps around */
	node_attributes_sent(&slots.state, id, 5);
	assert_true(node_is_fresh(&slots.state, 0, 100, UINT32_MAX - 5));
	assert_false(node_is_fresh(&slots.state, 0, 100, 6));
	/* the kernel does not know nodes that it forgot */
	forget(&slots, id, 1);
	assert_false(node_is_fresh(&slots.state, 0, 100, 5));
	/* a new worker does not know which attributes were sent */
	reference(&slots, 100);
	assert_true(node_is_fresh(&slots.state, 0, 100, 5));
	slots_again(&slots);
	assert_false(node_is_fresh(&slots.state, 0, 100, 5));
	slots_close(&slots);
}

static void never_forgets_fixed_nodes(void **state)
{
	struct node_key key = {.store = NODE_STORE_CONTROL, .handle_type = NODE_HANDLE_CONTROL, .inode = 2};
	struct slots slots;
	uint64_t id = 0;
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 0);
	assert_int_equal(node_add_fixed(&slots.state, 2, &key, S_IFDIR, 0, -1), 0);
	assert_int_equal(node_reference(&slots.state, &key, S_IFDIR, 0, &none, &id), 0);
	assert_int_equal(node_index_of(id), 2);
	forget(&slots, id, 2);
	forget(&slots, NODE_ROOT, 1);
	slots_check(&slots);
	slots_again(&slots);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 0);
	assert_int_equal(find(&slots, 1), NODE_ROOT);
	assert_int_equal(node_find(&slots.state, &key), id);
	assert_int_equal(reference(&slots, 1), NODE_ROOT);
	assert_int_equal(node_reference(&slots.state, &key, S_IFDIR, 0, &none, &id), 0);
	slots_check(&slots);
	/* another index than expected */
	key.inode = 3;
	assert_int_equal(node_add_fixed(&slots.state, 7, &key, S_IFDIR, 0, -1), -EINVAL);
	slots_close(&slots);
}

static void gives_every_slot_and_no_more(void **state)
{
	struct slots slots;
	uint64_t ids[16] = {0};
	uint64_t id = 77;
	int fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 16);
	for (uint64_t i = 2; i < 16; i++)
		ids[i] = reference(&slots, 100 + i);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(try_reference(&slots, 99, 0, &fd, &id), -ENFILE);
		assert_int_equal(id, 77);
		assert_true(is_open(fd));
		slots_again(&slots);
	}
	/* existing nodes are found nevertheless */
	assert_int_equal(reference(&slots, 115), ids[15]);
	/* idle nodes are evicted, the oldest first */
	forget(&slots, ids[9], 1);
	forget(&slots, ids[4], 1);
	assert_int_equal(node_index_of(reference(&slots, 200)), 9);
	assert_int_equal(node_index_of(reference(&slots, 201)), 4);
	assert_int_equal(try_reference(&slots, 99, 0, &fd, &id), -ENFILE);
	assert_null(node_get(&slots.state, ids[9]));
	close(fd);
	slots_close(&slots);
}

/* Chains stay short, whatever the number: this would take minutes otherwise. */
static void grows(void **state)
{
	const uint64_t n = 120000;
	uint64_t *ids = calloc(n, sizeof(*ids));
	struct slots slots;

	(void)state;
	assert_non_null(ids);
	slots_open(&slots, 131072, 16, 1000);
	assert_int_equal(slots.state.n_buckets, 1024);
	for (uint64_t i = 0; i < n; i++)
		ids[i] = reference(&slots, 100 + i * 7);
	assert_true(slots.state.n_buckets >= n);
	assert_int_equal(slots.state.n_nodes, n + 1);
	slots_check(&slots);
	for (int again = 0; again < 2; again++) {
		for (uint64_t i = 0; i < n; i++)
			assert_int_equal(find(&slots, 100 + i * 7), ids[i]);
		assert_int_equal(find(&slots, 101), 0);
		slots_again(&slots);
		assert_true(slots.state.n_buckets >= n);
	}
	for (uint64_t i = 0; i < n; i++)
		forget(&slots, ids[i], 1);
	assert_int_equal(slots.state.n_nodes, 1001);
	assert_int_equal(find(&slots, 100 + (n - 1001) * 7), 0);
	assert_int_equal(find(&slots, 100 + (n - 1000) * 7), ids[n - 1000]);
	slots_close(&slots);
	free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_references),
		cmocka_unit_test(tells_files_apart),
		cmocka_unit_test(compares_no_more_than_the_handle),
		cmocka_unit_test(refuses_ids_that_were_never_given),
		cmocka_unit_test(keeps_the_idle_in_order),
		cmocka_unit_test(remembers_none_where_none_is_wanted),
		cmocka_unit_test(keeps_a_node_for_a_while),
		cmocka_unit_test(never_gives_an_id_twice),
		cmocka_unit_test(knows_what_is_fresh),
		cmocka_unit_test(never_forgets_fixed_nodes),
		cmocka_unit_test(gives_every_slot_and_no_more),
		cmocka_unit_test(grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
