// SPDX-License-Identifier: MIT
/*
 * The lock table against a model: an array with an element per byte, searched linearly. Random operations are
 * applied to both, and all visible state is compared after each, across replaced workers.
 *
 * TEST_ROUNDS and TEST_SEED set the duration and reproduce a run.
 */
#include "tests/unit/slots.h"

#include "fs/state/lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NODES   3
#define OWNERS  6  /* of each kind */
#define BYTES   24 /* the last one stands for all that follow */
#define WAITERS 8  /* at one time */
#define NOTHING (-1)

struct wish {
	bool used;
	int node, owner, kind, first, last, type;
	uint64_t unique;
};

static struct {
	int held[LOCK_KINDS][NODES][OWNERS][BYTES]; /* enum lock_type, or NOTHING */
	struct wish queue[WAITERS];                 /* in order of arrival */
	int n_queue;
} model;

static struct slots slots;
static uint64_t nodes[NODES];
static uint64_t handles[NODES][OWNERS];
static uint64_t last_unique;
static uint64_t random_state;
static uint64_t outcomes[64];
static int n_outcomes;

static int below(int limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (int)((random_state >> 33) % (uint64_t)limit);
}

/* --- the model --- */

static bool clash(int a, int b)
{
	return a != NOTHING && b != NOTHING && (a == LOCK_EXCLUSIVE || b == LOCK_EXCLUSIVE);
}

static bool is_in_the_way(int owner, const struct wish *wish)
{
	if (owner == wish->owner)
		return false;
	for (int byte = wish->first; byte <= wish->last; byte++)
		if (clash(model.held[wish->kind][wish->node][owner][byte], wish->type))
			return true;
	return false;
}

static bool anybody_in_the_way(const struct wish *wish)
{
	for (int owner = 0; owner < OWNERS; owner++)
		if (is_in_the_way(owner, wish))
			return true;
	return false;
}

/* Of either kind: an owner number stands for the same process in both. */
static bool holds_anything(int owner)
{
	for (int kind = 0; kind < LOCK_KINDS; kind++)
		for (int node = 0; node < NODES; node++)
			for (int byte = 0; byte < BYTES; byte++)
				if (model.held[kind][node][owner][byte] != NOTHING)
					return true;
	return false;
}

static bool passes(const struct wish *wish, int n_before)
{
	for (int i = 0; i < n_before; i++) {
		const struct wish *earlier = &model.queue[i];

		if (earlier->kind == wish->kind && earlier->node == wish->node &&
		    earlier->owner != wish->owner && earlier->first <= wish->last &&
		    earlier->last >= wish->first && clash(earlier->type, wish->type))
			return !holds_anything(wish->owner);
	}
	return false;
}

static void put(const struct wish *wish, int type)
{
	for (int byte = wish->first; byte <= wish->last; byte++)
		model.held[wish->kind][wish->node][wish->owner][byte] = type;
}

static bool has_any(const struct wish *wish)
{
	for (int byte = wish->first; byte <= wish->last; byte++)
		if (model.held[wish->kind][wish->node][wish->owner][byte] != NOTHING)
			return true;
	return false;
}

static void withdraw(int i)
{
	model.n_queue--;
	memmove(&model.queue[i], &model.queue[i + 1], (size_t)(model.n_queue - i) * sizeof(model.queue[0]));
}

/* Grants waiters of one node in order, until nothing changes; returns which. */
static int serve(int node, uint64_t *served)
{
	int n = 0;
	bool any = true;

	while (any) {
		any = false;
		for (int i = 0; i < model.n_queue; i++) {
			struct wish wish = model.queue[i];

			if (wish.node != node || anybody_in_the_way(&wish) || passes(&wish, i))
				continue;
			withdraw(i--);
			put(&wish, wish.type);
			served[n++] = wish.unique;
			any = true;
		}
	}
	return n;
}

/* Whether a conflicting waiter of `wish` waits, directly or not, for `owner`. */
static bool waits_for(const struct wish *wish, int owner, bool visited[WAITERS])
{
	for (int i = 0; i < model.n_queue; i++) {
		const struct wish *other = &model.queue[i];

		if (visited[i] || other->kind != LOCK_RANGE || !is_in_the_way(other->owner, wish))
			continue;
		visited[i] = true;
		if (is_in_the_way(owner, other) || waits_for(other, owner, visited))
			return true;
	}
	return false;
}

/* --- both --- */

