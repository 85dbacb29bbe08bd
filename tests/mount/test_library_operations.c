// SPDX-License-Identifier: MIT
/*
 * The operations of libsegfs's synchronization objects, each in turn: without a system call where nobody
 * waits, killed at each instruction, without futex_waitv(2), for as many objects as can be waited for, and by
 * users whom an ACL allows them. Walks of other operations are in test_library_objects, _locks and _waits.
 */
#include "tests/lib/acl.h"
#include "tests/lib/process.h"
#include "tests/mount/objects.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct segfs_object *objects[SEGFS_OBJECTS_MAX];

static const char *name_of(size_t i)
{
	return path_of("object%zu", i);
}

/* Somebody has waited in vain, so that the next change of the object calls the kernel. */
static void make_numbered(size_t i, enum segfs_kind kind, uint32_t initial)
{
	objects[i] = make(name_of(i), kind, initial, 0);
	if (kind <= SEGFS_DOORBELL && initial == 0)
		assert_int_equal(wait_for_a_while(objects[i], 1), -ETIMEDOUT);
}

static void end_numbered(size_t n)
{
	for (size_t i = 0; i < n; i++)
		end(objects[i], name_of(i));
}

static bool is_there(size_t i)
{
	return wait_for_a_while(objects[i], 20 * SECOND) == 0;
}

/* --- a death at each instruction --- */

static void ring(void)
{
	segfs_ring(objects[0]);
}

static bool rings_again(void)
{
	return segfs_object_value(objects[0]) <= 1 && segfs_ring(objects[0]) == 0 && is_there(0);
}

static void wait_for_it(void)
{
	segfs_wait(objects[0], NULL, 0);
}

static bool has_not_taken(void)
{
	return is_there(0);
}

static void set_event(void)
{
	segfs_set_event(objects[0]);
}

static void reset_event(void)
{
	segfs_reset_event(objects[0]);
}

static bool can_be_set(void)
{
	return segfs_object_value(objects[0]) <= 1 && segfs_set_event(objects[0]) == 0 && is_there(0);
}

static void post_two(void)
{
	segfs_post(objects[0], 2);
}

static bool has_none_or_two(void)
{
	const uint32_t value = segfs_object_value(objects[0]);

	return (value == 0 || value == 2) && segfs_post(objects[0], 1) == 0 && is_there(0) &&
	       segfs_object_value(objects[0]) == value;
}

static void wait_for_any(void)
{
	segfs_wait_any(objects, 3, NULL, 0);
}

static void wait_for_both(void)
{
	segfs_wait_all(objects, 2, NULL, 0);
}

/* Of the semaphores, one each at most was taken, and counting goes on. */
static bool counts_go_on(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint32_t value = segfs_object_value(objects[i]);

		if (value > 1 || segfs_post(objects[i], 1) < 0 || !is_there(i) ||
		    segfs_object_value(objects[i]) != value)
			return false;
	}
	return true;
}

static bool any_goes_on(void)
{
	return segfs_object_value(objects[0]) + segfs_object_value(objects[1]) == 0 && counts_go_on(3);
}

static bool both_go_on(void)
{
	return counts_go_on(2);
}

static void clear(void)
{
	if (segfs_lock(objects[0], NULL, 0) == SEGFS_ABANDONED)
		segfs_clear_abandoned(objects[0]);
	segfs_unlock(objects[0]);
}

static bool is_told_or_cleared(void)
{
	return lock_for_a_while(objects[0], 20 * SECOND) >= 0 && segfs_clear_abandoned(objects[0]) == 0 &&
	       segfs_unlock(objects[0]) == 0 && segfs_lock(objects[0], NULL, 0) == 0 &&
	       segfs_unlock(objects[0]) == 0;
}

static void abandon(void)
{
	const pid_t child = (pid_t)check(fork());
	int status;

	if (child == 0) {
		segfs_lock(objects[0], NULL, 0);
		_exit(0);
	}
	check(waitpid(child, &status, 0));
}

static const struct walk {
	const char *name;
	struct {
		enum segfs_kind kind;
		uint32_t initial;
	} of[3];
	void (*prepare)(void);
	void (*run)(void);
	bool (*is_right)(void); /* for the next user */
} walks[] = {
	{"segfs_ring", {{SEGFS_DOORBELL, 0}}, NULL, ring, rings_again},
	{"segfs_wait, a doorbell", {{SEGFS_DOORBELL, 0}}, ring, wait_for_it, has_not_taken},
	{"segfs_set_event", {{SEGFS_EVENT, 0}}, NULL, set_event, can_be_set},
	{"segfs_wait, an event", {{SEGFS_EVENT, 1}}, NULL, wait_for_it, has_not_taken},
	{"segfs_reset_event", {{SEGFS_EVENT, 1}}, NULL, reset_event, can_be_set},
	{"segfs_post", {{SEGFS_SEMAPHORE, 0}}, NULL, post_two, has_none_or_two},
	{"segfs_wait_any",
	 {{SEGFS_SEMAPHORE, 0}, {SEGFS_SEMAPHORE, 0}, {SEGFS_SEMAPHORE, 1}},
	 NULL,
	 wait_for_any,
	 any_goes_on},
	{"segfs_wait_all", {{SEGFS_SEMAPHORE, 1}, {SEGFS_SEMAPHORE, 1}}, NULL, wait_for_both, both_go_on},
	{"segfs_clear_abandoned", {{SEGFS_MUTEX, 0}}, abandon, clear, is_told_or_cleared},
};

