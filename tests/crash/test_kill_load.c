// SPDX-License-Identifier: MIT
/*
 * Kills under load, invisible to all clients, in each of the three I/O modes. STRESS_TIME in the environment
 * is the duration of each case in seconds.
 */
#include "tests/lib/leaks.h"
#include "tests/lib/load.h"
#include "tests/lib/worker.h"

#include <stdlib.h>
#include <unistd.h>

#define KILLS      (int)rounds_of(60) /* per case, at least */
#define CLIENTS    3
#define OPERATIONS 2000 /* between two kills, at most */

static struct mount mount;

static void kill_under(enum load_kind kind)
{
	const char *stress = getenv("STRESS_TIME");
	const struct deadline deadline = deadline_in(stress ? (unsigned int)atoi(stress) : 0);
	bool went_on = true;
	struct load load;
	int kills;

	assert_int_equal(load_start(&load, &mount, kind, CLIENTS), 0);
	for (kills = 0; went_on && (kills < KILLS || deadline_wait(&deadline)); kills++)
		went_on = load_kill_worker(&load, OPERATIONS);
	print_message("%d kills, %lu operations\n", kills, load_operations(&load));
	assert_int_equal(load_end(&load), 0);
	assert_true(went_on);
	assert_int_equal(mount_verify(&mount, 0), 0);
	assert_false(log_has(&mount, "internal error"));
	assert_true(no_lost_descriptors(&mount));
	assert_true(no_lost_backing_ids(&mount));
}

static void operations_that_may_be_repeated(void **unused)
{
	(void)unused;
	kill_under(LOAD_REPEATABLE);
}

static void operations_of_all_kinds(void **unused)
{
	(void)unused;
	kill_under(LOAD_ANY);
}

static int start(const char *tag, const char *options)
{
	const struct mount_spec spec = {.tag = tag, .options = options};

	return mount_start(&mount, &spec);
}

static int start_direct(void **unused)
{
	(void)unused;
	return start("direct", "io_mode=direct");
}

static int start_mediated(void **unused)
{
	(void)unused;
	return start("mediated", "io_mode=mediated");
}

static int start_relayed(void **unused)
{
	(void)unused;
	return start("relayed", "io_mode=relayed");
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(operations_that_may_be_repeated),
		cmocka_unit_test(operations_of_all_kinds),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	failed = cmocka_run_group_tests_name("direct", cases, start_direct, stop);
	failed += cmocka_run_group_tests_name("mediated", cases, start_mediated, stop);
	failed += cmocka_run_group_tests_name("relayed", cases, start_relayed, stop);
	return failed;
}
