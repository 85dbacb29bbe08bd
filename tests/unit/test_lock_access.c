// SPDX-License-Identifier: MIT
/*
 * I/O under mandatory locks against a model: locks per byte and owner, and a queue searched linearly. Locks
 * are set, awaited and released, and I/O of all kinds of requesters comes, in random order, across replaced
 * workers; all visible state is compared after each step.
 *
 * TEST_ROUNDS and TEST_SEED set the duration and reproduce a run.
 */
#include "tests/unit/slots.h"

#include "fs/state/lock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NODES     2
#define PROCESSES 4
#define OPENS     4 /* per node; process N has made open N, and all inherit all */
#define OWNERS    (PROCESSES + OPENS)
#define BYTES     12 /* the last one stands for all that follow */
#define WAITERS   10 /* at one time */
#define NOTHING   (-1)

struct wish {
	bool access;
	int node, owner, open, first, last, type;
	int process;      /* of I/O: the requester */
	bool knows_owner; /* of I/O: the kernel passes the owner, not only the process */
	bool decided;     /* I/O in progress */
	bool comes;       /* again, to the next worker */
	uint64_t unique;
};

/* State of an owner in one byte. */
struct held {
	int type;   /* enum lock_type, or NOTHING */
	int holder; /* enum lock_holder */
	int open;   /* through which it was set */
};

static struct {
	struct held held[NODES][OWNERS][BYTES];
	struct wish queue[WAITERS]; /* in order of arrival */
	int n_queue;
	bool in_order; /* nobody overtakes others because of locks elsewhere */
} model;

static struct slots slots;
static uint64_t nodes[NODES];
static uint64_t handles[NODES][OPENS];
static uint64_t last_unique;
static uint64_t random_state;

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

static bool overlap(const struct wish *a, const struct wish *b)
{
	return a->node == b->node && a->first <= b->last && b->first <= a->last;
}

/* Whether I/O passes a lock: it belongs to the process, or to the open file description. */
static bool passes_lock(const struct wish *access, int owner, const struct held *held)
{
	if (owner < PROCESSES && held->holder != LOCK_OF_OPEN && owner == access->process)
		return true;
	/* for an owner not known to be an open, only the pid is available */
	if (owner >= PROCESSES && held->holder == LOCK_OF_UNKNOWN && !access->knows_owner &&
	    owner - PROCESSES == access->process)
		return true;
	return held->holder != LOCK_OF_PROCESS && held->open == access->open;
}

static bool is_in_the_way(int owner, const struct wish *wish)
{
	for (int byte = wish->first; byte <= wish->last; byte++) {
		const struct held *held = &model.held[wish->node][owner][byte];

		if (!clash(held->type, wish->type))
			continue;
		if (wish->access ? !passes_lock(wish, owner, held) : owner != wish->owner)
			return true;
	}
	return false;
}

static bool anybody_in_the_way(const struct wish *wish)
{
	for (int owner = 0; owner < OWNERS; owner++)
		if (is_in_the_way(owner, wish))
			return true;
	return false;
}

/* An owner, or its process by its other owner. */
static bool holds_anything(int owner)
{
	for (int node = 0; node < NODES; node++)
		for (int byte = 0; byte < BYTES; byte++)
			for (int other = owner % PROCESSES; other < OWNERS; other += PROCESSES)
				if (model.held[node][other][byte].type != NOTHING)
					return true;
	return false;
}

static bool has_it(const struct wish *wish)
{
	for (int byte = wish->first; byte <= wish->last; byte++)
		if (wish->access || model.held[wish->node][wish->owner][byte].type != wish->type)
			return false;
	return true;
}

/* The owner under which a waiting request is known. */
static int owner_of(const struct wish *wish)
{
	return !wish->access ? wish->owner : wish->knows_owner ? wish->process : NOTHING;
}

static bool conflicts_with(const struct wish *waiter, const struct wish *wish)
{
	return overlap(waiter, wish) && clash(waiter->type, wish->type) && owner_of(waiter) != owner_of(wish);
}

static bool passes_decided(const struct wish *wish)
{
	for (int i = 0; i < model.n_queue; i++)
		if (model.queue[i].decided && conflicts_with(&model.queue[i], wish))
			return true;
	return false;
}

/*
 * Lock requests overtake nothing, unless the owner holds locks; I/O overtakes waiters, except locks that
 * would be next.
 */
