// SPDX-License-Identifier: MIT
/* Node descriptors that are in use when their nodes lose them. */
#include "tests/unit/slots.h"

#include "fs/source/backing.h"
#include "fs/state/node_fd.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

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

/* --- with other threads --- */

#define USERS  3
#define ROUNDS 100

static struct slots shared;
static _Atomic uint64_t current; /* node id; 0 = end */
static atomic_uint uses;
static atomic_bool is_wrong; /* a pinned descriptor was not open */

static void *use(void *unused)
{
	uint64_t id;

	while ((id = atomic_load(&current))) {
		const struct node_slot *node = node_get(&shared.state, id);
		const int fd = node ? node_fd_get(&shared.state, node) : -1;

		if (fd < 0)
			continue;
		if (!is_open(fd))
			atomic_store(&is_wrong, true);
		node_fd_put(&shared.state, fd);
		atomic_fetch_add(&uses, 1);
	}
	return unused;
}

static void the_last_user_closes_it(void **state)
{
	pthread_t threads[USERS];
	uint64_t id;
	int first, fd;

	(void)state;
	slots_open(&shared, 16, 16, 16);
	id = make_held(&shared, &first);
	atomic_store(&current, id);
	for (size_t i = 0; i < USERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, NULL), 0);
	for (int round = 0; round < ROUNDS; round++) {
		const unsigned int before = atomic_load(&uses);

		while (atomic_load(&uses) - before < 2 * USERS)
			sched_yield();
		forget(&shared, id, 1);
		id = make_held(&shared, &fd);
		atomic_store(&current, id);
	}
	forget(&shared, id, 1);
	atomic_store(&current, 0);
	for (size_t i = 0; i < USERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_false(atomic_load(&is_wrong));
	/* all are closed */
	fd = new_fd();
	assert_int_equal(fd, first);
	close(fd);
	for (size_t i = 0; i < NODE_FD_PINS; i++)
		assert_int_equal(atomic_load(&shared.state.pins[i].users), 0);
	slots_close(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_not_in_use_is_closed),
		cmocka_unit_test(one_in_use_stays_until_it_is_given_back),
		cmocka_unit_test(one_that_stays_with_its_node_is_not_closed),
		cmocka_unit_test(all_places_are_taken),
		cmocka_unit_test(what_was_reached_by_it_only_is_stale),
		cmocka_unit_test(the_last_user_closes_it),
	};

	return cmocka_run_group_tests_name("descriptors of nodes", tests, NULL, NULL);
}
