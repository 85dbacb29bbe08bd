// SPDX-License-Identifier: MIT
/* Counts of a node's opens by kind. */
#include "tests/unit/slots.h"

/* The next worker counts the same. */
static void counts_opens(void **state)
{
	static const struct {
		enum handle_kind kind;
		uint32_t flags;
	} opens[] = {
		{HANDLE_FILE, O_RDONLY},
		{HANDLE_FILE, O_RDWR},
		{HANDLE_FILE, O_WRONLY},
		{HANDLE_FILE, O_RDONLY | HANDLE_OPEN_EXECUTES},
		{HANDLE_CONTROL, O_RDONLY | HANDLE_OPEN_EXECUTES},
	};
	struct slots slots;
	uint64_t node, numbers[5];
	uint32_t writers;
	int backing_id, none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	for (size_t i = 0; i < 5; i++) {
		struct handle_open open = {
			.node = node, .mode = IO_RELAYED, .kind = opens[i].kind, .flags = opens[i].flags};

		assert_int_equal(handle_add(&slots.state, &open, &none, &numbers[i], &backing_id), 0);
	}
	for (int worker = 0; worker < 2; worker++) {
		assert_int_equal(handle_count(&slots.state, node, &writers), 5);
		assert_int_equal(writers, 2);
		assert_int_equal(handle_executors(&slots.state, node), 1);
		slots_again(&slots);
	}
	assert_int_equal(handle_remove(&slots.state, numbers[3], &backing_id), 0);
	assert_int_equal(handle_executors(&slots.state, node), 0);
	assert_int_equal(handle_remove(&slots.state, numbers[1], &backing_id), 0);
	assert_int_equal(handle_count(&slots.state, node, &writers), 3);
	assert_int_equal(writers, 1);
	slots_close(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