static bool passes_queue(const struct wish *wish, int n_before)
{
	if (!wish->access && passes_decided(wish))
		return true;
	for (int i = 0; i < n_before; i++) {
		const struct wish *earlier = &model.queue[i];

		if (!conflicts_with(earlier, wish))
			continue;
		if (!wish->access)
			return model.in_order || !holds_anything(wish->owner);
		if (!earlier->access && !anybody_in_the_way(earlier) && passes_decided(earlier))
			return true;
	}
	return false;
}

static void put(const struct wish *wish, int type, int holder)
{
	for (int byte = wish->first; byte <= wish->last; byte++) {
		struct held *held = &model.held[wish->node][wish->owner][byte];

		*held = (struct held){.type = type, .holder = holder, .open = wish->open};
	}
}

static void withdraw(int i)
{
	model.n_queue--;
	memmove(&model.queue[i], &model.queue[i + 1], (size_t)(model.n_queue - i) * sizeof(model.queue[0]));
}

/* --- requests --- */

/* The holder kind of an owner's locks, constant per owner, whether fcntl(2) reveals it or not. */
static int holder_of(int owner)
{
	if (owner % PROCESSES >= PROCESSES / 2)
		return LOCK_OF_UNKNOWN;
	return owner < PROCESSES ? LOCK_OF_PROCESS : LOCK_OF_OPEN;
}

static struct lock_request request_of(const struct wish *wish)
{
	struct lock_request request = {
		.node = nodes[wish->node],
		.handle = wish->open == NOTHING ? 0 : handles[wish->node][wish->open],
		.unique = wish->unique,
		.start = (uint64_t)wish->first * 10,
		.end = wish->last == BYTES - 1 ? LOCK_END : (uint64_t)wish->last * 10 + 9,
		.kind = LOCK_RANGE,
		.type = (enum lock_type)wish->type,
	};
	int owner = owner_of(wish);

	request.owner = owner == NOTHING ? 0 : (uint64_t)(owner + 1) * 0x9e3779b97f4a7c15u;
	request.pid = (wish->access ? wish->process : wish->owner % PROCESSES) + 1;
	if (!wish->access)
		request.holder = (enum lock_holder)holder_of(wish->owner);
	return request;
}

static struct wish any_range(void)
{
	struct wish wish = {
		.node = below(NODES),
		.first = below(BYTES),
		.type = below(2),
		.unique = last_unique += 2,
	};

	wish.last = wish.first + below(below(4) == 0 ? BYTES : 3);
	if (wish.last >= BYTES)
		wish.last = BYTES - 1;
	return wish;
}

/* A process lock is set through the process's open, an open's through itself. */
static struct wish any_lock(void)
{
	struct wish wish = any_range();

	wish.owner = below(OWNERS);
	wish.open = wish.owner % PROCESSES;
	return wish;
}

static struct wish any_access(void)
{
	struct wish wish = any_range();

	wish.access = true;
	wish.process = below(PROCESSES);
	wish.knows_owner = below(2);
	wish.open = below(4) == 0 ? NOTHING : below(OPENS);
	if (wish.open == NOTHING)
		wish.open = wish.knows_owner ? below(OPENS) : NOTHING;
	return wish;
}

/* --- both --- */

static int queue_index(uint64_t unique)
{
	for (int i = 0; i < model.n_queue; i++)
		if (model.queue[i].unique == unique)
			return i;
	fail_msg("request %llu was not waiting", (unsigned long long)unique);
	return -1;
}

/* Grants waiters of one node in the model, as far as I/O in progress permits. Returns how many proceed. */
static int serve_model(int node, uint64_t *went_on)
{
	int n = 0;
	bool any = true;

	while (any) {
		any = false;
		for (int i = 0; i < model.n_queue; i++) {
			struct wish wish = model.queue[i];

			if (wish.node != node || wish.decided || anybody_in_the_way(&wish) ||
			    passes_queue(&wish, i))
				continue;
			went_on[n++] = wish.unique;
			any = true;
			if (wish.access) {
				model.queue[i].decided = true;
			} else {
				withdraw(i--);
				put(&wish, wish.type, holder_of(wish.owner));
			}
		}
	}
	return n;
}

#define OUTCOMES (4 * WAITERS)

/*
 * Takes all outcomes of a node, and ends I/O one by one, as the reader does. expected: the first `n` of
 * OUTCOMES requests to proceed. by_force: locks may conflict with I/O.
 */
