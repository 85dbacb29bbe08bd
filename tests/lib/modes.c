// SPDX-License-Identifier: MIT
#include "tests/lib/modes.h"

static struct {
	const char *mode;
	int (*start)(const char *mode);
} group; /* currently running */

static int set_up(void **unused)
{
	(void)unused;
	return group.start(group.mode);
}

int run_in_mode(const char *mode, const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		CMFixtureFunction stop)
{
	group.mode = mode;
	group.start = start;
	return _cmocka_run_group_tests(mode, cases, n, set_up, stop);
}

int run_in_each_mode(const struct CMUnitTest *cases, size_t n, int (*start)(const char *mode),
		     CMFixtureFunction stop)
{
	int failed = run_in_mode("direct", cases, n, start, stop);

	failed += run_in_mode("mediated", cases, n, start, stop);
	failed += run_in_mode("relayed", cases, n, start, stop);
	return failed;
}
