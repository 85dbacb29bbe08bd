// SPDX-License-Identifier: MIT
#include "tests/lib/shortage.h"
#include "tests/lib/leaks.h"
#include "tests/lib/preload.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAILURES_MAX 100000 /* more allocations than any operation makes */
#define EACH         64     /* beyond it only some fail: allocations per process of the machine */

static struct fail_malloc *plan;

void shortage_setup(void)
{
	if (SANITIZED)
		skip_program("the C library's own malloc");
	if (geteuid() != 0)
		skip_program("root");
	plan = preload_plan("failmalloc", "FAIL_MALLOC", sizeof(*plan));
	if (!plan)
		exit(1);
}

static void begin(enum fail_in in, int workers, int first, int last, int least_size)
{
	atomic_store(&plan->in, FAIL_NOWHERE);
	atomic_store(&plan->workers, workers);
	atomic_store(&plan->first, first);
	atomic_store(&plan->last, last);
	atomic_store(&plan->least_size, least_size);
	atomic_store(&plan->count, 0);
	atomic_store(&plan->failed, 0);
	atomic_store(&plan->in, in);
}

void shortage_begin(enum fail_in in, int first, int last, int least_size)
{
	begin(in, 0, first, last, least_size);
}

void shortage_begin_next(int workers, int first, int last)
{
	begin(FAIL_IN_NEXT, workers, first, last, 0);
}

int shortage_end(void)
{
	atomic_store(&plan->in, FAIL_NOWHERE);
	atomic_store(&plan->workers, 0);
	return atomic_load(&plan->failed);
}

static void expect_good(const struct mount *mount, pid_t worker, const struct shortage_operation *operation,
			int first)
{
	if (mount_verify(mount, 0) < 0 || !no_lost_descriptors(mount))
		fail_msg("%s, allocation %d", operation->name, first);
	if (worker_pid(mount) != worker)
		fail_msg("%s, allocation %d: another worker", operation->name, first);
}

/* Returns the number of allocations that failed. */
static int try_with(const struct mount *mount, const struct shortage_operation *operation, int first,
		    int last)
{
	pid_t worker;
	int failed;
	int result;
	bool done;

	if (operation->prepare)
		operation->prepare();
	worker_replace(mount);
	worker = worker_pid(mount);
	shortage_begin(FAIL_IN_WORKER, first, last, 0);
	result = operation->run();
	/* whatever follows the last close(2) belongs to the operation as well */
	if (mount_verify(mount, 0) < 0)
		fail_msg("%s, with allocation %d", operation->name, first);
	failed = shortage_end();
	if (result != 0 && !(failed > 0 && result == -ENOMEM))
		fail_msg("%s, allocation %d: %s", operation->name, first, strerror(-result));
	done = operation->done && operation->done();
	if (operation->done && done != (result == 0) && !(done && operation->found_done))
		fail_msg("%s, allocation %d: %s, and it is %sdone", operation->name, first, strerror(-result),
			 done ? "" : "not ");
	expect_good(mount, worker, operation, first);
	if (result != 0) {
		result = operation->run();
		if (result != (done ? -operation->found_done : 0) || (operation->done && !operation->done()))
			fail_msg("%s, after allocation %d: %s", operation->name, first, strerror(-result));
		expect_good(mount, worker, operation, first);
	}
	return failed;
}

/* An operation may need no memory; the start of a worker needs some. Without the library nothing fails. */
static void check_library(const struct mount *mount)
{
	shortage_begin_next(1, SHORTAGE_ALL, SHORTAGE_ALL);
	worker_replace(mount);
	shortage_end();
	if (!plan || atomic_load(&plan->count) == 0)
		fail_msg("no allocation failed: the library is not loaded");
}

void shortage_walk(const struct mount *mount, const struct shortage_operation *operations,
		   size_t n_operations)
{
	const char *filter = getenv("TEST_FILTER");
	int sum = 0;

	check_library(mount);
	for (size_t i = 0; i < n_operations; i++) {
		int tries = 0;
		int n = 1;

		if ((filter && !strstr(operations[i].name, filter)) ||
		    (operations[i].needs && !kernel_has(operations[i].needs)))
			continue;
		while (n < FAILURES_MAX && try_with(mount, &operations[i], n, n) > 0) {
			n += n < EACH ? 1 : n / 4;
			tries++;
		}
		if (n >= FAILURES_MAX)
			fail_msg("%s: more than %d allocations", operations[i].name, tries);
		try_with(mount, &operations[i], 1, SHORTAGE_ALL);
		if (!no_lost_backing_ids(mount))
			fail_msg("%s", operations[i].name);
		sum += tries;
	}
	print_message("%d times without memory\n", sum);
	assert_false(log_has(mount, "internal error"));
}
