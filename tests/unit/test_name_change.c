// SPDX-License-Identifier: MIT
/* Changes of names in progress: what they keep, what they wait for, and nodes that are forgotten meanwhile.
 */
#include "tests/unit/slots.h"

#include <pthread.h>
#include <sched.h>

/* Drops a node that is referenced once, as there are too many idle ones. */
static void drop(struct slots *slots, uint64_t id)
{
	uint64_t other = reference(slots, 900);

	forget(slots, id, 1);
	forget(slots, other, 1);
	assert_null(node_get(&slots->state, id));
}

static void does_not_let_a_slot_be_reused(void **state)
{
	struct slots slots;
	uint64_t id, other;
	int fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 1);
	id = reference(&slots, 100);
	assert_int_equal(hold(&slots, 0, 100), 0);
	assert_int_equal(slots.change.node, id);
	drop(&slots, id);
	other = reference(&slots, 101);
	assert_int_not_equal(node_index_of(other), node_index_of(id));
	/* nobody needs the descriptor */
	assert_int_equal(unlinked(&slots, id, fd), -1);
	assert_false(is_open(fd));
	assert_int_equal(slots.arena.nodes[node_index_of(id)].fd, -1);
	other = reference(&slots, 102);
	assert_int_equal(node_index_of(other), node_index_of(id));
	assert_int_equal(node_get(&slots.state, other)->flags, 0);
	slots_close(&slots);
}

/* Where there are no other slots, a further idle node gives way. */
static void finds_another_slot_at_the_limit(void **state)
{
	struct slots slots;
	uint64_t ids[3];

	(void)state;
	slots_open(&slots, 16, 16, 4);
	for (uint64_t i = 0; i < 3; i++)
		ids[i] = reference(&slots, 100 + i);
	for (uint64_t i = 3; slots.state.n_nodes < 15; i++)
		reference(&slots, 100 + i);
	hold(&slots, 0, 100);
	for (int i = 0; i < 3; i++)
		forget(&slots, ids[i], 1);
	assert_int_equal(node_index_of(reference(&slots, 200)), node_index_of(ids[1]));
	assert_null(node_get(&slots.state, ids[0]));
	assert_non_null(node_get(&slots.state, ids[2]));
	unhold(&slots);
	assert_int_equal(node_index_of(reference(&slots, 201)), node_index_of(ids[0]));
	slots_close(&slots);
}

static void drops_a_node_that_was_forgotten(void **state)
{
	struct slots slots;
	uint64_t id;
	int fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 4);
	/* before its name was removed, */
	id = reference(&slots, 100);
	hold(&slots, 0, 100);
	forget(&slots, id, 1);
	assert_int_equal(find(&slots, 100), id);
	assert_int_equal(unlinked(&slots, id, fd), -1);
	assert_null(node_get(&slots.state, id));
	assert_false(is_open(fd));
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 0);
	/* with a passthrough id, */
	id = reference(&slots, 101);
	node_get(&slots.state, id)->backing_id = 5;
	assert_int_equal(hold(&slots, 0, 101), id);
	assert_int_equal(forget(&slots, id, 1), 5);
	handle_backing_closed(&slots.state, 5);
	assert_int_equal(unlinked(&slots, id, -1), -1);
	assert_null(node_get(&slots.state, id));
	/* and after */
	id = reference(&slots, 102);
	hold(&slots, 0, 102);
	assert_int_equal(unlinked(&slots, id, -1), -1);
	forget(&slots, id, 1);
	assert_null(node_get(&slots.state, id));
	slots_close(&slots);
}

/* An external file is held only while it is open. */
static void holds_external_files_while_they_are_open(void **state)
{
	struct slots slots;
	struct handle_open open;
	uint64_t number, id = 0;
	int backing_id;
	int next_id = -EINVAL;
	int none = -1;
	int fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 16, 4);
	assert_int_equal(try_reference(&slots, 100, NODE_EXTERNAL, &none, &id), 0);
	hold(&slots, 0, 100);
	assert_int_equal(unlinked(&slots, id, fd), fd);
	open = direct_open(id, &next_id);
	open.mode = IO_RELAYED;
	assert_int_equal(handle_add(&slots.state, &open, &none, &number, &backing_id), 0);
	hold(&slots, 0, 100);
	assert_int_equal(unlinked(&slots, id, fd), -1);
	assert_int_equal(node_get(&slots.state, id)->fd, fd);
	assert_int_equal(handle_remove(&slots.state, number, &backing_id), 0);
	assert_false(is_open(fd));
	slots_close(&slots);
}

/* --- waits --- */

static struct slots shared;
static atomic_bool reached; /* the other thread is past its wait */

static void *freeze(void *unused)
{
	names_freeze(&shared.state);
	atomic_store(&reached, true);
	return unused;
}

static void *change(void *unused)
{
	struct name_change begun;

	name_change_begin(&shared.state, 0, 100, false, &begun);
	atomic_store(&reached, true);
	name_change_end(&begun);
	return unused;
}

/* Starts a thread, and returns once it waits. */
static pthread_t start_waiting(void *(*function)(void *))
{
	pthread_t thread;

	atomic_store(&reached, false);
	assert_int_equal(pthread_create(&thread, NULL, function, NULL), 0);
	while (atomic_load(&shared.state.n_change_waiters) == 0)
		sched_yield();
	assert_false(atomic_load(&reached));
	return thread;
}

static void expect_reached(pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(atomic_load(&reached));
	assert_int_equal(atomic_load(&shared.state.n_change_waiters), 0);
}

static void excludes_other_changes(void **state)
{
	pthread_t thread;

	(void)state;
	slots_open(&shared, 16, 16, 4);
	reference(&shared, 100);
	hold(&shared, 0, 100);
	thread = start_waiting(freeze);
	unhold(&shared);
	expect_reached(thread);
	/* of others, but not of its own */
	name_change_begin(&shared.state, 0, 100, true, &shared.change);
	thread = start_waiting(change);
	name_change_end(&shared.change);
	assert_false(atomic_load(&reached));
	names_thaw(&shared.state);
	expect_reached(thread);
	/* one at a time */
	names_freeze(&shared.state);
	thread = start_waiting(freeze);
	names_thaw(&shared.state);
	expect_reached(thread);
	names_thaw(&shared.state);
	slots_close(&shared);
}

static void waits_for_its_turn(void **state)
{
	struct name_change changes[NAME_CHANGES];
	pthread_t thread;

	(void)state;
	slots_open(&shared, 16, 16, 4);
	for (int i = 0; i < NAME_CHANGES; i++)
		name_change_begin(&shared.state, 0, 0, false, &changes[i]);
	thread = start_waiting(change);
	name_change_end(&changes[1]);
	expect_reached(thread);
	name_change_end(&changes[1]);
	for (int i = 0; i < NAME_CHANGES; i++)
		name_change_end(&changes[i]);
	slots_close(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_not_let_a_slot_be_reused),
		cmocka_unit_test(finds_another_slot_at_the_limit),
		cmocka_unit_test(drops_a_node_that_was_forgotten),
		cmocka_unit_test(holds_external_files_while_they_are_open),
		cmocka_unit_test(excludes_other_changes),
		cmocka_unit_test(waits_for_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
