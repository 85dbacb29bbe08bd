// SPDX-License-Identifier: MIT
/* Shares of users: limits per user and for all, and release. */
#include "tests/unit/slots.h"

#include "fs/state/share.h"

#define LIMIT 100u

static struct slots slots;

static int set_up(void **state)
{
	(void)state;
	slots_open(&slots, 64, 64, 0);
	atomic_store(&slots.arena.header->limit_handles, LIMIT);
	atomic_store(&slots.arena.header->limit_parked, LIMIT);
	atomic_store(&slots.arena.header->user_percent, 50);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	slots_close(&slots);
	return 0;
}

static bool admits(uint32_t uid, uint64_t more)
{
	return share_admits(&slots.state, uid, SHARE_PARKED, more);
}

static void count(uint32_t uid, int64_t change)
{
	share_count(&slots.state, uid, SHARE_PARKED, change);
}

static void a_part_each(void **state)
{
	(void)state;
	assert_true(admits(7, 50));
	assert_false(admits(7, 51));
	count(7, 30);
	assert_true(admits(7, 20));
	assert_false(admits(7, 21));
	/* the user holds nothing of another kind */
	assert_true(share_admits(&slots.state, 7, SHARE_HANDLES, 50));
	assert_true(admits(8, 50));
	count(8, 50);
	assert_false(admits(8, 1));
	/* the rest is for any other user, and no more */
	assert_true(admits(9, 20));
	assert_false(admits(9, 21));
	/* root may have all of it */
	assert_true(admits(0, 20));
	assert_false(admits(0, 21));
	count(8, -50);
	assert_true(admits(0, 70));
	assert_true(admits(8, 50));
	assert_int_equal(share_total(&slots.state, SHARE_PARKED), 30);
}

static void without_bounds(void **state)
{
	(void)state;
	assert_true(share_admits(&slots.state, 7, SHARE_LOCKS, UINT64_C(1) << 40));
	atomic_store(&slots.arena.header->user_percent, 100);
	assert_true(admits(7, 100));
	assert_false(admits(7, 101));
	atomic_store(&slots.arena.header->user_percent, 0);
	assert_true(admits(7, 100));
}

static void changed_at_run_time(void **state)
{
	(void)state;
	count(7, 50);
	atomic_store(&slots.arena.header->limit_parked, 20);
	assert_false(admits(7, 1));
	assert_false(admits(8, 1));
	count(7, -45);
	assert_true(admits(7, 5));
	assert_true(admits(8, 10));
}

/* More users than can be distinguished: none is refused for that, and none releases another's share. */
static void a_great_many_users(void **state)
{
	const uint32_t users = 20000;

	(void)state;
	atomic_store(&slots.arena.header->limit_parked, 10 * users);
	atomic_store(&slots.arena.header->user_percent, 1);
	for (uint32_t uid = 1; uid <= users; uid++) {
		assert_true(admits(uid, 1));
		count(uid, 1);
	}
	assert_int_equal(share_total(&slots.state, SHARE_PARKED), users);
	for (uint32_t uid = users; uid >= 1; uid--)
		count(uid, -1);
	assert_int_equal(share_total(&slots.state, SHARE_PARKED), 0);
	/* and others are admitted */
	count(4000000000u, 2000);
	assert_false(admits(4000000000u, 1));
	count(4000000000u, -2000);
	assert_true(admits(4000000000u, 2000));
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		CASE(a_part_each),
		CASE(without_bounds),
		CASE(changed_at_run_time),
		CASE(a_great_many_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
