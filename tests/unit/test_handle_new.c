// SPDX-License-Identifier: MIT
/* The node and the handle of a file that was just made, which are added at once. */
#include "tests/unit/slots.h"

static struct node_new made(uint64_t inode, int *fd)
{
	return (struct node_new){
		.key = key_of(inode),
		.mode = S_IFREG | 0640,
		.flags = NODE_FILLING,
		.policy = NODE_POLICY_KNOWN,
		.creator = 17,
		.creator_mark = 4711,
		.fd = fd,
	};
}

static struct handle_open open_of(const struct node_new *file, int *next_id)
{
	struct handle_open open = direct_open(0, next_id);

	open.unique = 5;
	open.is_new = true;
	open.flags = O_RDWR;
	open.policy = file->policy;
	return open;
}

static void adds_both(void **state)
{
	struct handle_open open;
	struct node_new file;
	struct node_slot draft = {0};
	const struct node_slot *node;
	struct slots slots;
	uint64_t number = 0;
	int backing_id = 0;
	int next_id = 7;
	int none = -1;
	int node_fd = new_fd();
	const int given = node_fd;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	file = made(100, &node_fd);
	open = open_of(&file, &next_id);
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), 0);
	assert_int_equal(backing_id, 7);
	assert_int_equal(handle_get(&slots.state, number)->node, open.node);
	assert_int_equal(find(&slots, 100), open.node);
	node = node_get(&slots.state, open.node);
	assert_int_equal(node->lookups, 1);
	assert_int_equal(node->flags, NODE_FILLING);
	assert_int_equal(node->policy, NODE_POLICY_KNOWN);
	assert_int_equal(node->creator, 17);
	assert_int_equal(node->creator_mark, 4711);
	assert_int_equal(node->fd, given);
	assert_int_equal(node_fd, -1);
	/* the draft is of the same file, and has no descriptor */
	node_draft(&file, &draft);
	assert_int_equal(draft.fd, -1);
	assert_int_equal(draft.inode, node->inode);
	assert_int_equal(draft.type, node->type);
	assert_int_equal(draft.handle_bytes, node->handle_bytes);
	assert_memory_equal(draft.handle, node->handle, sizeof(draft.handle));
	slots_close(&slots);
	close(given);
}

static void says_whether_there_is_a_node(void **state)
{
	struct handle_open open;
	struct node_new file;
	struct slots slots;
	uint64_t number = 0;
	int backing_id = 0;
	int next_id = -ELOOP;
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	/* the kernel refuses the file */
	file = made(100, &none);
	open = open_of(&file, &next_id);
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), -ELOOP);
	assert_int_equal(find(&slots, 100), open.node);
	assert_int_equal(node_get(&slots.state, open.node)->lookups, 1);
	slots_check(&slots);
	forget(&slots, open.node, 1);
	/* no more handles */
	slots.arena.header->limit_handles = 1;
	next_id = 7;
	open.node = 0;
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), 0);
	file = made(101, &none);
	open = open_of(&file, &next_id);
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), -ENFILE);
	assert_int_equal(find(&slots, 101), open.node);
	/* no more nodes */
	slots.arena.header->limit_nodes = slots.state.n_nodes;
	file = made(102, &none);
	open = open_of(&file, &next_id);
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), -ENFILE);
	assert_int_equal(open.node, 0);
	assert_int_equal(find(&slots, 102), 0);
	slots_close(&slots);
}

/* The handle of the first execution was closed, but it left no view: its file was not known to anybody. */
static void is_repeated_with_limited_writers(void **state)
{
	struct handle_open open;
	struct node_new file;
	struct slots slots;
	uint64_t number = 0;
	uint64_t first;
	int backing_id = 0;
	int next_id = 7;
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	file = made(100, &none);
	file.policy |= 1u << 16;
	open = open_of(&file, &next_id);
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), 0);
	first = open.node;
	slots_again(&slots);
	assert_int_equal(handle_remove(&slots.state, handle_find_by_request(&slots.state, 5), &backing_id),
			 0);
	open.node = 0;
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), 0);
	assert_int_equal(open.node, first);
	assert_int_equal(node_get(&slots.state, first)->lookups, 2);
	/* it is a writer itself */
	assert_int_equal(handle_add_new(&slots.state, &file, &open, &none, &number, &backing_id), -EBUSY);
	slots_close(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_both),
		cmocka_unit_test(says_whether_there_is_a_node),
		cmocka_unit_test(is_repeated_with_limited_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