static void expect_outcomes(int node, uint64_t *expected, int n, bool by_force)
{
	struct lock_outcome outcome;

	for (int i = 0; i < n; i++) {
		assert_true(lock_next_outcome(&slots.state, &outcome));
		assert_int_equal(outcome.tag, expected[i] + 1);
		assert_int_equal(outcome.result, 0);
		if (!outcome.access)
			continue;
		/* nobody has locked what it is about to access */
		assert_true(by_force || !anybody_in_the_way(&model.queue[queue_index(expected[i])]));
		lock_access_end(&slots.state, &outcome);
		withdraw(queue_index(expected[i]));
		n += serve_model(node, expected + n);
		assert_true(n <= OUTCOMES);
	}
	assert_false(lock_next_outcome(&slots.state, &outcome));
}

static void expect_served(int node)
{
	uint64_t expected[OUTCOMES];

	expect_outcomes(node, expected, serve_model(node, expected), false);
}

static void expect_nothing(void)
{
	expect_outcomes(0, NULL, 0, false);
}

/*
 * A waiter blocks another one if it holds a conflicting lock, compared by owner or, for I/O without one, by
 * process.
 */
static bool waiter_is_in_the_way(const struct wish *holder, const struct wish *of)
{
	int owner = owner_of(holder);

	if (owner != NOTHING)
		return owner != owner_of(of) && is_in_the_way(owner, of);
	for (owner = 0; owner < OWNERS; owner++) {
		struct wish part = *of;

		if (owner % PROCESSES != holder->process || holder_of(owner) == LOCK_OF_OPEN ||
		    owner == owner_of(of))
			continue;
		if (is_in_the_way(owner, &part))
			return true;
	}
	return false;
}

static bool waits_for(const struct wish *wish, const struct wish *asker, bool visited[WAITERS])
{
	for (int i = 0; i < model.n_queue; i++) {
		const struct wish *other = &model.queue[i];

		if (visited[i] || !waiter_is_in_the_way(other, wish))
			continue;
		visited[i] = true;
		if (waiter_is_in_the_way(asker, other) || waits_for(other, asker, visited))
			return true;
	}
	return false;
}

static void do_set(void)
{
	struct wish wish = any_lock();
	struct lock_request request;
	int result = 0;

	if (below(2))
		wish.type = LOCK_NONE;
	request = request_of(&wish);
	if (wish.type == LOCK_NONE)
		put(&wish, NOTHING, 0);
	else if (anybody_in_the_way(&wish))
		result = -EAGAIN;
	else
		put(&wish, wish.type, holder_of(wish.owner));
	assert_int_equal(lock_set(&slots.state, &request), result);
	expect_served(wish.node);
}

static void do_wait(void)
{
	struct wish wish = any_lock();
	struct lock_request request = request_of(&wish);
	bool visited[WAITERS] = {false};
	int result = 0;

	if (model.n_queue == WAITERS)
		return;
	if (has_it(&wish)) {
		result = 0;
	} else if (!anybody_in_the_way(&wish) && !passes_queue(&wish, model.n_queue)) {
		put(&wish, wish.type, holder_of(wish.owner));
	} else if (waits_for(&wish, &wish, visited)) {
		result = -EDEADLK;
	} else {
		model.queue[model.n_queue++] = wish;
		result = -EINPROGRESS;
	}
	assert_int_equal(lock_wait(&slots.state, &request, wish.unique + 1), result);
	expect_served(wish.node);
}

static void do_access(void)
{
	struct wish wish = any_access();
	struct lock_request request = request_of(&wish);
	bool visited[WAITERS] = {false};
	bool blocked = anybody_in_the_way(&wish);
	int result = 0;

	assert_int_equal(lock_access(&slots.state, &request, 0), blocked ? -EAGAIN : 0);
	if (model.n_queue == WAITERS)
		return;
	if (blocked && waits_for(&wish, &wish, visited)) {
		result = -EDEADLK;
	} else if (blocked) {
		model.queue[model.n_queue++] = wish;
		result = -EINPROGRESS;
	}
	assert_int_equal(lock_access(&slots.state, &request, wish.unique + 1), result);
	expect_nothing();
}