static struct lock_request request_of(const struct wish *wish)
{
	return (struct lock_request){
		.node = nodes[wish->node],
		.owner = (uint64_t)(wish->owner + wish->kind * OWNERS) * 0x9e3779b97f4a7c15u + 1,
		.handle = handles[wish->node][wish->owner],
		.unique = wish->unique,
		.start = wish->kind == LOCK_FLOCK ? 0 : (uint64_t)wish->first * 10,
		.end = wish->last == BYTES - 1 ? LOCK_END : (uint64_t)wish->last * 10 + 9,
		.pid = wish->owner + 1,
		.kind = (enum lock_kind)wish->kind,
		.type = (enum lock_type)wish->type,
	};
}

static struct wish any_wish(bool may_give_up)
{
	struct wish wish = {
		.used = true,
		.node = below(NODES),
		.owner = below(OWNERS),
		.kind = below(4) == 0,
		.first = below(BYTES),
		.type = below(may_give_up ? 3 : 2),
		.unique = last_unique += 2,
	};

	wish.last = wish.first + below(below(3) == 0 ? BYTES : 4);
	if (wish.last >= BYTES)
		wish.last = BYTES - 1;
	if (wish.kind == LOCK_FLOCK) {
		wish.first = 0;
		wish.last = BYTES - 1;
	}
	return wish;
}

static void collect(void)
{
	struct lock_outcome outcome;

	while (lock_next_outcome(&slots.state, &outcome)) {
		assert_int_equal(outcome.result, 0);
		assert_true(n_outcomes < 64);
		outcomes[n_outcomes++] = outcome.tag;
	}
}

