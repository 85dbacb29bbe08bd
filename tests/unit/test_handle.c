// SPDX-License-Identifier: MIT
/* Handles: their numbers, the nodes that they pin, and passthrough ids. */
#include "tests/unit/slots.h"

/* Adds a handle without descriptor; the kernel is asked for an id if the mode needs one. */
static uint64_t add(struct slots *slots, uint64_t node, enum io_mode mode, int *next_id, int *backing_id)
{
	struct handle_open open = direct_open(node, next_id);
	uint64_t number = 0;
	int none = -1;

	open.mode = mode;
	assert_int_equal(handle_add(&slots->state, &open, &none, &number, backing_id), 0);
	assert_non_null(handle_get(&slots->state, number));
	return number;
}

/* Returns the id to close. */
static int remove_handle(struct slots *slots, uint64_t number)
{
	int backing_id = -7;

	assert_int_equal(handle_remove(&slots->state, number, &backing_id), 0);
	assert_null(handle_get(&slots->state, number));
	return backing_id;
}

static int open_and_close(struct slots *slots, uint64_t node, int *next_id, int *given)
{
	return remove_handle(slots, add(slots, node, IO_DIRECT, next_id, given));
}

static int closing(const struct slots *slots, int id)
{
	int n = 0;

	for (int i = 0; i < ARENA_CLOSING; i++)
		n += slots->arena.header->backing_closing[i] == id;
	return n;
}

static void records_what_was_opened(void **state)
{
	static const enum handle_kind kinds[] = {HANDLE_FILE, HANDLE_DIRECTORY, HANDLE_CONTROL};
	struct slots slots;
	uint64_t node;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	for (size_t i = 0; i < 3; i++) {
		struct handle_open open = {.node = node,
					   .unique = 1000 + i,
					   .flags = O_RDWR | O_APPEND,
					   .pid = 4711,
					   .mode = IO_RELAYED,
					   .kind = kinds[i]};
		int fd = new_fd(), cached = fd, backing_id = -7;
		const struct handle_slot *slot;
		uint64_t number = 0;

		assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), 0);
		assert_int_equal(fd, -1);
		assert_int_equal(backing_id, 0);
		slot = handle_get(&slots.state, number);
		assert_non_null(slot);
		assert_int_equal(slot->node, node);
		assert_int_equal(slot->unique, 1000 + i);
		assert_int_equal(slot->open_flags, O_RDWR | O_APPEND);
		assert_int_equal(slot->pid, 4711);
		assert_int_equal(slot->mode, IO_RELAYED);
		assert_int_equal(slot->kind, kinds[i]);
		assert_int_equal(slot->fd, cached);
		assert_true(slot->opened_at > (uint64_t)1700000000 * 1000000000);
		assert_int_equal(remove_handle(&slots, number), 0);
		assert_false(is_open(cached));
	}
	assert_int_equal(slots.state.n_handles, 0);
	assert_string_equal(io_mode_name(IO_DIRECT), "direct");
	assert_string_equal(io_mode_name(IO_MEDIATED), "mediated");
	assert_string_equal(io_mode_name(IO_RELAYED), "relayed");
	slots_close(&slots);
}

static void refuses_numbers_that_are_not_good(void **state)
{
	int next_id = 5, backing_id = -7, ignored;
	uint64_t node, number, second;
	struct slots slots;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	assert_int_equal(handle_remove(&slots.state, 0, &backing_id), -EBADF);
	number = add(&slots, node, IO_RELAYED, &next_id, &ignored);
	assert_null(handle_get(&slots.state, 0));
	assert_null(handle_get(&slots.state, (uint32_t)number));
	assert_null(handle_get(&slots.state, number + 1));
	assert_null(handle_get(&slots.state, number + ((uint64_t)1 << 32)));
	assert_null(handle_get(&slots.state, UINT64_MAX));
	remove_handle(&slots, number);
	/* a second RELEASE */
	assert_int_equal(handle_remove(&slots.state, number, &backing_id), -EBADF);
	assert_int_equal(backing_id, -7);
	second = add(&slots, node, IO_RELAYED, &next_id, &ignored);
	assert_int_equal((uint32_t)second, (uint32_t)number);
	assert_int_not_equal(second, number);
	assert_null(handle_get(&slots.state, number));
	assert_int_equal(handle_remove(&slots.state, number, &backing_id), -EBADF);
	assert_non_null(handle_get(&slots.state, second));
	slots_check(&slots);
	slots_again(&slots);
	assert_int_equal(handle_remove(&slots.state, number, &backing_id), -EBADF);
	remove_handle(&slots, second);
	slots_close(&slots);
}