static void do_cancel(void)
{
	int i = model.n_queue ? below(model.n_queue) : 0;
	struct wish wish = model.queue[i];
	struct lock_outcome outcome;

	if (!model.n_queue)
		return;
	withdraw(i);
	assert_true(lock_cancel(&slots.state, wish.unique, &outcome));
	assert_int_equal(outcome.tag, wish.unique + 1);
	assert_int_equal(outcome.result, -EINTR);
	assert_int_equal(outcome.access, wish.access);
	assert_false(lock_cancel(&slots.state, wish.unique, &outcome));
	expect_served(wish.node);
}

static void do_drop_owner(void)
{
	struct wish wish = any_lock();
	struct lock_request request = request_of(&wish);
	bool any = false;

	wish.first = 0;
	wish.last = BYTES - 1;
	for (int byte = 0; byte < BYTES; byte++)
		any = any || model.held[wish.node][wish.owner][byte].type != NOTHING;
	put(&wish, NOTHING, 0);
	lock_drop_owner(&slots.state, request.node, request.owner, LOCK_RANGE);
	if (any)
		expect_served(wish.node);
}

static void do_drop_handle(void)
{
	int node = below(NODES);
	int open = below(OPENS);
	uint64_t ended[WAITERS];
	int n_ended = 0;
	bool any = false;

	for (int owner = 0; owner < OWNERS; owner++) {
		for (int byte = 0; byte < BYTES; byte++) {
			struct held *held = &model.held[node][owner][byte];

			any = any || (held->open == open && held->type != NOTHING);
			if (held->open == open)
				held->type = NOTHING;
		}
	}
	for (int i = 0; i < model.n_queue; i++) {
		if (model.queue[i].node == node && model.queue[i].open == open) {
			ended[n_ended++] = model.queue[i].unique + 1;
			withdraw(i--);
			any = true;
		}
	}
	lock_drop_handle(&slots.state, nodes[node], handles[node][open]);
	for (int i = 0; i < n_ended; i++) {
		struct lock_outcome outcome;

		assert_true(lock_next_outcome(&slots.state, &outcome));
		assert_int_equal(outcome.tag, ended[i]);
		assert_int_equal(outcome.result, -EBADF);
	}
	if (any)
		expect_served(node);
}

static void do_release_access(void)
{
	int node = below(NODES);
	uint64_t expected[OUTCOMES];
	int n = 0;

	for (int i = 0; i < model.n_queue; i++) {
		if (model.queue[i].node == node && model.queue[i].access) {
			model.queue[i].decided = true;
			expected[n++] = model.queue[i].unique;
		}
	}
	lock_grant_all_access(&slots.state, nodes[node]);
	expect_outcomes(node, expected, n, true);
}

/*
 * The kernel resends waiting requests, in any order, except those of dead processes, and interrupts some of
 * them.
 */
static void do_replace_worker(void)
{
	bool again[WAITERS] = {false};
	struct lock_outcome outcome;

	slots_again(&slots);
	for (int i = 0; i < model.n_queue; i++)
		model.queue[i].comes = below(8) != 0;
	for (int left = model.n_queue; left > 0;) {
		int i = below(model.n_queue);
		struct wish *wish = &model.queue[i];
		struct lock_request request = request_of(wish);

		if (again[i])
			continue;
		again[i] = true;
		left--;
		if (below(4) == 0)
			assert_false(lock_cancel(&slots.state, wish->unique, &outcome));
		if (!wish->comes)
			continue;
		if (wish->access)
			assert_int_equal(lock_access(&slots.state, &request, 0), -EAGAIN);
		assert_int_equal(wish->access ? lock_access(&slots.state, &request, request.unique + 1)
					      : lock_wait(&slots.state, &request, request.unique + 1),
				 has_it(wish) ? 0 : -EINPROGRESS);
		if (has_it(wish))
			wish->comes = false;
	}
	assert_false(lock_next_outcome(&slots.state, &outcome));
	for (int i = 0; i < model.n_queue; i++)
		if (!model.queue[i].comes)
			withdraw(i--);
	lock_recovered(&slots.state);
	/* nodes are served in the order in which they are found, which is unspecified */
	for (int n = 0; n < 2 * WAITERS && lock_next_outcome(&slots.state, &outcome); n++) {
		int i = queue_index(outcome.tag - 1);
		struct wish wish = model.queue[i];

		assert_false(anybody_in_the_way(&wish));
		model.queue[i].decided = true;
		if (wish.access)
			lock_access_end(&slots.state, &outcome);
		withdraw(i);
		if (!wish.access)
			put(&wish, wish.type, holder_of(wish.owner));
	}
	/*
	 * An owner that got a lock on a node served later might overtake others on an earlier one, which is
	 * served again with its next change. Nobody has proceeded who was not next.
	 */
	model.in_order = true;
	for (int node = 0; node < NODES; node++)
		expect_served(node);
	model.in_order = false;
}

