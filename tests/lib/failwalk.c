// SPDX-License-Identifier: MIT
#include "tests/lib/failwalk.h"
#include "lib/base/cleanup.h"
#include "tests/lib/failpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/sample.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define POINTS_MAX 400 /* more than any operation has */

static pid_t worker;
static unsigned int failures;   /* of one walk */
static unsigned int n_of_kinds; /* operations that sample_takes() has been asked about, in one walk */
static unsigned int complaints;
static struct call_kinds *with_eio;    /* that have failed with EIO, in one walk */
static struct call_kinds *with_likely; /* ... with what is likely to be lacking */

/* What an operation may say, other than what the system call has said. */
static const struct {
	int failed;
	int said;
	const char *why;
	const char *call; /* the only one of which it is true; NULL: of all */
} explained[] = {
	{EIO, ENOMEM, "malloc(3) says nothing else", "mmap"},
	{EMFILE, ENFILE, "it is the daemon's table of descriptors that is full, not the caller's", NULL},
	{EPERM, EAGAIN, "a delegate could not be given its credentials, or the signal at the worker's death",
	 NULL},
	{0, ENOMEM, "setfsuid(2) and setfsgid(2), which tell no errno", NULL},
};

static bool is_explained(const struct failed_call *call, int result)
{
	if (result == 0 || (call->error && result == -call->error))
		return true;
	for (size_t i = 0; i < sizeof(explained) / sizeof(explained[0]); i++)
		if (explained[i].failed == call->error && explained[i].said == -result &&
		    (!explained[i].call || strcmp(explained[i].call, call->name) == 0))
			return true;
	return false;
}

void failwalk_complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	complaints++;
}

unsigned int failwalk_complaints(void)
{
	unsigned int n = complaints;

	complaints = 0;
	return n;
}

/* before, after: what there is where it was not done, and where it was. */
static void check_scene(const struct operation *operation, const char *what, const char *before,
			const char *after)
{
	_cleanup_free_ char *found = scene_print();

	if (operation->in_steps || strcmp(found, after) == 0 || strcmp(found, before) == 0)
		return;
	scene_report_difference(after, found);
	failwalk_complain("%s: done in part", what);
}

/* Which call is to fail. */
struct
try {
	unsigned int n;           /* counted from 1 */
	struct call_kinds *kinds; /* or NULL: the first one of another kind */
	enum failpoint_error error;
};

static void set_point(struct failpoint *point, const struct try *try)
{
	int result = try->kinds ? failpoint_set_kind(point, walk_mount(), try->kinds, try->error)
				: failpoint_set(point, walk_mount(), try->n, try->error);

	if (result < 0)
		fail_msg("following the worker: %s", strerror(-result));
}

/* Returns whether a call has failed, that is, whether there is a further point. */
static bool try_point(const struct operation *operation, const struct try *try, const char *after)
{
	_cleanup_free_ char *before = NULL;
	char what[128];
	struct failed_call failed;
	struct failpoint point;
	int result;
	bool done;

	operation_prepare(operation);
	before = scene_print();
	set_point(&point, try);
	result = operation->run();
	/* what comes after the last close(2) is of the operation, too */
	if (mount_verify(walk_mount(), 0) < 0)
		failwalk_complain("%s, point %u", operation->name, try->n);
	failpoint_end(&point, &failed);
	if (!failed.name) {
		if (result != 0)
			failwalk_complain("%s, point %u: %s", operation->name, try->n, strerror(-result));
		return false;
	}
	snprintf(what, sizeof(what), "%s, point %u (%s: %s): %s", operation->name, try->n, failed.name,
		 strerror(failed.error), strerror(-result));
	if (!is_explained(&failed, result))
		failwalk_complain("%s", what);
	done = !operation->done || operation->done();
	if (result == 0 && !done)
		failwalk_complain("%s: it was not done", what);
	check_scene(operation, what, result == 0 ? after : before, after);
	if (!is_child_of(worker, walk_mount()->supervisor))
		failwalk_complain("%s: the worker has died", what);
	if (!no_lost_descriptors(walk_mount()))
		failwalk_complain("%s", what);
	if (result != 0) {
		/*
		 * what is done in steps can't be begun in the middle, nor what is done; what leaves nothing
		 * can always be
		 */
		if (operation->in_steps || !operation->done || (operation->asks_after && done))
			operation_prepare(operation);
		result = operation->run();
		if (result != 0 || (operation->done && !operation->done()))
			failwalk_complain("%s; repeated: %s", what, strerror(-result));
	}
	return true;
}

