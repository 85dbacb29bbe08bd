// SPDX-License-Identifier: MIT
/*
 * A worker that dies between any two stores of a change of locks: it leaves the locks held before, those held
 * after, or, while an owner's locks change, both for that owner; and the replay of the request completes it.
 *
 * A child process on the same arena is single-stepped; after each step that changed a lock slot a copy is
 * recovered.
 */
#include "tests/unit/slots.h"
#include "tests/unit/steps.h"

#include "fs/state/lock.h"
#include "fs/state/recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define BYTES   12
#define OWNERS  3
#define LOCKS   64 /* more slots than locks at any time */
#define NOTHING (-1)

static struct slots slots;
static uint64_t node;
static uint64_t handle;
static uint64_t unique;

/* Locks held by an owner, byte by byte. */
struct picture {
	int held[OWNERS][BYTES];
	unsigned int waiting;
};

static struct lock_request request_of(int owner, enum lock_type type, int first, int last)
{
	unique += 2;
	return (struct lock_request){
		.node = node,
		.owner = (uint64_t)owner + 1,
		.handle = handle,
		.unique = unique,
		.start = (uint64_t)first,
		.end = last == BYTES - 1 ? LOCK_END : (uint64_t)last,
		.pid = owner + 1,
		.type = type,
	};
}

static void look(struct state *state, struct picture *picture)
{
	struct lock_entry entry;
	uint32_t cursor = 0;

	memset(picture->held, 0xff, sizeof(picture->held));
	picture->waiting = 0;
	while (lock_next_entry(state, &cursor, &entry)) {
		uint64_t last = entry.end == LOCK_END ? BYTES - 1 : entry.end;

		picture->waiting += entry.waits;
		for (uint64_t byte = entry.start; !entry.waits && byte <= last; byte++)
			picture->held[entry.pid - 1][byte] = (int)entry.type;
	}
}

