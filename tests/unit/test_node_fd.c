// SPDX-License-Identifier: MIT
/* Node descriptors that are in use when their nodes lose them. */
#include "tests/unit/slots.h"

#include "fs/source/backing.h"
#include "fs/state/node_fd.h"

#include <errno.h>

#define INODE 77u

/* A removed file that the kernel refers to, with a descriptor. Returns the node's id. */
static uint64_t make_held(struct slots *slots, int *fd)
{
	const struct node_key key = key_of(INODE);
	uint64_t id = 0;
	int given;

	*fd = given = open("/dev/null", O_PATH | O_CLOEXEC);
	assert_true(given >= 0);
	assert_int_equal(node_reference(&slots->state, &key, S_IFREG | 0600, NODE_UNLINKED, &given, &id), 0);
	assert_int_equal(given, -1);
	return id;
}

static void one_that_is_not_in_use_is_closed(void **state)
{
	struct slots slots;
	uint64_t id;
	int fd;

	(void)state;
	slots_open(&slots, 16, 16, 16);
	id = make_held(&slots, &fd);
	assert_true(is_open(fd));
	forget(&slots, id, 1);
	assert_false(is_open(fd));
	slots_close(&slots);
}

static void one_in_use_stays_until_it_is_given_back(void **state)
{
	struct slots slots;
	const struct node_slot *node;
	uint64_t id;
	int fd;

	(void)state;
	slots_open(&slots, 16, 16, 16);
	id = make_held(&slots, &fd);
	node = node_get(&slots.state, id);
	assert_int_equal(node_fd_get(&slots.state, node), fd);
	assert_int_equal(node_fd_get(&slots.state, node), fd);
	forget(&slots, id, 1);
	assert_int_equal(node_fd_get(&slots.state, node), -1);
	node_fd_put(&slots.state, fd);
	assert_true(is_open(fd));
	node_fd_put(&slots.state, fd);
	assert_false(is_open(fd));
	slots_close(&slots);
}

static void one_that_stays_with_its_node_is_not_closed(void **state)
{
	struct slots slots;
	uint64_t id;
	int fd;

	(void)state;
	slots_open(&slots, 16, 16, 16);
	id = make_held(&slots, &fd);
	assert_int_equal(node_fd_get(&slots.state, node_get(&slots.state, id)), fd);
	node_fd_put(&slots.state, fd);
	assert_true(is_open(fd));
	forget(&slots, id, 1);
	assert_false(is_open(fd));
	slots_close(&slots);
}

/* More descriptors than places: an error, and pinned ones are unaffected. */
static void all_places_are_taken(void **state)
{
	uint64_t ids[NODE_FD_PINS + 1];
	int fds[NODE_FD_PINS + 1];
	struct slots slots;

	(void)state;
	slots_open(&slots, 2 * NODE_FD_PINS, 16, 16);
	for (uint64_t i = 0; i <= NODE_FD_PINS; i++) {
		const struct node_key key = key_of(INODE + i);

		int given = fds[i] = open("/dev/null", O_PATH | O_CLOEXEC);

		assert_int_equal(
			node_reference(&slots.state, &key, S_IFREG | 0600, NODE_UNLINKED, &given, &ids[i]),
			0);
		assert_int_equal(node_fd_get(&slots.state, node_get(&slots.state, ids[i])),
				 i < NODE_FD_PINS ? fds[i] : -ENFILE);
	}
	for (size_t i = 0; i <= NODE_FD_PINS; i++)
		forget(&slots, ids[i], 1);
	for (size_t i = 0; i < NODE_FD_PINS; i++) {
		assert_true(is_open(fds[i]));
		node_fd_put(&slots.state, fds[i]);
		assert_false(is_open(fds[i]));
	}
	assert_false(is_open(fds[NODE_FD_PINS]));
	slots_close(&slots);
}

/*
 * A node without a file handle whose descriptor another thread has just removed: stale, not an invalid
 * argument.
 */
static void what_was_reached_by_it_only_is_stale(void **state)
{
	static const int kinds[] = {NODE_HANDLE_SOURCE, NODE_HANDLE_INODE};
	struct slots slots;
	uint64_t id = 0;
	int none = -1;

	(void)state;
	slots_open(&slots, 16, 16, 16);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct node_key key = key_of(INODE + i);

		key.handle_type = kinds[i];
		assert_int_equal(
			node_reference(&slots.state, &key, S_IFREG | 0600, NODE_EXTERNAL, &none, &id), 0);
		assert_int_equal(backing_open(&slots.state, node_get(&slots.state, id), O_RDONLY), -ESTALE);
		assert_int_equal(backing_open(&slots.state, node_get(&slots.state, id), O_PATH), -ESTALE);
	}
	slots_close(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_not_in_use_is_closed),
		cmocka_unit_test(one_in_use_stays_until_it_is_given_back),
		cmocka_unit_test(one_that_stays_with_its_node_is_not_closed),
		cmocka_unit_test(all_places_are_taken),
		cmocka_unit_test(what_was_reached_by_it_only_is_stale),
	};

	return cmocka_run_group_tests_name("descriptors of nodes", tests, NULL, NULL);
}