static void expect_served(const uint64_t *served, int n)
{
	collect();
	assert_int_equal(n_outcomes, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(outcomes[i], served[i] + 1);
	n_outcomes = 0;
}

/* Returns how many were granted their lock then. */
static int drop_for_conversion(const struct wish *wish, uint64_t *served)
{
	int held = model.held[LOCK_FLOCK][wish->node][wish->owner][0];

	if (wish->kind != LOCK_FLOCK || held == NOTHING || held == wish->type)
		return 0;
	put(wish, NOTHING);
	return serve(wish->node, served);
}

static void do_set(void)
{
	struct wish wish = any_wish(true);
	struct lock_request request = request_of(&wish);
	uint64_t served[WAITERS] = {0};
	int n = 0;
	int result = 0;

	if (wish.type == LOCK_NONE) {
		put(&wish, NOTHING);
		n = serve(wish.node, served);
	} else {
		n = drop_for_conversion(&wish, served);
		if (anybody_in_the_way(&wish))
			result = -EAGAIN;
		else
			put(&wish, wish.type);
		n += serve(wish.node, served + n);
	}
	assert_int_equal(lock_set(&slots.state, &request), result);
	expect_served(served, n);
}

static void do_wait(void)
{
	struct wish wish = any_wish(false);
	struct lock_request request = request_of(&wish);
	bool visited[WAITERS] = {false};
	uint64_t served[2 * WAITERS] = {0};
	int n;
	int result = 0;

	if (model.n_queue == WAITERS)
		return;
	n = drop_for_conversion(&wish, served);
	if (!anybody_in_the_way(&wish) && !passes(&wish, model.n_queue)) {
		put(&wish, wish.type);
	} else if (wish.kind == LOCK_RANGE && waits_for(&wish, wish.owner, visited)) {
		result = -EDEADLK;
	} else {
		model.queue[model.n_queue++] = wish;
		result = -EINPROGRESS;
	}
	n += serve(wish.node, served + n);
	assert_int_equal(lock_wait(&slots.state, &request, wish.unique + 1), result);
	expect_served(served, n);
}

static void do_cancel(void)
{
	uint64_t served[WAITERS] = {0};
	int i = model.n_queue ? below(model.n_queue) : 0;
	struct wish wish = model.queue[i];
	struct lock_outcome outcome;

	if (!model.n_queue)
		return;
	withdraw(i);
	assert_true(lock_cancel(&slots.state, wish.unique, &outcome));
	assert_int_equal(outcome.tag, wish.unique + 1);
	assert_int_equal(outcome.result, -EINTR);
	assert_false(lock_cancel(&slots.state, wish.unique, &outcome));
	expect_served(served, serve(wish.node, served));
}

static void do_drop_owner(void)
{
	struct wish wish = any_wish(true);
	struct lock_request request = request_of(&wish);
	uint64_t served[WAITERS] = {0};

	bool any;

	wish.first = 0;
	wish.last = BYTES - 1;
	any = has_any(&wish);
	put(&wish, NOTHING);
	lock_drop_owner(&slots.state, request.node, request.owner, request.kind);
	expect_served(served, any ? serve(wish.node, served) : 0);
}

static void do_drop_handle(void)
{
	struct wish wish = any_wish(true);
	uint64_t served[WAITERS] = {0};
	uint64_t ended[WAITERS];
	int n_ended = 0;
	bool any = false;

	wish.first = 0;
	wish.last = BYTES - 1;
	for (wish.kind = 0; wish.kind < LOCK_KINDS; wish.kind++) {
		any = any || has_any(&wish);
		put(&wish, NOTHING);
	}
	for (int i = 0; i < model.n_queue; i++) {
		if (model.queue[i].node == wish.node && model.queue[i].owner == wish.owner) {
			ended[n_ended++] = model.queue[i].unique + 1;
			withdraw(i--);
			any = true;
		}
	}
	lock_drop_handle(&slots.state, nodes[wish.node], handles[wish.node][wish.owner]);
	for (int i = 0; i < n_ended; i++) {
		struct lock_outcome outcome;

		assert_true(lock_next_outcome(&slots.state, &outcome));
		assert_int_equal(outcome.tag, ended[i]);
		assert_int_equal(outcome.result, -EBADF);
	}
	expect_served(served, any ? serve(wish.node, served) : 0);
}

/* The kernel resends waiting requests, in any order, except those of processes that died meanwhile. */
static void do_replace_worker(void)
{
	uint64_t served[WAITERS * NODES] = {0};
	bool again[WAITERS] = {false};
	int n = 0;

	slots_again(&slots);
	for (int i = 0; i < model.n_queue; i++)
		model.queue[i].used = below(8) != 0;
	for (int left = model.n_queue; left > 0;) {
		int i = below(model.n_queue);
		struct lock_request request = request_of(&model.queue[i]);

		if (again[i])
			continue;
		again[i] = true;
		left--;
		if (model.queue[i].used)
			assert_int_equal(lock_wait(&slots.state, &request, request.unique + 1), -EINPROGRESS);
	}
	expect_served(served, 0);
	for (int i = 0; i < model.n_queue; i++)
		if (!model.queue[i].used)
			withdraw(i--);
	lock_recovered(&slots.state);
	collect();
	for (int node = 0; node < NODES; node++)
		n += serve(node, served + n);
	assert_int_equal(n_outcomes, n);
	n_outcomes = 0;
}

static void compare_held(void)
{
	static int seen[LOCK_KINDS][NODES][OWNERS][BYTES];
	struct lock_entry entry;
	uint32_t cursor = 0;
	int n_waiting = 0;

	memset(seen, 0xff, sizeof(seen));
	while (lock_next_entry(&slots.state, &cursor, &entry)) {
		uint64_t last = entry.end == LOCK_END ? BYTES - 1 : entry.end / 10;
		int node = 0;

		n_waiting += entry.waits;
		if (entry.waits)
			continue;
		while (nodes[node] != entry.node)
			node++;
		for (uint64_t byte = entry.start / 10; byte <= last; byte++)
			seen[entry.kind][node][entry.pid - 1][byte] = (int)entry.type;
	}
	assert_int_equal(n_waiting, model.n_queue);
	assert_memory_equal(seen, model.held, sizeof(seen));
}

static void compare_test(void)
{
	struct wish wish = any_wish(false);
	struct lock_request request = request_of(&wish);
	struct lock_entry conflict;
	bool found = lock_test(&slots.state, &request, &conflict);

	assert_int_equal(found, anybody_in_the_way(&wish));
	if (found) {
		assert_true(is_in_the_way(conflict.pid - 1, &wish));
		assert_true(conflict.start <= request.end && conflict.end >= request.start);
	}
}

static void open_all(void)
{
	slots_open(&slots, 64, 64, 16);
	for (int node = 0; node < NODES; node++) {
		nodes[node] = reference(&slots, 100 + (uint64_t)node);
		for (int owner = 0; owner < OWNERS; owner++) {
			const struct handle_open open = {.node = nodes[node], .mode = IO_RELAYED};
			int none = -1;
			int ignored;

			assert_int_equal(
				handle_add(&slots.state, &open, &none, &handles[node][owner], &ignored), 0);
		}
	}
}

static void agrees_with_the_model(void **state)
{
	static void (*const steps[])(void) = {do_set,  do_set,    do_set,        do_wait,       do_wait,
					      do_wait, do_cancel, do_drop_owner, do_drop_handle};
	const char *rounds = getenv("TEST_ROUNDS");
	const char *seed = getenv("TEST_SEED");
	long n = rounds ? atol(rounds) : 1000000;

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	printf("# TEST_SEED=%llu\n", (unsigned long long)random_state);
	fflush(stdout);
	memset(&model, 0xff, sizeof(model.held));
	model.n_queue = 0;
	open_all();
	for (long i = 0; i < n; i++) {
		steps[below(sizeof(steps) / sizeof(steps[0]))]();
		if (below(5000) == 0)
			do_replace_worker();
		compare_test();
		if (i % 16 == 0)
			compare_held();
		if (i % 1024 == 0)
			slots_check(&slots);
	}
	slots_close(&slots);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(agrees_with_the_model)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