static void needs_a_node(void **state)
{
	struct slots slots;
	struct handle_open open;
	int next_id = 5, backing_id = -7, fd = new_fd();
	uint64_t number = 77;
	uint64_t node;

	(void)state;
	slots_open(&slots, 16, 16, 0);
	node = reference(&slots, 100);
	forget(&slots, node, 1);
	open = direct_open(node, &next_id);
	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), -ESTALE);
	open.node = 0;
	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), -ESTALE);
	assert_int_equal(number, 77);
	assert_int_equal(backing_id, -7);
	assert_int_equal(next_id, 5);
	assert_true(is_open(fd));
	close(fd);
	slots_close(&slots);
}

static void gives_every_slot_and_no_more(void **state)
{
	struct slots slots;
	struct handle_open open;
	uint64_t numbers[16] = {0};
	uint64_t number = 77;
	int next_id = 5, backing_id = -7, fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 4);
	open = direct_open(reference(&slots, 100), &next_id);
	for (uint32_t i = 1; i < 16; i++) {
		numbers[i] = add(&slots, open.node, IO_DIRECT, &next_id, &backing_id);
		assert_int_equal((uint32_t)numbers[i], i);
		assert_int_equal(backing_id, 5);
	}
	for (int again = 0; again < 2; again++) {
		assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), -ENFILE);
		assert_int_equal(number, 77);
		assert_true(is_open(fd));
		slots_check(&slots);
		slots_again(&slots);
	}
	remove_handle(&slots, numbers[7]);
	assert_int_equal((uint32_t)add(&slots, open.node, IO_DIRECT, &next_id, &backing_id), 7);
	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), -ENFILE);
	assert_int_equal(next_id, 6);
	close(fd);
	slots_close(&slots);
}

static void asks_for_one_id_per_node(void **state)
{
	int next_id = 5, first_id, second_id, other_id, none = 77;
	uint64_t node, first, second, other, relayed;
	struct slots slots;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	first = add(&slots, node, IO_DIRECT, &next_id, &first_id);
	second = add(&slots, node, IO_MEDIATED, &next_id, &second_id);
	assert_int_equal(first_id, 5);
	assert_int_equal(second_id, 5);
	assert_int_equal(node_get(&slots.state, node)->backing_id, 5);
	assert_int_equal(slots.arena.header->backing_last, 5);
	relayed = add(&slots, node, IO_RELAYED, &next_id, &none);
	assert_int_equal(none, 0);
	other = add(&slots, reference(&slots, 101), IO_DIRECT, &next_id, &other_id);
	assert_int_equal(other_id, 6);
	assert_int_equal(slots.arena.header->backing_last, 6);
	slots_again(&slots);
	assert_int_equal(remove_handle(&slots, first), 0);
	assert_int_equal(remove_handle(&slots, relayed), 0);
	assert_false(is_hot(&slots, 2));
	assert_int_equal(remove_handle(&slots, second), 0);
	assert_int_equal(remove_handle(&slots, other), 0);
	assert_true(is_hot(&slots, 2));
	assert_true(is_hot(&slots, 3));
	slots_close(&slots);
}

/* The kernel opens neither directories nor files under .segfs, whatever the mode. */
static void asks_for_files_only(void **state)
{
	struct slots slots;
	struct handle_open open;
	uint64_t number;
	int next_id = 5, backing_id = -7, none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	open = direct_open(NODE_ROOT, &next_id);
	open.kind = HANDLE_DIRECTORY;
	assert_int_equal(handle_add(&slots.state, &open, &none, &number, &backing_id), 0);
	assert_int_equal(backing_id, 0);
	open.kind = HANDLE_CONTROL;
	assert_int_equal(handle_add(&slots.state, &open, &none, &number, &backing_id), 0);
	assert_int_equal(backing_id, 0);
	assert_int_equal(next_id, 5);
	slots_close(&slots);
}

static void leaves_nothing_where_no_id_is_to_be_had(void **state)
{
	static const int errors[] = {-ELOOP, -EINVAL, -EPERM, -ENOMEM, -EMFILE, -EAGAIN, -EOPNOTSUPP, -EIO};
	struct slots slots;
	uint64_t node;
	int fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		int error = errors[i];
		struct handle_open open = direct_open(node, &error);
		uint64_t number = 77;
		int backing_id = -7;

		open.mode = i % 2 ? IO_MEDIATED : IO_DIRECT;
		assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), errors[i]);
		assert_true(is_open(fd));
		assert_int_equal(number, 77);
		assert_int_equal(backing_id, -7);
		assert_int_equal(slots.state.n_handles, 0);
		assert_int_equal(slots.arena.header->handles_high, 1);
		assert_int_equal(slots.arena.header->backing_last, 0);
		assert_int_equal(node_get(&slots.state, node)->backing_id, 0);
		assert_int_equal(handle_find_by_request(&slots.state, open.unique), 0);
	}
	close(fd);
	forget(&slots, node, 1);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1); /* no handle is counted on it */
	slots_close(&slots);
}