/* Recovers a copy of the current arena. */
static void recover(struct slots *copy)
{
	void *memory =
		mmap(NULL, slots.arena.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(memory, MAP_FAILED);
	memcpy(memory, slots.arena.header, slots.arena.size);
	copy->arena = (struct arena){.fd = -1, .size = slots.arena.size, .header = memory};
	arena_locate(&copy->arena);
	assert_int_equal(state_recover(&copy->state, &copy->arena, 4), 0);
	slots_check(copy);
}

static void drop(struct slots *copy)
{
	state_close(&copy->state);
	munmap(copy->arena.header, copy->arena.size);
}

/* The kernel resends the request, and then the one that waited before, if any. */
static void finish(struct slots *copy, const struct lock_request *request, bool wait,
		   const struct lock_request *waiter)
{
	struct lock_outcome ignored;

	if (waiter)
		lock_wait(&copy->state, waiter, 7);
	if (wait)
		lock_wait(&copy->state, request, 8);
	else
		lock_set(&copy->state, request);
	lock_recovered(&copy->state);
	while (lock_next_outcome(&copy->state, &ignored))
		;
}

static void expect_between(const struct picture *before, const struct picture *after,
			   const struct picture *now)
{
	for (int owner = 0; owner < OWNERS; owner++)
		for (int byte = 0; byte < BYTES; byte++)
			assert_true(now->held[owner][byte] == before->held[owner][byte] ||
				    now->held[owner][byte] == after->held[owner][byte]);
}

/* The change made by the child. */
static const struct lock_request *change;
static bool change_waits;

static void carry_out(void)
{
	if (change_waits)
		lock_wait(&slots.state, change, 8);
	else
		lock_set(&slots.state, change);
}

/*
 * Carries out a request in a child, recovers copies at every change of a lock slot, and then the result of
 * its death at the end.
 */
static void die_in(const struct lock_request *request, bool wait, const struct lock_request *waiter,
		   unsigned int at_least)
{
	const size_t size = LOCKS * sizeof(*slots.arena.locks);
	const void *present = slots.arena.locks; /* as bytes */
	char *seen = malloc(size);
	struct picture before, after, now;
	struct slots copy;
	unsigned int deaths = 0;
	pid_t child;

	assert_non_null(seen);
	memcpy(seen, present, size);
	recover(&copy);
	look(&copy.state, &before);
	finish(&copy, request, wait, waiter);
	look(&copy.state, &after);
	drop(&copy);
	change = request;
	change_waits = wait;
	child = steps_start(carry_out);
	while (steps_next(child)) {
		if (memcmp(seen, present, size) == 0)
			continue;
		memcpy(seen, present, size);
		deaths++;
		recover(&copy);
		look(&copy.state, &now);
		expect_between(&before, &after, &now);
		finish(&copy, request, wait, waiter);
		slots_check(&copy);
		look(&copy.state, &now);
		assert_memory_equal(now.held, after.held, sizeof(now.held));
		assert_int_equal(now.waiting, after.waiting);
		drop(&copy);
	}
	assert_true(deaths >= at_least);
	assert_true(slots.arena.header->locks_high <= LOCKS);
	free(seen);
	/* the next worker continues from the child's result */
	slots_again(&slots);
	if (waiter)
		lock_wait(&slots.state, waiter, 7);
	lock_recovered(&slots.state);
	while (lock_next_outcome(&slots.state, &(struct lock_outcome){0}))
		;
}

static void start(void)
{
	const struct handle_open open = {.mode = IO_RELAYED};
	struct handle_open of_node = open;
	struct lock_request request;
	int none = -1;
	int ignored;

	slots_open(&slots, 16, 16, 4);
	node = reference(&slots, 100);
	of_node.node = node;
	assert_int_equal(handle_add(&slots.state, &of_node, &none, &handle, &ignored), 0);
	/* copies of the arena can't reserve memory for its slots; now it is reserved */
	request = request_of(2, LOCK_SHARED, 0, 0);
	assert_int_equal(lock_set(&slots.state, &request), 0);
	request.type = LOCK_NONE;
	assert_int_equal(lock_set(&slots.state, &request), 0);
}

static void step(int owner, enum lock_type type, int first, int last, unsigned int at_least)
{
	const struct lock_request request = request_of(owner, type, first, last);

	die_in(&request, false, NULL, at_least);
}

static void in_changes_of_ranges(void **state)
{
	(void)state;
	start();
	step(0, LOCK_SHARED, 0, 11, 2);   /* the first one */
	step(0, LOCK_EXCLUSIVE, 4, 6, 4); /* splits it */
	step(0, LOCK_NONE, 5, 5, 4);      /* likewise */
	step(0, LOCK_SHARED, 3, 8, 4);    /* merges with its neighbours, replaces the locks in between */
	step(1, LOCK_SHARED, 2, 9, 2);
	step(0, LOCK_NONE, 0, 11, 1);
	step(1, LOCK_EXCLUSIVE, 0, 11, 3); /* widens and converts */
	step(1, LOCK_SHARED, 5, 11, 3);
	step(1, LOCK_NONE, 0, 3, 1);
	slots_close(&slots);
}

static void in_waiting(void **state)
{
	struct lock_request holder;
	struct lock_request waiter;

	(void)state;
	start();
	step(0, LOCK_EXCLUSIVE, 0, 11, 2);
	waiter = request_of(1, LOCK_EXCLUSIVE, 3, 4);
	die_in(&waiter, true, NULL, 2);
	/* the waiter that is granted the lock: this takes two stores and more */
	holder = request_of(0, LOCK_NONE, 2, 5);
	die_in(&holder, false, &waiter, 4);
	assert_false(
		lock_test(&slots.state,
			  &(struct lock_request){
				  .node = node, .owner = 2, .start = 3, .end = 4, .type = LOCK_EXCLUSIVE},
			  NULL));
	slots_close(&slots);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_changes_of_ranges),
		cmocka_unit_test(in_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