static void check_walked(const struct operation *operation, unsigned int points)
{
	if (points >= POINTS_MAX)
		fail_msg("%s: %u points", operation->name, points);
	free(walk_undisturbed(operation, ", after all"));
	if (!no_lost_backing_ids(walk_mount()))
		fail_msg("%s", operation->name);
	if (worker_pid(walk_mount()) != worker)
		fail_msg("%s: another worker", operation->name);
	failures += points;
}

/* One kind of call after the other. Returns how many there are. */
static unsigned int try_kinds(const struct operation *operation, struct call_kinds *kinds,
			      enum failpoint_error error, const char *after)
{
	struct try try = {.n = 1, .kinds = kinds, .error = error};

	while (try.n < POINTS_MAX && try_point(operation, &try, after))
		try.n++;
	return try.n - 1;
}

static void walk_kinds(const struct operation *operation)
{
	struct call_kinds *kinds = sample_step() == 1 ? call_kinds_new() : with_likely;
	_cleanup_free_ char *after = walk_undisturbed(operation, "");
	unsigned int points;

	if (!sample_takes(n_of_kinds++))
		return;
	points = try_kinds(operation, kinds, FAIL_LIKELY, after);
	/* of a file of another process it says that it can't be the one that is looked for */
	if (!operation->looks_at_all)
		points += try_kinds(operation, with_eio, FAIL_EIO, after);
	check_walked(operation, points);
	if (kinds != with_likely)
		call_kinds_free(kinds);
}

static void walk_calls(const struct operation *operation)
{
	_cleanup_free_ char *after = walk_undisturbed(operation, "");
	unsigned int n = sample_first();

	while (n < POINTS_MAX && try_point(operation, &(struct try){.n = n, .error = FAIL_EIO}, after)) {
		try_point(operation, &(struct try){.n = n, .error = FAIL_LIKELY}, after);
		n += sample_step();
	}
	check_walked(operation, n - 1);
}

static void walk(const struct operation *operation)
{
	if (operation->alike)
		walk_kinds(operation);
	else
		walk_calls(operation);
}

static void walk_in_new_workers(const struct operation *operation)
{
	_cleanup_free_ char *after = walk_undisturbed(operation, "");
	unsigned int n = sample_first();

	for (;; n += sample_step()) {
		worker_replace(walk_mount());
		worker = worker_pid(walk_mount());
		if (n >= POINTS_MAX ||
		    !try_point(operation, &(struct try){.n = n, .error = FAIL_LIKELY}, after))
			break;
	}
	check_walked(operation, n - 1);
}

static void walk_all(const struct operation *const tables[],
		     void (*walk_one)(const struct operation *operation))
{
	worker = worker_pid(walk_mount());
	failures = 0;
	n_of_kinds = 0;
	complaints = 0;
	with_eio = call_kinds_new();
	with_likely = call_kinds_new();
	operations_walk(tables, walk_one);
	call_kinds_free(with_eio);
	call_kinds_free(with_likely);
	print_message("%u points\n", failures);
	assert_int_equal(complaints, 0);
	assert_false(log_has(walk_mount(), "internal error"));
}

static void carry_out_once(const struct operation *operation)
{
	free(walk_undisturbed(operation, ""));
}

/* What there is when no operation is under way, and the kernel refers to nothing that is gone. */
static struct holdings settle(void)
{
	scene_settle();
	return holdings_of(walk_mount());
}

static void walk_and_settle(const struct operation *const tables[],
			    void (*walk_one)(const struct operation *operation))
{
	struct holdings before;

	/* what is asked for once and kept is there from here on */
	operations_walk(tables, carry_out_once);
	before = settle();
	walk_all(tables, walk_one);
	settle();
	assert_true(has_the_same(walk_mount(), &before));
}

void failwalk_points(const struct operation *const tables[])
{
	walk_and_settle(tables, walk);
}

void failwalk_all_points(bool kinds)
{
	struct operation_counts counts;

	operations_count(walk_mount(), &counts);
	walk_and_settle(operations_all, kinds ? walk_kinds : walk);
	if (sample_step() == 1)
		operations_check_complete(walk_mount(), &counts);
}

void failwalk_points_of_new_workers(const struct operation *const tables[])
{
	walk_all(tables, walk_in_new_workers);
}

void failwalk_require(void)
{
	if (geteuid() != 0)
		skip_program("root");
	if (SANITIZED)
		skip_program("system calls of the worker's own only");
	if (!failpoint_can())
		skip_program("a way to make system calls fail on this architecture");
}

int failwalk_start(const char *mode)
{
	/*
	 * without a timeout the kernel asks for the attributes of a new file, and returns the error if that
	 * fails
	 */
	return walk_start(mode, 1);
}
