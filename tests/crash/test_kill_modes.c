// SPDX-License-Identifier: MIT
/*
 * Each operation on data, in each I/O mode, with a kill before and after each system call of the worker in
 * turn, see killwalk.h.
 */
#include "tests/lib/killwalk.h"
#include "tests/lib/modes.h"

#include <unistd.h>

static void operations(void **unused)
{
	static const struct operation *const tables[] = {operations_on_bytes, NULL};

	(void)unused;
	killwalk_points(tables);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(operations),
	};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_each_mode(cases, 1, killwalk_start, walk_stop);
}
