// SPDX-License-Identifier: MIT
/*
 * Signals during waits. A wait for a lock continues after a handler with SA_RESTART, and after a stop, as
 * natively. A wait to read or write ends with EINTR in both cases, since the kernel restarts no other
 * request.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/intruder.h"
#include "tests/lib/mandatory.h"
#include "tests/lib/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 4096

static atomic_int *handled;                              /* signals, by waiter */
static long (*call_inside)(const struct access *access); /* the call in which it waits */
static int handler_flags;

static int set_up(void **unused)
{
	(void)unused;
	mandatory_make(SIZE);
	return 0;
}

/* --- who waits --- */

static void handle(int number)
{
	(void)number;
	atomic_fetch_add(handled, 1);
}

static long with_handler(const struct access *access)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = handler_flags};

	return sigaction(SIGUSR1, &action, NULL) < 0 ? -errno : call_inside(access);
}

static long lock_by(const struct access *access, int command)
{
	_cleanup_close_ int fd = open(access->path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : lock_bytes(fd, command, F_WRLCK, access->at, (off_t)access->size);
}

static long lock_of_process(const struct access *access)
{
	return lock_by(access, F_SETLKW);
}

static long lock_of_open(const struct access *access)
{
	return lock_by(access, F_OFD_SETLKW);
}

static long lock_of_flock(const struct access *access)
{
	_cleanup_close_ int fd = open(access->path, O_RDWR | O_CLOEXEC);

	return fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : 0;
}

static const struct kind {
	const char *name;
	long (*call)(const struct access *access);
	bool restarts;
	long result;      /* once nothing conflicts */
	bool locks_inode; /* of the file, while it waits */
} kinds[] = {
	{"F_SETLKW", lock_of_process, true, 0, false},
	{"F_OFD_SETLKW", lock_of_open, true, 0, false},
	{"flock", lock_of_flock, true, 0, false},
	{"pread", call_read, false, 1, false},
	{"pwrite", call_write, false, 1, true},
	{"truncate", call_truncate, false, 0, true},
	{"ftruncate", call_ftruncate, false, 0, true},
	{"open with O_TRUNC", call_open_truncating, false, 0, false},
	{"fallocate", call_allocate, false, 0, true},
	{"copy_file_range to", call_copy_to, false, 1, true},
	{"copy_file_range from", call_copy_from, false, 1, true},
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Where close(2) takes the inode's lock, these fail with EAGAIN. */
static bool can_wait(const struct kind *kind)
{
	return !kind->locks_inode || mount_has_feature(&mandatory_mount, "close-unlocked");
}

static int wait_in(const struct kind *kind, int flags)
{
	const struct access access = {.call = with_handler, .path = segment, .size = 1, .byte = 'o'};
	int waiter;

	print_message("# %s\n", kind->name);
	call_inside = kind->call;
	handler_flags = flags;
	atomic_store(handled, 0);
	check(flock(owner, LOCK_EX));
	assert_int_equal(lock_bytes(owner, F_SETLK, F_WRLCK, 0, SIZE), 0);
	waiter = intrude(&access);
	expect_waiting(1);
	return waiter;
}

static void let_go(void)
{
	check(flock(owner, LOCK_UN));
	assert_int_equal(lock_bytes(owner, F_SETLK, F_UNLCK, 0, 0), 0);
}

/* The result of a wait that the signal has not ended. */
static void expect_waits_on(const struct kind *kind, int waiter)
{
	expect_waiting(1);
	assert_false(has_returned(waiter));
	let_go();
	assert_int_equal(result_of(waiter), kind->result);
	check(ftruncate(owner, SIZE));
	assert_int_equal(check(pwrite(owner, "o", 1, 0)), 1);
}

static void expect_interrupted(int waiter)
{
	assert_int_equal(result_of(waiter), -EINTR);
	expect_waiting(0);
	expect_stored(0, 1, 'o');
	assert_int_equal(stored_size(), SIZE);
	let_go();
}

/* --- signals --- */

static void a_handler_ends_a_wait(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < N_KINDS; i++) {
		int waiter;

		if (!can_wait(&kinds[i]))
			continue;
		waiter = wait_in(&kinds[i], 0);

		check(kill(job_of(waiter)->pid, SIGUSR1));
		expect_interrupted(waiter);
		assert_int_equal(atomic_load(handled), 1);
	}
}

static void a_restarting_handler(void **unused)
{
	(void)unused;
	/* the thread sanitizer calls handlers when a call returns: a wait for a lock does not */
	if (THREAD_SANITIZED)
		skip_missing("handlers that are called within system calls");
	for (size_t i = 0; i < N_KINDS; i++) {
		int waiter;

		if (!can_wait(&kinds[i]))
			continue;
		waiter = wait_in(&kinds[i], SA_RESTART);

		check(kill(job_of(waiter)->pid, SIGUSR1));
		assert_true(wait_for(atomic_load(handled) == 1));
		if (kinds[i].restarts)
			expect_waits_on(&kinds[i], waiter);
		else
			expect_interrupted(waiter);
	}
}

static void a_stop(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < N_KINDS; i++) {
		int waiter;
		pid_t pid;

		if (!can_wait(&kinds[i]))
			continue;
		waiter = wait_in(&kinds[i], 0);
		pid = job_of(waiter)->pid;

		check(kill(pid, SIGSTOP));
		assert_true(wait_for(is_stopped(pid)));
		expect_waiting(0);
		check(kill(pid, SIGCONT));
		if (kinds[i].restarts)
			expect_waits_on(&kinds[i], waiter);
		else
			expect_interrupted(waiter);
		assert_int_equal(atomic_load(handled), 0);
	}
}

int main(void)
{
	static const char *const modes[] = {"direct", "relayed"};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_handler_ends_a_wait, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(a_restarting_handler, set_up, mandatory_tear_down),
		cmocka_unit_test_setup_teardown(a_stop, set_up, mandatory_tear_down),
	};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	intruders_setup(&mandatory_mount);
	handled = mmap(NULL, sizeof(*handled), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (handled == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		failed += run_in_mode(modes[i], tests, sizeof(tests) / sizeof(tests[0]), mandatory_start,
				      mandatory_stop);
	return failed;
}
