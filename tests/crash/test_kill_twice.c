// SPDX-License-Identifier: MIT
/*
 * Each operation with two deaths: of the worker that carries it out, and of its successor during recovery or
 * replay, see killwalk.h.
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
	return run_in_mode(usual_mode(), cases, 1, killwalk_start, walk_stop);
}
