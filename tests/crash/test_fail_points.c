// SPDX-License-Identifier: MIT
/*
 * Each operation with each of the worker's system calls failing, one after another. It ends, with a good result or with what the
 * failure explains, is done in full or not at all, and succeeds when it is repeated. The worker goes on, nothing is lost or held, and
 * at the end the daemon has what it had at the beginning.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/failpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/modes.h"
#include "tests/lib/operations.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define POINTS_MAX 400 /* more than any operation has */
#define START_MAX 1000 /* more than the start of a worker has */

static struct mount mount;
static pid_t worker;
static unsigned int failures;   /* of one walk */
static unsigned int complaints; /* about one walk */

/* What an operation may say, other than what the system call has said. */
static const struct {
	int failed;
	int said;
	const char *why;
} explained[] = {
	{EMFILE, ENFILE, "it is the daemon's table of descriptors that is full, not the caller's"},
	{0, ENOMEM, "setfsuid(2) and setfsgid(2), which tell no errno"},
};

static bool is_explained(const struct failed_call *call, int result)
{
	if (result == 0 || (call->error && result == -call->error))
		return true;
	for (size_t i = 0; i < sizeof(explained) / sizeof(explained[0]); i++)
		if (explained[i].failed == call->error && explained[i].said == -result)
			return true;
	return false;
}

/* One of a walk hides no other. */
static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	complaints++;
}

static void carry_out(const struct operation *operation, const char *when)
{
	int result;

	operation_prepare(operation);
	result = operation->run();
	if (result != 0 || (operation->done && !operation->done()))
		fail_msg("%s%s: %s", operation->name, when, result ? strerror(-result) : "it was not done");
}

/* before, after: what the store holds where it was not done, and where it was. */
static void check_store(const struct operation *operation, const char *what, const char *before, const char *after)
{
	_cleanup_free_ char *found = scene_print();

	if (operation->in_steps || strcmp(found, after) == 0 || strcmp(found, before) == 0)
		return;
	scene_tell_difference(after, found);
	complain("%s: done in part", what);
}

/* Returns whether a call has failed, that is, whether there is a further point. */
static bool try_point(const struct operation *operation, unsigned int n, enum failpoint_error error, const char *after)
{
	_cleanup_free_ char *before = NULL;
	char what[128];
	struct failed_call failed;
	struct failpoint point;
	int result;
	bool done;

	operation_prepare(operation);
	before = scene_print();
	result = failpoint_set(&point, &mount, n, error);
	if (result < 0)
		fail_msg("following the worker: %s", strerror(-result));
	result = operation->run();
	/* what comes after the last close(2) is of the operation, too */
	if (mount_verify(&mount, 0) < 0)
		complain("%s, point %u", operation->name, n);
	failpoint_end(&point, &failed);
	if (!failed.name) {
		if (result != 0)
			complain("%s, point %u: %s", operation->name, n, strerror(-result));
		return false;
	}
	snprintf(what, sizeof(what), "%s, point %u (%s: %s): %s", operation->name, n, failed.name, strerror(failed.error), strerror(-result));
	if (!is_explained(&failed, result))
		complain("%s", what);
	done = !operation->done || operation->done();
	if (result == 0 && !done)
		complain("%s: it was not done", what);
	check_store(operation, what, result == 0 ? after : before, after);
	if (!is_child_of(worker, mount.supervisor))
		complain("%s: the worker has died", what);
	if (!no_lost_descriptors(&mount))
		complain("%s", what);
	if (result != 0) {
		/* what is done in steps can't be begun in the middle, nor what is done */
		if (operation->in_steps || (operation->asks_after && done))
			operation_prepare(operation);
		result = operation->run();
		if (result != 0 || (operation->done && !operation->done()))
			complain("%s; repeated: %s", what, strerror(-result));
	}
	return true;
}

static void check_walked(const struct operation *operation, unsigned int points)
{
	if (points == 0 || points >= POINTS_MAX)
		fail_msg("%s: %u points", operation->name, points);
	carry_out(operation, ", after all");
	if (!no_lost_backing_ids(&mount))
		fail_msg("%s", operation->name);
	if (worker_pid(&mount) != worker)
		fail_msg("%s: another worker", operation->name);
	failures += points;
}

static void walk(const struct operation *operation)
{
	_cleanup_free_ char *after = NULL;
	unsigned int n = 1;

	carry_out(operation, "");
	after = scene_print();
	while (n < POINTS_MAX && try_point(operation, n, FAIL_EIO, after)) {
		try_point(operation, n, FAIL_LIKELY, after);
		n++;
	}
	check_walked(operation, n - 1);
}

/* A worker that is new takes memory, and has threads to start. */
static void walk_in_new_workers(const struct operation *operation)
{
	_cleanup_free_ char *after = NULL;
	unsigned int n = 0;

	carry_out(operation, "");
	after = scene_print();
	do {
		worker_replace(&mount);
		worker = worker_pid(&mount);
	} while (++n < POINTS_MAX && try_point(operation, n, FAIL_LIKELY, after));
	check_walked(operation, n - 1);
}