static void compare(void)
{
	int n_waiting = 0;
	int seen[NODES][OWNERS][BYTES];
	struct lock_entry entry;
	uint32_t cursor = 0;

	memset(seen, 0xff, sizeof(seen));
	while (lock_next_entry(&slots.state, &cursor, &entry)) {
		uint64_t last = entry.end == LOCK_END ? BYTES - 1 : entry.end / 10;

		n_waiting += entry.waits;
		assert_true(entry.waits || !entry.access);
		for (uint64_t byte = entry.start / 10; byte <= last && !entry.waits; byte++) {
			/* the entry does not contain the owner: count by process */
			for (int node = 0; node < NODES; node++)
				if (nodes[node] == entry.node)
					seen[node][entry.pid - 1][byte] = (int)entry.type;
		}
	}
	assert_int_equal(n_waiting, model.n_queue);
	for (int node = 0; node < NODES; node++)
		for (int process = 0; process < PROCESSES; process++)
			for (int byte = 0; byte < BYTES; byte++)
				assert_int_equal(seen[node][process][byte] != NOTHING,
						 model.held[node][process][byte].type != NOTHING ||
							 model.held[node][process + PROCESSES][byte].type !=
								 NOTHING);
}

static void open_all(void)
{
	slots_open(&slots, 64, 64, 16);
	for (int node = 0; node < NODES; node++) {
		nodes[node] = reference(&slots, 100 + (uint64_t)node);
		for (int i = 0; i < OPENS; i++) {
			const struct handle_open open = {.node = nodes[node], .mode = IO_RELAYED};
			int none = -1;
			int ignored;

			assert_int_equal(handle_add(&slots.state, &open, &none, &handles[node][i], &ignored),
					 0);
		}
	}
}

static void agrees_with_the_model(void **state)
{
	static void (*const steps[])(void) = {
		do_set,    do_set,    do_set,    do_wait,       do_wait,        do_access,
		do_access, do_access, do_cancel, do_drop_owner, do_drop_handle,
	};
	const char *rounds = getenv("TEST_ROUNDS");
	const char *seed = getenv("TEST_SEED");
	long n = rounds ? atol(rounds) : 500000;

	(void)state;
	random_state = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	printf("# TEST_SEED=%llu\n", (unsigned long long)random_state);
	fflush(stdout);
	for (int node = 0; node < NODES; node++)
		for (int owner = 0; owner < OWNERS; owner++)
			for (int byte = 0; byte < BYTES; byte++)
				model.held[node][owner][byte].type = NOTHING;
	open_all();
	for (long i = 0; i < n; i++) {
		steps[below(sizeof(steps) / sizeof(steps[0]))]();
		if (below(1000) == 0)
			do_release_access();
		if (below(500) == 0)
			do_replace_worker();
		if (i % 16 == 0)
			compare();
		if (i % 1024 == 0)
			slots_check(&slots);
	}
	slots_close(&slots);
}

/* Locks of many owners of unknown kind through one open: users of the open pass all of them. */
static void many_owners_of_one_open(void **state)
{
	struct lock_request request = {.kind = LOCK_RANGE, .type = LOCK_EXCLUSIVE};

	(void)state;
	open_all();
	request.node = nodes[0];
	request.handle = handles[0][0];
	for (int i = 0; i < 5; i++) {
		request.owner = (uint64_t)i + 1;
		request.pid = i + 1;
		request.start = request.end = (uint64_t)i;
		assert_int_equal(lock_set(&slots.state, &request), 0);
	}
	request.start = 0;
	request.end = 10;
	for (int i = 0; i < 7; i++) {
		request.owner = (uint64_t)i;
		assert_int_equal(lock_access(&slots.state, &request, 0), 0);
	}
	request.handle = handles[0][1];
	assert_int_equal(lock_access(&slots.state, &request, 0), -EAGAIN);
	slots_close(&slots);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
		cmocka_unit_test(many_owners_of_one_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