static void rests_after_the_last_close(void **state)
{
	int next_id = 5, id;
	struct slots slots;
	uint64_t node;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(open_and_close(&slots, node, &next_id, &id), 0);
		assert_int_equal(id, 5);
		assert_true(is_hot(&slots, 2));
		slots_check(&slots);
		if (i == 1)
			slots_again(&slots);
	}
	assert_int_equal(next_id, 6);
	/* closed once the kernel forgets the node, and recorded until then */
	assert_int_equal(closing(&slots, 5), 0);
	assert_int_equal(forget(&slots, node, 1), 5);
	assert_false(is_hot(&slots, 2));
	assert_int_equal(node_get(&slots.state, node)->backing_id, 0);
	assert_int_equal(closing(&slots, 5), 1);
	handle_backing_closed(&slots.state, 5);
	assert_int_equal(closing(&slots, 5), 0);
	assert_int_equal(reference(&slots, 100), node);
	assert_int_equal(open_and_close(&slots, node, &next_id, &id), 0);
	assert_int_equal(id, 6);
	slots_close(&slots);
}

/* The number of cached ids is limited: the node that was closed longest ago loses its own. */
static void the_least_recently_closed_gives_way(void **state)
{
	int next_id = 5, id[4], other_id;
	struct slots slots;
	uint64_t node[4], number;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	slots.arena.header->limit_hot = 2;
	for (int i = 0; i < 4; i++)
		node[i] = reference(&slots, 100 + (uint64_t)i);
	assert_int_equal(open_and_close(&slots, node[0], &next_id, &id[0]), 0);
	assert_int_equal(open_and_close(&slots, node[1], &next_id, &id[1]), 0);
	/* it is the last one now */
	assert_int_equal(open_and_close(&slots, node[0], &next_id, &other_id), 0);
	assert_int_equal(other_id, id[0]);
	assert_int_equal(open_and_close(&slots, node[2], &next_id, &id[2]), id[1]);
	assert_int_equal(closing(&slots, id[1]), 1);
	handle_backing_closed(&slots.state, id[1]);
	assert_int_equal(node_get(&slots.state, node[1])->backing_id, 0);
	assert_true(is_hot(&slots, node_index_of(node[0])));
	assert_true(is_hot(&slots, node_index_of(node[2])));
	slots_check(&slots);
	/* an open node is not cached, so it does not give way */
	number = add(&slots, node[0], IO_DIRECT, &next_id, &other_id);
	assert_int_equal(open_and_close(&slots, node[3], &next_id, &id[3]), 0);
	assert_int_equal(node_get(&slots.state, node[0])->backing_id, id[0]);
	slots_again(&slots);
	slots_check(&slots);
	assert_true(is_hot(&slots, node_index_of(node[2])) && is_hot(&slots, node_index_of(node[3])));
	assert_int_equal(remove_handle(&slots, number), id[2]);
	handle_backing_closed(&slots.state, id[2]);
	/* the kernel forgets one: there is a place again */
	assert_int_equal(forget(&slots, node[3], 1), id[3]);
	handle_backing_closed(&slots.state, id[3]);
	assert_int_equal(open_and_close(&slots, node[1], &next_id, &id[1]), 0);
	slots_check(&slots);
	/* a lower limit */
	assert_int_equal(node_take_id(&slots.state, 2), 0);
	assert_int_equal(node_take_id(&slots.state, 1), id[0]);
	handle_backing_closed(&slots.state, id[0]);
	assert_int_equal(node_take_id(&slots.state, 1), 0);
	slots.arena.header->limit_hot = 0;
	assert_int_equal(open_and_close(&slots, node[0], &next_id, &id[0]), id[1]);
	handle_backing_closed(&slots.state, id[1]);
	assert_int_equal(node_take_id(&slots.state, 0), id[0]);
	handle_backing_closed(&slots.state, id[0]);
	other_id = open_and_close(&slots, node[0], &next_id, &id[0]);
	assert_int_equal(other_id, id[0]);
	slots_close(&slots);
}

/* The id of a removed file is not evicted. */
static void holds_removed_files_past_the_last_close(void **state)
{
	int next_id = 5, id, other_id;
	struct slots slots;
	uint64_t node, number;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	number = add(&slots, node, IO_DIRECT, &next_id, &id);
	assert_int_equal(hold(&slots, 0, 100), node);
	unlinked(&slots, node, -1);
	assert_int_equal(remove_handle(&slots, number), 0);
	assert_false(is_hot(&slots, 2));
	assert_int_equal(node_get(&slots.state, node)->backing_id, id);
	slots_check(&slots);
	slots_again(&slots);
	slots_check(&slots);
	assert_false(is_hot(&slots, 2));
	/* opened again by its file handle */
	number = add(&slots, node, IO_DIRECT, &next_id, &other_id);
	assert_int_equal(other_id, id);
	assert_int_equal(forget(&slots, node, 1), 0);
	assert_non_null(node_get(&slots.state, node));
	assert_int_equal(remove_handle(&slots, number), id);
	assert_null(node_get(&slots.state, node));
	slots_close(&slots);
}