static size_t set_up(const struct walk *walk)
{
	size_t n = 0;

	for (; n < N(walk->of) && walk->of[n].kind; n++)
		make_numbered(n, walk->of[n].kind, walk->of[n].initial);
	if (walk->prepare)
		walk->prepare();
	return n;
}

/* On segfs the instructions are the same, and sanitizers add many: fewer of them. */
static void a_death_at_each_instruction(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < N(walks); i++) {
		bool killed = true;

		for (unsigned int at = 1; killed; at += SANITIZED       ? 1 + at / 2
							: is_on_segfs() ? 1 + at / 8
									: 1) {
			const size_t n = set_up(&walks[i]);

			killed = dies_after(walks[i].run, at);
			if (!walks[i].is_right())
				fail_msg("%s, after %u instructions", walks[i].name, at);
			end_numbered(n);
		}
	}
}

/* Operations whose deaths are walked elsewhere, and functions that change no object. */
static const char *const others[] = {
	"segfs_barrier_wait", "segfs_condition_wait", "segfs_lock",          "segfs_lock_shared",
	"segfs_notify",       "segfs_unlock",         "segfs_wait",          "segfs_abandoned",
	"segfs_close",        "segfs_create",         "segfs_deadline",      "segfs_explain",
	"segfs_fd",           "segfs_flush",          "segfs_get",           "segfs_list",
	"segfs_map",          "segfs_object_close",   "segfs_object_create", "segfs_object_kind",
	"segfs_object_open",  "segfs_object_value",   "segfs_open",          "segfs_remap",
	"segfs_remove",       "segfs_resize",         "segfs_set",           "segfs_size",
	"segfs_unmap",        "segfs_view_data",      "segfs_view_length",
};

static bool is_known(const char *function)
{
	for (size_t i = 0; i < N(walks); i++)
		if (strcmp(walks[i].name, function) == 0)
			return true;
	for (size_t i = 0; i < N(others); i++)
		if (strcmp(others[i], function) == 0)
			return true;
	return false;
}

static void each_operation_is_walked(void **unused)
{
	FILE *exported = fopen(path_of("%s/lib/libsegfs.map", getenv("SEGFS_TOP")), "re");
	char line[256], function[64];
	unsigned int n = 0;

	(void)unused;
	assert_non_null(exported);
	while (fgets(line, sizeof(line), exported)) {
		if (sscanf(line, " %63[a-z_];", function) != 1 || strncmp(function, "segfs_", 6) != 0)
			continue;
		n++;
		if (!is_known(function))
			fail_msg("%s is walked nowhere: add a case", function);
	}
	fclose(exported);
	assert_true(n >= N(others));
}

/* --- system calls --- */

enum { SEMAPHORE, EVENT, AUTO_EVENT, DOORBELL, MUTEX, RECURSIVE, RWLOCK, CONDITION, KINDS };

static bool locks(struct segfs_object *object)
{
	return segfs_lock(object, NULL, 0) == 0 && segfs_unlock(object) == 0;
}

static bool each_is_fast(void)
{
	return segfs_post(objects[SEMAPHORE], 1) == 0 && segfs_wait(objects[SEMAPHORE], NULL, 0) == 0 &&
	       segfs_set_event(objects[EVENT]) == 0 && segfs_wait(objects[EVENT], NULL, 0) == 0 &&
	       segfs_reset_event(objects[EVENT]) == 0 && segfs_set_event(objects[AUTO_EVENT]) == 0 &&
	       segfs_wait_any(objects, DOORBELL, NULL, 0) == AUTO_EVENT &&
	       segfs_ring(objects[DOORBELL]) == 0 && segfs_wait(objects[DOORBELL], NULL, 0) == 0 &&
	       locks(objects[MUTEX]) && locks(objects[RECURSIVE]) && locks(objects[RWLOCK]) &&
	       segfs_lock_shared(objects[RWLOCK], NULL, 0) == 0 && segfs_unlock(objects[RWLOCK]) == 0 &&
	       segfs_notify(objects[CONDITION], 1) == 0;
}

