// SPDX-License-Identifier: MIT
/* Nodes whose file has no name any more, or no file handle: what pins them, and until when. */
#include "tests/unit/slots.h"

static void drops_unlinked_nodes(void **state)
{
	struct slots slots;
	uint64_t id;
	int fd = new_fd();
	int second = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 4);
	id = reference(&slots, 100);
	reference(&slots, 100);
	/* the node takes ownership of one descriptor only */
	assert_int_equal(unlinked(&slots, id, fd), -1);
	assert_int_equal(node_get(&slots.state, id)->fd, fd);
	assert_int_equal(unlinked(&slots, id, second), second);
	assert_int_equal(node_get(&slots.state, id)->flags, NODE_UNLINKED);
	assert_int_equal(forget(&slots, id, 1), 0);
	assert_true(is_open(fd));
	forget(&slots, id, 1);
	assert_null(node_get(&slots.state, id));
	assert_false(is_open(fd));
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 0);
	/* an idle node is dropped at once, without the descriptor */
	id = reference(&slots, 101);
	forget(&slots, id, 1);
	assert_int_equal(unlinked(&slots, id, second), second);
	assert_true(is_open(second));
	assert_null(node_get(&slots.state, id));
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 0);
	close(second);
	slots_close(&slots);
}

static void notes_a_slow_end(void **state)
{
	struct slots slots;
	uint64_t id;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	id = reference(&slots, 100);
	assert_int_equal(unlinked_with(&slots, id, NODE_SLOW_END, -1), -1);
	assert_int_equal(node_get(&slots.state, id)->flags, NODE_UNLINKED | NODE_SLOW_END);
	slots_close(&slots);
}

/* linkat(2) names a file without a name. */
static void knows_that_a_name_came_again(void **state)
{
	struct slots slots;
	uint64_t id = 0;
	int fd = new_fd();
	int other = new_fd();
	int cached = fd;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	assert_int_equal(try_reference(&slots, 100, NODE_UNLINKED | NODE_SLOW_END, &fd, &id), 0);
	assert_int_equal(fd, -1);
	/* found by handle: still without a name; a known node does not take the descriptor */
	assert_int_equal(try_reference(&slots, 100, NODE_UNLINKED, &other, &id), 0);
	assert_true(other >= 0);
	assert_int_equal(node_get(&slots.state, id)->flags & NODE_UNLINKED, NODE_UNLINKED);
	reference(&slots, 100);
	assert_int_equal(node_get(&slots.state, id)->flags & NODE_UNLINKED, 0);
	assert_true(is_open(cached));
	/* it is cached, and a descriptor would pin it if it were removed elsewhere */
	forget(&slots, id, 3);
	assert_int_equal(find(&slots, 100), id);
	assert_false(is_open(cached));
	assert_int_equal(node_get(&slots.state, id)->fd, -1);
	close(other);
	slots_close(&slots);
}

