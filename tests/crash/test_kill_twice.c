// SPDX-License-Identifier: MIT
/*
 * Each operation with two deaths: of the worker that carries it out, and of the one that comes next, while it
 * recovers or carries the operation out again, see killwalk.h.
 */
#include "tests/lib/killwalk.h"
#include "tests/lib/modes.h"

#include <unistd.h>

static void operations(void **unused)
{
	(void)unused;
	killwalk_two(operations_all);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(operations),
	};

	if (geteuid() != 0)
		skip_program("root");
	return run_in_mode("direct", cases, 1, killwalk_start, walk_stop);
}
