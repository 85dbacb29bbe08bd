// SPDX-License-Identifier: MIT
/* Deadlines of delegates on a slow machine: here each delegate takes a millisecond. */
#include "lib/base/delegate.h"
#include "tests/unit/features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define USUAL_US 250 /* of a delegate, see lib/base/delegate.c */
#define SLOW_US  1000

int open64(const char *path, int flags, ...);

/* In the place of the C library's, for what a delegate does to measure itself. */
int open64(const char *path, int flags, ...)
{
	const struct timespec slow = {.tv_nsec = SLOW_US * 1000};

	nanosleep(&slow, NULL);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
}

static void deadlines_are_longer(void **unused)
{
	(void)unused;
	need_shared_memory();
	assert_int_equal(delegate_time(20), 20);
	delegate_calibrate();
	assert_in_range(delegate_time(20), 20 * SLOW_US / USUAL_US, 20 * 10);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {cmocka_unit_test(deadlines_are_longer)};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
