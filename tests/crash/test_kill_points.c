// SPDX-License-Identifier: MIT
/*
 * Each operation on files and names with a kill before and after each system call of the worker in turn, see
 * killwalk.h. Operations on data are in test_kill_modes.
 */
#include "tests/lib/killpoint.h"
#include "tests/lib/killwalk.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define POINTS_MAX 400 /* more than any operation makes */

static void operations(void **unused)
{
	static const struct operation *const tables[] = {operations_on_files, operations_on_names,
							 operations_on_control, NULL};

	(void)unused;
	killwalk_points(tables);
}

static void carry_out(const struct operation *operation)
{
	free(walk_undisturbed(operation, ""));
}

/* The walk must include every new operation of the daemon. */
static void no_operation_is_left_out(void **unused)
{
	struct operation_counts before;

	(void)unused;
	operations_count(walk_mount(), &before);
	operations_walk(operations_all, carry_out);
	operations_check_complete(walk_mount(), &before);
}

/* A lookup count left too high by a death must not hold a file that is removed later. */
static void removed_files_go(void **unused)
{
	unsigned int killed = 1;
	unsigned int n;

	(void)unused;
	for (n = 1; killed && n < POINTS_MAX; n++) {
		struct killpoint point;
		int fd;

		assert_int_equal(killpoint_set(&point, walk_mount(), n), 0);
		fd = open(in_mount("gone"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		close(fd);
		check(unlink(in_mount("gone")));
		killed = killpoint_end(&point, walk_mount());
		if (!wait_for(removed_files_held(walk_mount(), false) == 0)) {
			removed_files_held(walk_mount(), true);
			fail_msg("point %u", n);
		}
	}
	assert_true(n > 20 && n < POINTS_MAX);
}

int main(void)
{
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(no_operation_is_left_out),
		cmocka_unit_test(operations),
		cmocka_unit_test(removed_files_go),
	};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_mode(usual_mode(), all, sizeof(all) / sizeof(all[0]), killwalk_start, walk_stop);
}