static void walk_all(const struct operation *const tables[], void (*walk_one)(const struct operation *operation))
{
	worker = worker_pid(&mount);
	failures = 0;
	complaints = 0;
	operations_walk(tables, walk_one);
	print_message("%u points\n", failures);
	assert_int_equal(complaints, 0);
	assert_false(log_has(&mount, "internal error"));
}

static void carry_out_once(const struct operation *operation)
{
	carry_out(operation, "");
}

/* What there is when no operation is under way, and the kernel refers to nothing that is gone. */
static struct holdings settle(void)
{
	scene_clean();
	scene_settle();
	return holdings_of(&mount);
}

static void all_operations(void **unused)
{
	struct operation_counts counts;
	struct holdings before;

	(void)unused;
	/* what is asked for once and kept is there from here on */
	operations_walk(operations_all, carry_out_once);
	before = settle();
	operations_count(&mount, &counts);
	walk_all(operations_all, walk);
	operations_check_complete(&mount, &counts);
	settle();
	assert_true(has_the_same(&mount, &before));
}

static void operations_by_mode(void **unused)
{
	static const struct operation *const tables[] = {operations_on_bytes, NULL};

	(void)unused;
	walk_all(tables, walk);
}

static void operations_of_new_workers(void **unused)
{
	(void)unused;
	walk_all(operations_all, walk_in_new_workers);
}

/* --- the start of a worker ----------------------------------------------------------------------------------------- */

/* What a process may do, as /proc tells it. */
static void read_powers(pid_t pid, char powers[512])
{
	static const char *const lines[] = {"\nCapInh:", "\nCapPrm:", "\nCapEff:", "\nCapBnd:", "\nCapAmb:", "\nNoNewPrivs:", "\nSeccomp:"};
	size_t used = 0;
	char text[4096];

	assert_true(read_text(path_of("/proc/%d/status", pid), text, sizeof(text)) > 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *at = strstr(text, lines[i]);

		assert_non_null(at);
		used += (size_t)snprintf(powers + used, 512 - used, "%.*s", (int)strcspn(at + 1, "\n") + 1, at);
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

	result = failpoint_set_next(&point, &mount, n, FAIL_LIKELY);
	if (result < 0)
		fail_msg("following the supervisor: %s", strerror(-result));
	worker_kill(&mount, worker);
	worker = worker_wait_next(&mount, worker);
	failpoint_end(&point, &failed);
	if (!failed.name)
		return false;
	snprintf(what, sizeof(what), "point %u (%s: %s)", n, failed.name, strerror(failed.error));
	/* the one that has seen it may have ended, and another one come */
	worker = worker_pid(&mount);
	read_powers(worker, now);
	if (strcmp(now, powers) != 0)
		complain("%s: %s\ninstead of %s", what, now, powers);
	if (mount_verify(&mount, 1) < 0 || !no_lost_descriptors(&mount))
		complain("%s", what);
	return true;
}

/* It goes on with all that it is to have, or ends, and the next one does. */
static void starts(void **unused)
{
	char bytes[SCENE_SIZE];
	struct holdings before;
	char powers[512];
	unsigned int n = 1;
	int fd;

	(void)unused;
	scene_lay();
	complaints = 0;
	worker = worker_pid(&mount);
	read_powers(worker, powers);
	fd = (int)check(open(in_mount("file"), O_RDWR | O_APPEND | O_CLOEXEC));
	before = holdings_of(&mount);
	while (n < START_MAX && try_start(n, powers)) {
		n++;
		assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	}
	print_message("%u points\n", n - 1);
	assert_in_range(n, 50, START_MAX - 1);
	assert_true(has_the_same(&mount, &before));
	check(close(fd));
	assert_true(no_lost_backing_ids(&mount));
	assert_int_equal(complaints, 0);
	assert_false(log_has(&mount, "internal error"));
}

static int start(const char *mode)
{
	const struct mount_spec spec = {
		.tag = mode,
		/* else the kernel asks for the attributes of what it has made, and says that it failed where that fails */
		.options = path_of("io_mode=%s,entry_timeout=0,attr_timeout=1", mode),
	};

	if (mount_start(&mount, &spec) < 0)
		return -1;
	scene_set(&mount);
	return scene_begin();
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
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

	if (geteuid() != 0)
		skip_program("root");
	if (!failpoint_can())
		skip_program("a way to make system calls fail on this architecture");
	failed = run_in_mode("direct", all, sizeof(all) / sizeof(all[0]), start, stop);
	failed += run_in_mode("mediated", some, sizeof(some) / sizeof(some[0]), start, stop);
	failed += run_in_mode("relayed", some, sizeof(some) / sizeof(some[0]), start, stop);
	return failed;
}
