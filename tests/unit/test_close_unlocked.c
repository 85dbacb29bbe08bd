// SPDX-License-Identifier: MIT
/*
 * Closing the last descriptor of a file frees its memory, which takes long for a large one. Nobody waits for
 * that: no descriptor is closed while the thread holds state.lock.
 */
#include "tests/unit/slots.h"

#include "fs/state/node_fd.h"

#include <pthread.h>
#include <sys/syscall.h>

#define INODE 77u
#define MANY  (3u * NODE_FDS_CLOSING)

static struct slots slots;
static bool is_watched;
static unsigned int closed;        /* descriptors, while is_watched */
static unsigned int closed_locked; /* ... under the lock */

/* In the place of the C library's. */
int close(int fd)
{
	if (is_watched) {
		closed++;
		if (pthread_mutex_trylock(&slots.state.lock) == 0)
			pthread_mutex_unlock(&slots.state.lock);
		else
			closed_locked++;
	}
	return (int)syscall(SYS_close, fd);
}

static int start(void **unused)
{
	(void)unused;
	slots_open(&slots, 2 * MANY, 2 * MANY, 2 * MANY);
	closed = closed_locked = 0;
	is_watched = true;
	return 0;
}

static int stop(void **unused)
{
	(void)unused;
	is_watched = false;
	slots_close(&slots);
	return 0;
}

/* Ends a case: so many were closed. */
static void expect_closed(unsigned int n)
{
	assert_int_equal(closed, n);
	assert_int_equal(closed_locked, 0);
}

/* A file with its own descriptor, which the kernel refers to. Returns the node's id. */
static uint64_t make(uint64_t inode, uint32_t flags)
{
	uint64_t id = 0;
	int fd = new_fd();

	assert_int_equal(try_reference(&slots, inode, flags, &fd, &id), 0);
	assert_int_equal(fd, -1);
	return id;
}

static uint64_t open_file(uint64_t id, int fd)
{
	const struct handle_open open = {.node = id, .unique = id, .mode = IO_RELAYED};
	uint64_t number = 0;
	int backing_id;

	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), 0);
	assert_int_equal(fd, -1);
	return number;
}

static void close_file(uint64_t number)
{
	int backing_id;

	assert_int_equal(handle_remove(&slots.state, number, &backing_id), 0);
}

/* FORGET of a removed file. */
static void forgotten(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MANY; i++)
		forget(&slots, make(INODE + i, NODE_UNLINKED), 1);
	expect_closed(MANY);
}

/* RELEASE: the handle's own descriptor. */
static void released(void **unused)
{
	const uint64_t id = reference(&slots, INODE);
	uint64_t numbers[MANY];

	(void)unused;
	for (unsigned int i = 0; i < MANY; i++)
		numbers[i] = open_file(id, new_fd());
	for (unsigned int i = 0; i < MANY; i++)
		close_file(numbers[i]);
	expect_closed(MANY);
}

/* RELEASE of a removed file that the kernel has forgotten: that of the handle and that of the node. */
static void released_after_it_was_forgotten(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MANY; i++) {
		const uint64_t id = make(INODE + i, NODE_UNLINKED);
		const uint64_t number = open_file(id, new_fd());

		forget(&slots, id, 1);
		close_file(number);
	}
	expect_closed(2 * MANY);
}

/* RELEASE of a file that can change without segfs, which its node holds only while it is open. */
static void released_external_ones(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MANY; i++)
		close_file(open_file(make(INODE + i, NODE_EXTERNAL), new_fd()));
	expect_closed(2 * MANY);
}

/* UNLINK: the kernel forgets the node while its name is removed, so that it cannot hold the file any more. */
static void removed(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MANY; i++) {
		const uint64_t id = make(INODE + i, NODE_NEEDS_FD);

		assert_int_equal(hold(&slots, 0, INODE + i), id);
		forget(&slots, id, 1);
		assert_int_equal(unlinked(&slots, id, new_fd()), -1);
	}
	expect_closed(2 * MANY);
}

/* The end of a look at a removed file by the thread that ends segments. */
static void unpinned(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MANY; i++) {
		const uint64_t id = make(INODE + i, NODE_UNLINKED);
		int backing_id;

		assert_true(node_pin_slot(&slots.state, id));
		forget(&slots, id, 1);
		node_unpin_slot(&slots.state, &backing_id);
	}
	expect_closed(MANY);
}

/* The last use of a descriptor whose node is gone. */
static void given_back(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MANY; i++) {
		const uint64_t id = make(INODE + i, NODE_UNLINKED);
		const int fd = node_fd_get(&slots.state, node_get(&slots.state, id));

		assert_true(fd >= 0);
		forget(&slots, id, 1);
		node_fd_put(&slots.state, fd);
	}
	expect_closed(MANY);
}

/* A new worker finds many at once that the previous one had to close. */
static void left_by_a_worker_that_died(void **unused)
{
	(void)unused;
	for (unsigned int i = 0; i < MANY; i++)
		make(INODE + i, NODE_EXTERNAL);
	slots_again(&slots);
	expect_closed(MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(forgotten, start, stop),
		cmocka_unit_test_setup_teardown(released, start, stop),
		cmocka_unit_test_setup_teardown(released_after_it_was_forgotten, start, stop),
		cmocka_unit_test_setup_teardown(released_external_ones, start, stop),
		cmocka_unit_test_setup_teardown(removed, start, stop),
		cmocka_unit_test_setup_teardown(unpinned, start, stop),
		cmocka_unit_test_setup_teardown(given_back, start, stop),
		cmocka_unit_test_setup_teardown(left_by_a_worker_that_died, start, stop),
	};

	return cmocka_run_group_tests_name("closing without the lock", tests, NULL, NULL);
}
