// SPDX-License-Identifier: MIT
#include "tests/lib/killwalk.h"
#include "lib/base/cleanup.h"
#include "tests/lib/killpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/sample.h"
#include "tests/lib/worker.h"

#include <string.h>

#define POINTS_MAX 400        /* more than any operation has */
#define NEVER      UINT32_MAX /* a point that is not reached */
#define STEPS      5          /* points of the next worker for one of the first one's */

static unsigned int kills;       /* of one walk */
static unsigned int most;        /* points that a next worker has passed */
static struct call_kinds *known; /* in one walk */
static unsigned int n_of_kinds;  /* operations that sample_takes() has been asked about, or walk_kinds() has
				    sampled, in one walk */
static const struct operation *all_points_of;
static unsigned int turn; /* which of the next worker's points have their turn */

int killwalk_start(const char *mode)
{
	return walk_start(mode, 0);
}

/* Where workers were killed, and how far they came. */
struct
try {
	unsigned int at;
	struct call_kinds *kinds; /* instead of `at`; or NULL */
	unsigned int next_at;     /* 0 = the next one was not to be */
	unsigned int killed;      /* how many were */
	unsigned int passed;
	unsigned int passed_by_next;
};

static void try_points(const struct operation *operation, struct try *try, const char *expected)
{
	_cleanup_free_ char *found = NULL;
	struct killpoint point;
	char what[128];
	int result;

	snprintf(what, sizeof(what), "%s, point %u, then %u", operation->name, try->at, try->next_at);
	operation_prepare(operation);
	result = try->kinds ? killpoint_set_kind(&point, walk_mount(), try->kinds)
			    : killpoint_set_two(&point, walk_mount(), try->at, try->next_at);
	if (result < 0)
		fail_msg("following the worker: %s", strerror(-result));
	result = operation->run();
	/* what comes after the last close(2) is of the operation, too */
	if (mount_verify(walk_mount(), 0) < 0)
		fail_msg("%s", what);
	/* the next one is to come as far as its point */
	if (try->next_at && killpoint_killed(&point))
		worker_wait_next(walk_mount(), point.worker);
	try->passed = killpoint_passed(&point);
	try->passed_by_next = killpoint_passed_by_next(&point);
	try->killed = killpoint_end(&point, walk_mount());
	kills += try->killed;
	if (result != 0)
		fail_msg("%s: %s", what, strerror(-result));
	if (operation->done && !operation->done())
		fail_msg("%s: it was not done", what);
	found = scene_print();
	if (strcmp(found, expected) != 0) {
		scene_report_difference(expected, found);
		fail_msg("%s: the store is another one", what);
	}
	if (mount_verify(walk_mount(), 0) < 0 || !no_lost_descriptors(walk_mount()))
		fail_msg("after %s", what);
}

/* Returns how many points there are. */
static unsigned int try_all(const struct operation *operation, struct call_kinds *kinds)
{
	_cleanup_free_ char *expected = walk_undisturbed(operation, "");
	/* kinds are told by what has been met before */
	const unsigned int step = kinds ? 1 : sample_step();
	struct try try = {.at = kinds ? 1 : sample_first(), .kinds = kinds, .killed = 1};

	for (; try.at < POINTS_MAX; try.at += step) {
		try_points(operation, &try, expected);
		if (!try.killed)
			break;
	}
	if (try.at >= POINTS_MAX)
		fail_msg("%s: %u points", operation->name, try.at - 1);
	if (!no_lost_backing_ids(walk_mount()))
		fail_msg("%s", operation->name);
	return try.at - 1;
}

/* Of operations, too, an eighth; the others are carried out undisturbed. */
static void walk_kinds(const struct operation *operation)
{
	if (n_of_kinds++ % sample_step() == sample_first() - 1)
		try_all(operation, known);
	else
		free(walk_undisturbed(operation, ""));
}

static void walk_points(const struct operation *operation)
{
	unsigned int points = operation->alike ? 0 : try_all(operation, NULL);

	if (operation->alike)
		walk_kinds(operation);
	else if (points < 5)
		fail_msg("%s: %u points", operation->name, points);
}

static void walk_each_or_kinds(const struct operation *operation)
{
	for (const struct operation *one = all_points_of; one && one->name; one++)
		if (one == operation) {
			walk_points(operation);
			return;
		}
	walk_kinds(operation);
}

static void walk_two(const struct operation *operation)
{
	_cleanup_free_ char *expected = walk_undisturbed(operation, "");
	struct try try = {.at = NEVER};
	unsigned int at[3] = {1};

	if (!sample_takes(n_of_kinds++))
		return;
	try_points(operation, &try, expected);
	at[1] = try.passed / 2;
	at[2] = try.passed - 1;
	for (int i = 0; i < 3; i++) {
		unsigned int points;

		try = (struct try){.at = at[i], .next_at = NEVER};
		try_points(operation, &try, expected);
		points = try.passed_by_next;
		if (points > most)
			most = points;
		for (unsigned int step = 0; points > 0 && step < STEPS; step++) {
			try.at = at[i];
			try.next_at = (points * step + turn++ % points) / STEPS + 1;
			try_points(operation, &try, expected);
		}
	}
	if (!no_lost_backing_ids(walk_mount()))
		fail_msg("%s", operation->name);
}

static void walk(const struct operation *const tables[], void (*walk_one)(const struct operation *operation))
{
	kills = 0;
	known = call_kinds_new();
	n_of_kinds = 0;
	operations_walk(tables, walk_one);
	call_kinds_free(known);
	print_message("%u kills\n", kills);
	assert_false(log_has(walk_mount(), "internal error"));
}

void killwalk_points(const struct operation *const tables[])
{
	walk(tables, walk_points);
}

void killwalk_all_points(const struct operation *each)
{
	struct operation_counts counts;

	operations_count(walk_mount(), &counts);
	all_points_of = each;
	walk(operations_all, walk_each_or_kinds);
	/* some requests come only where many operations are disturbed */
	if (sample_step() == 1)
		operations_check_complete(walk_mount(), &counts);
}

void killwalk_two(const struct operation *const tables[])
{
	walk(tables, walk_two);
	print_message("a worker that comes next has up to %u points\n", most);
	assert_true(most > 50);
}