static void keeps_descriptors_where_there_are_no_handles(void **state)
{
	struct slots slots;
	uint64_t id = 0;
	int fd = new_fd();
	int cached = fd;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	assert_int_equal(try_reference(&slots, 100, NODE_NEEDS_FD, &fd, &id), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(node_get(&slots.state, id)->fd, cached);
	forget(&slots, id, 1);
	assert_null(node_get(&slots.state, id));
	assert_false(is_open(cached));
	slots_close(&slots);
}

/* What pins a file that loses its last name: its passthrough id, a descriptor, or nothing. */
static void holds_files(void **state)
{
	struct slots slots;
	uint64_t id;
	int fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 4);
	assert_int_equal(hold(&slots, 0, 100), 0);
	id = reference(&slots, 100);
	assert_int_equal(hold(&slots, 0, 100), 0);
	assert_int_equal(node_get(&slots.state, id)->flags, 0);
	node_get(&slots.state, id)->backing_id = 5;
	slots_again(&slots); /* its id is cached now */
	assert_int_equal(hold(&slots, 1, 100), 0);
	assert_int_equal(hold(&slots, 0, 100), id);
	assert_int_equal(node_get(&slots.state, id)->flags, NODE_HELD);
	assert_false(is_hot(&slots, 2));
	slots_check(&slots);
	unhold(&slots);
	assert_int_equal(node_get(&slots.state, id)->flags, 0);
	assert_true(is_hot(&slots, 2));
	/* without a cache place it stays pinned */
	hold(&slots, 0, 100);
	slots.arena.header->limit_hot = 0;
	unhold(&slots);
	assert_int_equal(node_get(&slots.state, id)->flags, NODE_HELD);
	slots.arena.header->limit_hot = SLOTS_HOT;
	slots_check(&slots);
	/* removed */
	assert_int_equal(unlinked(&slots, id, -1), -1);
	assert_int_equal(node_get(&slots.state, id)->flags, NODE_HELD | NODE_UNLINKED);
	slots_again(&slots);
	slots_check(&slots);
	assert_int_equal(node_get(&slots.state, id)->backing_id, 5);
	assert_int_equal(forget(&slots, id, 1), 5);
	assert_null(node_get(&slots.state, id));
	handle_backing_closed(&slots.state, 5);
	/* by descriptor */
	id = reference(&slots, 101);
	unlinked(&slots, id, fd);
	assert_int_equal(hold(&slots, 0, 101), id);
	assert_int_equal(node_get(&slots.state, id)->flags, NODE_UNLINKED);
	forget(&slots, id, 1);
	slots_close(&slots);
}

/* A file that got a name again may have its id cached already. */
static void is_cached_once(void **state)
{
	struct slots slots;
	struct handle_open open;
	uint64_t number, id;
	int next_id = 5;
	int backing_id;
	int fd = new_fd();
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	id = reference(&slots, 100);
	open = direct_open(id, &next_id);
	assert_int_equal(handle_add(&slots.state, &open, &none, &number, &backing_id), 0);
	assert_int_equal(handle_remove(&slots.state, number, &backing_id), 0);
	assert_true(is_hot(&slots, 2));
	unlinked(&slots, id, fd); /* found by its key, so not pinned */
	reference(&slots, 100);
	assert_true(is_hot(&slots, 2));
	assert_int_equal(node_get(&slots.state, id)->flags, 0);
	assert_int_equal(forget(&slots, id, 2), 5);
	slots_close(&slots);
}

/* A new file with the inode number of a removed one: only the file handle distinguishes them. */
static void is_in_doubt_about_equal_inode_numbers(void **state)
{
	struct node_key other = key_of(100);
	struct slots slots;
	uint64_t id, other_id;
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	id = reference(&slots, 100);
	node_get(&slots.state, id)->backing_id = 5;
	node_attributes_sent(&slots.state, id, 1000);
	other.handle[11] ^= 1; /* its generation */
	assert_int_equal(node_reference(&slots.state, &other, S_IFREG, 0, &none, &other_id), 0);
	assert_int_not_equal(id, other_id);
	assert_int_equal(node_find(&slots.state, &other), other_id);
	assert_int_equal(find(&slots, 100), id);
	node_attributes_sent(&slots.state, other_id, 1000);
	assert_int_equal(hold(&slots, 0, 100), 0);
	assert_false(node_is_fresh(&slots.state, 0, 100, 900));
	/* an idle one counts as well */
	forget(&slots, other_id, 1);
	assert_int_equal(hold(&slots, 0, 100), 0);
	unlinked(&slots, other_id, -1);
	assert_int_equal(hold(&slots, 0, 100), id);
	assert_true(node_is_fresh(&slots.state, 0, 100, 900));
	slots_close(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_unlinked_nodes),
		cmocka_unit_test(notes_a_slow_end),
		cmocka_unit_test(knows_that_a_name_came_again),
		cmocka_unit_test(keeps_descriptors_where_there_are_no_handles),
		cmocka_unit_test(holds_files),
		cmocka_unit_test(is_cached_once),
		cmocka_unit_test(is_in_doubt_about_equal_inode_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