/* The kernel does not forget open nodes; a wrong count must not lose the handle. */
static void keeps_nodes_with_handles(void **state)
{
	int next_id = 5, id;
	struct slots slots;
	uint64_t node, number;

	(void)state;
	slots_open(&slots, 16, 16, 0);
	node = reference(&slots, 100);
	number = add(&slots, node, IO_DIRECT, &next_id, &id);
	assert_int_equal(forget(&slots, node, 1), 0);
	assert_non_null(node_get(&slots.state, node));
	slots_again(&slots);
	slots_check(&slots);
	assert_int_equal(handle_get(&slots.state, number)->node, node);
	assert_int_equal(remove_handle(&slots, number), id);
	assert_null(node_get(&slots.state, node));
	slots_close(&slots);
}

/* An idle node opened by its file handle is not idle any more. */
static void opens_idle_nodes(void **state)
{
	int next_id = 5, id;
	struct slots slots;
	uint64_t node, number;

	(void)state;
	slots_open(&slots, 16, 16, 2);
	node = reference(&slots, 100);
	forget(&slots, node, 1);
	number = add(&slots, node, IO_DIRECT, &next_id, &id);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 0);
	slots_check(&slots);
	assert_int_equal(remove_handle(&slots, number), id);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	slots_close(&slots);
}

/* After a refusal the kernel is asked again once nobody has the file open. */
static void forgets_a_refusal(void **state)
{
	int next_id = 5, id;
	struct slots slots;
	uint64_t node, first, second;

	(void)state;
	slots_open(&slots, 16, 16, 2);
	node = reference(&slots, 100);
	first = add(&slots, node, IO_RELAYED, &next_id, &id);
	second = add(&slots, node, IO_RELAYED, &next_id, &id);
	node_get(&slots.state, node)->flags |= NODE_REFUSED;
	remove_handle(&slots, first);
	assert_int_equal(node_get(&slots.state, node)->flags, NODE_REFUSED);
	remove_handle(&slots, second);
	assert_int_equal(node_get(&slots.state, node)->flags, 0);
	slots_close(&slots);
}

static void finds_what_a_request_opened(void **state)
{
	struct slots slots;
	uint64_t numbers[4];
	int backing_id, none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	for (size_t i = 0; i < 4; i++) {
		struct handle_open open = {.node = NODE_ROOT, .unique = 2 * i + 2, .mode = IO_RELAYED};

		assert_int_equal(handle_find_by_request(&slots.state, open.unique), 0);
		assert_int_equal(handle_add(&slots.state, &open, &none, &numbers[i], &backing_id), 0);
	}
	slots_again(&slots);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(handle_find_by_request(&slots.state, 2 * i + 2), numbers[i]);
	assert_int_equal(handle_find_by_request(&slots.state, 3), 0);
	remove_handle(&slots, numbers[2]);
	assert_int_equal(handle_find_by_request(&slots.state, 6), 0);
	slots_close(&slots);
}

static void forgets_ids_that_are_closed(void **state)
{
	struct slots slots;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	slots.arena.header->backing_closing[0] = 5;
	slots.arena.header->backing_closing[2] = 7;
	handle_backing_closed(&slots.state, 6);
	assert_int_equal(closing(&slots, 5), 1);
	handle_backing_closed(&slots.state, 7);
	assert_int_equal(closing(&slots, 7), 0);
	handle_backing_closed(&slots.state, 5);
	assert_int_equal(closing(&slots, 0), ARENA_CLOSING);
	slots_close(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_what_was_opened),
		cmocka_unit_test(refuses_numbers_that_are_not_good),
		cmocka_unit_test(needs_a_node),
		cmocka_unit_test(gives_every_slot_and_no_more),
		cmocka_unit_test(asks_for_one_id_per_node),
		cmocka_unit_test(asks_for_files_only),
		cmocka_unit_test(leaves_nothing_where_no_id_is_to_be_had),
		cmocka_unit_test(rests_after_the_last_close),
		cmocka_unit_test(the_least_recently_closed_gives_way),
		cmocka_unit_test(holds_removed_files_past_the_last_close),
		cmocka_unit_test(keeps_nodes_with_handles),
		cmocka_unit_test(opens_idle_nodes),
		cmocka_unit_test(forgets_a_refusal),
		cmocka_unit_test(finds_what_a_request_opened),
		cmocka_unit_test(forgets_ids_that_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
