// SPDX-License-Identifier: MIT
/*
 * Locks of several processes on one file of the mount behave as on a file of a tmpfs, whoever keeps them.
 */
#include "tests/lib/locker.h"
#include "tests/lib/lockwalk.h"
#include "tests/lib/modes.h"

#include <unistd.h>

#define STEPS rounds_of(4000)

static struct mount mount;

static void random_locks(void **unused)
{
	(void)unused;
	lockwalk(&mount, STEPS, 0);
}

static int start(const char *mode)
{
	const struct mount_spec spec = {.tag = mode, .options = mode_options(mode)};

	return mount_start(&mount, &spec);
}

static int end_case(void **unused)
{
	(void)unused;
	return lockers_end() == 0 ? mount_verify(&mount, 0) : -1;
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

int main(void)
{
	static const char *const modes[] = {"direct-mand", "mediated-mand", "relayed-mand", "direct"};
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test_teardown(random_locks, end_case),
	};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	for (int i = 0; i < 4; i++)
		failed += run_in_mode(modes[i], cases, sizeof(cases) / sizeof(cases[0]), start, stop);
	return failed;
}
