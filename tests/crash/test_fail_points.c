// SPDX-License-Identifier: MIT
/*
 * Each operation, and the start of a worker, with each system call of the worker failing in turn, see
 * failwalk.h.
 */
#include "tests/lib/failpoint.h"
#include "tests/lib/failwalk.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define START_MAX 1000 /* more than the start of a worker makes */

static pid_t worker;

static void all_operations(void **unused)
{
	(void)unused;
	failwalk_all_points(false);
}

static void operations_by_mode(void **unused)
{
	static const struct operation *const tables[] = {operations_on_bytes, NULL};

	(void)unused;
	failwalk_points(tables);
}

static void operations_of_new_workers(void **unused)
{
	(void)unused;
	failwalk_points_of_new_workers(operations_all);
}

/* --- the start of a worker --- */

/* The privileges of a process, from /proc. */
static void read_powers(pid_t pid, char powers[512])
{
	static const char *const lines[] = {"\nCapInh:", "\nCapPrm:",     "\nCapEff:", "\nCapBnd:",
					    "\nCapAmb:", "\nNoNewPrivs:", "\nSeccomp:"};
	size_t used = 0;
	char text[4096];

	assert_true(read_text(path_of("/proc/%d/status", pid), text, sizeof(text)) > 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *at = strstr(text, lines[i]);

		assert_non_null(at);
		used += (size_t)snprintf(powers + used, 512 - used, "%.*s", (int)strcspn(at + 1, "\n") + 1,
					 at);
	}
}

/* Returns whether a call has failed. */
static bool try_start(unsigned int n, const char *powers)
{
	struct failed_call failed;
	struct failpoint point;
	char what[128];
	char now[512];
	int result;

	result = failpoint_set_next(&point, walk_mount(), n, FAIL_LIKELY);
	if (result < 0)
		fail_msg("following the supervisor: %s", strerror(-result));
	worker_kill(walk_mount(), worker);
	worker = worker_wait_next(walk_mount(), worker);
	failpoint_end(&point, &failed);
	if (!failed.name)
		return false;
	snprintf(what, sizeof(what), "point %u (%s: %s)", n, failed.name, strerror(failed.error));
	/* the worker in which the call failed may have ended, and a successor started */
	worker = worker_pid(walk_mount());
	read_powers(worker, now);
	if (strcmp(now, powers) != 0)
		failwalk_complain("%s: %s\ninstead of %s", what, now, powers);
	if (mount_verify(walk_mount(), 1) < 0 || !no_lost_descriptors(walk_mount()))
		failwalk_complain("%s", what);
	return true;
}

/* It continues with all its privileges, or ends and its successor continues. */
static void starts(void **unused)
{
	char bytes[SCENE_SIZE];
	struct holdings before;
	char powers[512];
	unsigned int n = 1;
	int fd;

	(void)unused;
	scene_lay();
	failwalk_complaints();
	worker = worker_pid(walk_mount());
	read_powers(worker, powers);
	fd = (int)check(open(in_mount("file"), O_RDWR | O_APPEND | O_CLOEXEC));
	before = holdings_of(walk_mount());
	while (n < START_MAX && try_start(n, powers)) {
		n++;
		assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	}
	print_message("%u points\n", n - 1);
	assert_in_range(n, 50, START_MAX - 1);
	assert_true(has_the_same(walk_mount(), &before));
	check(close(fd));
	assert_true(no_lost_backing_ids(walk_mount()));
	assert_int_equal(failwalk_complaints(), 0);
	assert_false(log_has(walk_mount(), "internal error"));
}

int main(void)
{
	static const struct CMUnitTest all[] = {
		cmocka_unit_test(all_operations),
		cmocka_unit_test(operations_of_new_workers),
		cmocka_unit_test(starts),
	};
	static const struct CMUnitTest some[] = {
		cmocka_unit_test(operations_by_mode),
	};
	int failed;

	failwalk_require();
	failed = run_in_mode(usual_mode(), all, sizeof(all) / sizeof(all[0]), failwalk_start, walk_stop);
	failed += run_in_mode("mediated", some, sizeof(some) / sizeof(some[0]), failwalk_start, walk_stop);
	failed += run_in_mode("relayed", some, sizeof(some) / sizeof(some[0]), failwalk_start, walk_stop);
	return failed;
}