static void no_system_call_where_nobody_waits(void **unused)
{
	static const enum segfs_kind kinds[KINDS] = {
		[SEMAPHORE] = SEGFS_SEMAPHORE,   [EVENT] = SEGFS_EVENT,
		[AUTO_EVENT] = SEGFS_AUTO_EVENT, [DOORBELL] = SEGFS_DOORBELL,
		[MUTEX] = SEGFS_MUTEX,           [RECURSIVE] = SEGFS_RECURSIVE_MUTEX,
		[RWLOCK] = SEGFS_RWLOCK,         [CONDITION] = SEGFS_CONDITION,
	};
	pid_t child;
	int status;

	(void)unused;
	if (SANITIZED)
		skip_missing("operations without a sanitizer");
	for (size_t i = 0; i < KINDS; i++)
		objects[i] = make(name_of(i), kinds[i], 0, 0);
	child = (pid_t)check(fork());
	if (child == 0) {
		/* a thread asks once who it is, and maps the pages of a reader, one to keep */
		if (!each_is_fast() || !each_is_fast() || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
			_exit(2);
		for (int i = 0; i < 3; i++)
			if (!each_is_fast())
				syscall(SYS_exit, 1);
		syscall(SYS_exit, 0);
	}
	check(waitpid(child, &status, 0));
	/* SIGKILL is what a call gets */
	assert_int_equal(status, 0);
	end_numbered(KINDS);
}

/* --- waiting for many --- */

#define SEVERAL 3

static void forbid_futex_waitv(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = N(filter), .filter = filter};

	check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* Waits for any of n, of which the parent posts the last one, and then for all. */
static int wait_for_many(size_t n)
{
	struct timespec deadline;

	if (segfs_wait_any(objects, n, segfs_deadline(&deadline, 30 * MILLISECOND), 0) != -ETIMEDOUT)
		return 1;
	if (segfs_post(objects[n], 1) < 0)
		return 2;
	if (segfs_wait_any(objects, n, segfs_deadline(&deadline, 60 * SECOND), 0) != (int)n - 1)
		return 3;
	if (segfs_wait_all(objects, n, segfs_deadline(&deadline, 60 * SECOND), 0) != 0)
		return 4;
	return 0;
}

/* The object behind those that are waited for tells when to begin. */
static void wait_in_a_child(size_t n, void (*prepare)(void))
{
	pid_t child;
	int status;

	for (size_t i = 0; i <= n; i++)
		make_numbered(i, SEGFS_SEMAPHORE, 0);
	child = (pid_t)check(fork());
	if (child == 0) {
		if (prepare)
			prepare();
		_exit(wait_for_many(n));
	}
	assert_int_equal(wait_for_a_while(objects[n], 60 * SECOND), 0);
	usleep(100000);
	assert_int_equal(segfs_post(objects[n - 1], 1), 0);
	usleep(100000);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(segfs_post(objects[i], 1), 0);
	check(waitpid(child, &status, 0));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	end_numbered(n + 1);
}

static void for_as_many_as_there_may_be(void **unused)
{
	(void)unused;
	wait_in_a_child(SEGFS_OBJECTS_MAX - 1, NULL);
}

/* As on Linux before 5.16. */
static void without_futex_waitv(void **unused)
{
	(void)unused;
	wait_in_a_child(SEVERAL, forbid_futex_waitv);
}

/* --- between users --- */

static int use_all(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct segfs_object *object;
		int result = segfs_object_open(name_of(i), 0, &object);

		if (result < 0)
			return result;
		result = i ? segfs_post(object, 1) : segfs_lock(object, NULL, SEGFS_TRY);
		if (result == 0)
			result = i ? segfs_wait(object, NULL, SEGFS_TRY) : segfs_unlock(object);
		segfs_object_close(object);
		if (result < 0)
			return result;
	}
	return 0;
}

static void users_share_as_an_acl_allows(void **unused)
{
	const struct user_acl acl = USER_ACL(6, TEST_UID, 6, 0, 6, 0);

	(void)unused;
	make_numbered(0, SEGFS_MUTEX, 0);
	make_numbered(1, SEGFS_SEMAPHORE, 0);
	for (size_t i = 0; i < 2; i++) {
		check(chmod(at(name_of(i)), 0600));
		assert_int_equal(as_user(TEST_UID, TEST_GID, use_all, NULL), -EACCES);
	}
	for (size_t i = 0; i < 2; i++)
		check(setxattr(at(name_of(i)), "system.posix_acl_access", &acl, sizeof(acl), 0));
	assert_int_equal(as_user(TEST_UID, TEST_GID, use_all, NULL), 0);
	assert_int_equal(as_user(TEST_UID + 1, TEST_GID + 1, use_all, NULL), -EACCES);
	end_numbered(2);
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(a_death_at_each_instruction),
		cmocka_unit_test(each_operation_is_walked),
		cmocka_unit_test(no_system_call_where_nobody_waits),
		cmocka_unit_test(for_as_many_as_there_may_be),
		cmocka_unit_test(without_futex_waitv),
		cmocka_unit_test(users_share_as_an_acl_allows),
	};

	return library_run(cases, N(cases));
}
