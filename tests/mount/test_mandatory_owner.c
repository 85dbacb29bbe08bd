// SPDX-License-Identifier: MIT
/*
 * Mandatory locks: owners, I/O that passes, the order of waiting I/O, and how waits end. That all kinds of
 * I/O wait is in test_mandatory.c.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/intruder.h"
#include "tests/lib/mandatory.h"
#include "tests/lib/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 8192

static struct access one_byte(long (*call)(const struct access *access), off_t at)
{
	return (struct access){.call = call,
			       .path = segment,
			       .at = at,
			       .size = 1,
			       .byte = call == call_read || call == call_copy_from ? 'o' : 'w'};
}

static struct access inherited(long (*call)(const struct access *access), int fd, off_t at)
{
	struct access access = one_byte(call, at);

	access.fd = fd;
	return access;
}

static long now(struct access access)
{
	return intrude_now(&access);
}

static int begin(struct access access)
{
	return intrude(&access);
}

static void put(int fd, off_t at, char byte)
{
	assert_int_equal(check(pwrite(fd, &byte, 1, at)), 1);
}

static char get(int fd, off_t at)
{
	char byte = 0;

	assert_int_equal(check(pread(fd, &byte, 1, at)), 1);
	return byte;
}

static char stored(off_t at)
{
	_cleanup_close_ int fd =
		(int)check(open(path_of("%s/m/segment", mandatory_mount.store), O_RDONLY | O_CLOEXEC));

	return get(fd, at);
}

static int set_up(void **unused)
{
	(void)unused;
	mandatory_make(SIZE);
	return 0;
}

static void lock(int fd, int command, int type, off_t at, off_t size)
{
	assert_int_equal(lock_bytes(fd, command, type, at, size), 0);
}

/* --- whose it is --- */

/* All I/O that a process may do on its own locks. */
static void use(int fd)
{
	put(fd, 10, 'u');
	assert_int_equal(get(fd, 10), 'u');
	check(fallocate(fd, 0, 10, 5));
	check(ftruncate(fd, 5));
	check(ftruncate(fd, SIZE));
	put(fd, 10, 'o');
}

static void *use_in_thread(void *context)
{
	use(*(int *)context);
	return NULL;
}

static void processes_pass_their_own(void **unused)
{
	_cleanup_close_ int again = (int)check(open(segment, O_RDWR | O_CLOEXEC));
	_cleanup_close_ int copy = (int)check(dup(owner));
	pthread_t thread;

	(void)unused;
	for (int round = 0; round < 20; round++) {
		lock(owner, F_SETLK, F_WRLCK, 0, 0);
		use(owner);
		use(copy);
		use(again);
		assert_int_equal(pthread_create(&thread, NULL, use_in_thread, &owner), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		check(truncate(segment, SIZE));
		check(truncate(segment, 20));
		check(truncate(segment, SIZE));
		put(owner, 10, 'o');
		lock(owner, F_SETLK, F_UNLCK, 0, 0);
	}
	lock(owner, F_SETLK, F_WRLCK, 0, 0);
	check(close((int)check(open(segment, O_RDWR | O_TRUNC | O_CLOEXEC))));
	assert_int_equal(stored_size(), 0);
}

/* A child inherits descriptors, but not process locks. */
static void children_do_not_pass(void **unused)
{
	(void)unused;
	need_waiting_writes();
	for (int round = 0; round < 100; round++) {
		int intruders[2];

		lock(owner, F_SETLK, F_WRLCK, 10, 1);
		intruders[0] = begin(inherited(call_read, owner, 10));
		intruders[1] = begin(inherited(call_write, owner, 10));
		expect_waiting(2);
		lock(owner, F_SETLK, F_UNLCK, 10, 1);
		result_of(intruders[0]);
		assert_int_equal(result_of(intruders[1]), 1);
		put(owner, 10, 'o');
	}
}

/* Every user of the same open file description passes its locks, in any process. */
static void descriptions_pass_their_own(void **unused)
{
	_cleanup_close_ int copy = (int)check(dup(owner));

	(void)unused;
	for (int round = 0; round < 100; round++) {
		lock(owner, F_OFD_SETLK, F_WRLCK, 10, 1);
		put(owner, 10, 'p');
		put(copy, 10, 'o');
		assert_int_equal(get(copy, 10), 'o');
		assert_int_equal(now(inherited(call_read, owner, 10)), 1);
		assert_int_equal(now(inherited(call_write, owner, 10)), 1);
		assert_int_equal(now(inherited(call_allocate, owner, 10)), 0);
		put(owner, 10, 'o');
		lock(owner, F_OFD_SETLK, F_UNLCK, 10, 1);
	}
}

/* Another open does not pass, even in the process that set the lock. */
static void descriptions_do_not_pass_others(void **unused)
{
	_cleanup_close_ int again = (int)check(open(segment, O_RDWR | O_NONBLOCK | O_CLOEXEC));

	(void)unused;
	for (int round = 0; round < 100; round++) {
		char byte;

		lock(owner, F_OFD_SETLK, F_WRLCK, 10, 1);
		check_error(EAGAIN, pwrite(again, "w", 1, 10));
		check_error(EAGAIN, pread(again, &byte, 1, 10));
		check_error(EAGAIN, ftruncate(again, 0));
		check_error(EAGAIN, fallocate(again, 0, 10, 1));
		check_error(EAGAIN, open(segment, O_RDWR | O_TRUNC | O_NONBLOCK));
		lock(owner, F_OFD_SETLK, F_UNLCK, 10, 1);
	}
}

/* Two kinds of locks, one of them the requester's own. */
static void mixed_owners(void **unused)
{
	_cleanup_close_ int again = (int)check(open(segment, O_RDWR | O_NONBLOCK | O_CLOEXEC));
	_cleanup_close_ int own = (int)check(open(segment, O_RDWR | O_NONBLOCK | O_CLOEXEC));
	char bytes[30];

	(void)unused;
	lock(owner, F_SETLK, F_WRLCK, 10, 10);
	lock(again, F_OFD_SETLK, F_WRLCK, 20, 10);
	assert_int_equal(check(pread(again, bytes, 30, 5)), 30);
	assert_int_equal(check(pwrite(again, bytes, 30, 5)), 30);
	check(fallocate(again, 0, 5, 30));
	check_error(EAGAIN, pwrite(own, bytes, 30, 5));
	assert_int_equal(check(pwrite(own, bytes, 15, 5)), 15);
}

static void flock_is_advisory(void **unused)
{
	(void)unused;
	check(flock(owner, LOCK_EX));
	assert_int_equal(now(one_byte(call_read, 10)), 1);
	assert_int_equal(now(one_byte(call_write, 10)), 1);
	assert_int_equal(now(one_byte(call_truncate, 20)), 0);
	assert_int_equal(now(one_byte(call_open_truncating, 0)), 0);
}

static long use_view(const struct access *access)
{
	int fd = open(access->path, O_RDWR | O_CLOEXEC);
	char *view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (view == MAP_FAILED || view[access->at] != 'o')
		return -EBADMSG;
	view[access->at] = 'v';
	return msync(view, SIZE, MS_SYNC) < 0 ? -errno : 0;
}

static void views_pass(void **unused)
{
	(void)unused;
	need_uncached_views();
	lock(owner, F_SETLK, F_WRLCK, 0, 0);
	assert_int_equal(now(one_byte(use_view, 10)), 0);
	assert_int_equal(stored(10), 'v');
	assert_int_equal(get(owner, 10), 'v');
}

/* --- how waiting ends --- */

static void do_nothing(int number)
{
	(void)number;
}

static struct access interrupted_call;

static long call_with_handler(const struct access *access)
{
	struct sigaction action = {.sa_handler = do_nothing};

	(void)access;
	sigaction(SIGUSR1, &action, NULL);
	return interrupted_call.call(&interrupted_call);
}

static const struct {
	long (*call)(const struct access *access);
	off_t at;
} waiting_calls[] = {
	{call_read, 10},     {call_write, 10},          {call_append, 0}, {call_truncate, 5},
	{call_ftruncate, 5}, {call_allocate, 10},       {call_punch, 10}, {call_copy_from, 10},
	{call_copy_to, 10},  {call_open_truncating, 0},
};
#define N_CALLS (sizeof(waiting_calls) / sizeof(waiting_calls[0]))

static void expect_untouched(void)
{
	assert_int_equal(stored_size(), SIZE);
	assert_int_equal(stored(10), 'o');
}

static void signals_end_waiting(void **unused)
{
	(void)unused;
	need_waiting_writes();
	for (size_t i = 0; i < N_CALLS; i++) {
		struct access access = one_byte(call_with_handler, 0);
		int intruder;

		interrupted_call = one_byte(waiting_calls[i].call, waiting_calls[i].at);
		lock(owner, F_SETLK, F_WRLCK, 0, 0);
		intruder = intrude(&access);
		expect_waiting(1);
		check(kill(job_of(intruder)->pid, SIGUSR1));
		assert_int_equal(result_of(intruder), -EINTR);
		assert_int_equal(n_waiting(), 0);
		lock(owner, F_SETLK, F_UNLCK, 0, 0);
		expect_untouched();
	}
}

static void kills_end_waiting(void **unused)
{
	(void)unused;
	need_waiting_writes();
	for (size_t i = 0; i < N_CALLS; i++) {
		int intruder;

		lock(owner, F_SETLK, F_WRLCK, 0, 0);
		intruder = begin(one_byte(waiting_calls[i].call, waiting_calls[i].at));
		expect_waiting(1);
		kill_intruder(intruder);
		assert_true(wait_for(n_waiting() == 0));
		lock(owner, F_SETLK, F_UNLCK, 0, 0);
		expect_untouched();
	}
}

enum end {
	UNLOCKS,
	CLOSES,
	EXITS,
	IS_KILLED,
	ENDS,
};

struct holder {
	enum end end;
	int command;
};

static void hold(struct job *job, void *context)
{
	const struct holder *holder = context;
	int fd = open(segment, O_RDWR | O_CLOEXEC);

	close(owner);
	job_must(job, fd >= 0 && lock_bytes(fd, holder->command, F_WRLCK, 0, 0) == 0);
	atomic_fetch_add(&job->steps, 1);
	while (!atomic_load(&job->stop))
		usleep(1000);
	if (holder->end == UNLOCKS)
		job_must(job, lock_bytes(fd, holder->command, F_UNLCK, 0, 0) == 0);
	else if (holder->end == CLOSES)
		job_must(job, close(fd) == 0);
	else
		_exit(0);
	atomic_fetch_add(&job->steps, 1);
	while (atomic_load(&job->stop))
		usleep(1000);
}

/* Also while the kernel excludes other calls of the owner, as it does during a waiting resize. */
static void ends_of_owners(void **unused)
{
	static const int commands[] = {F_SETLK, F_OFD_SETLK};

	(void)unused;
	need_waiting_writes();
	for (int end = 0; end < ENDS; end++) {
		for (size_t i = 0; i < N_CALLS; i++) {
			struct holder holder = {.end = (enum end)end, .command = commands[i % 2]};
			struct job *job = job_start(hold, &holder);
			int intruder;

			assert_non_null(job);
			assert_true(job_goes_on(job, 0) && wait_for(atomic_load(&job->steps) == 1));
			intruder = begin(one_byte(waiting_calls[i].call, waiting_calls[i].at));
			expect_waiting(1);
			expect_untouched();
			if (end == IS_KILLED)
				assert_int_equal(job_kill(&job), 0);
			else
				atomic_store(&job->stop, true);
			{
				long result = result_of(intruder);

				if (result < 0)
					fail_msg("end %d, call %zu: %ld", end, i, result);
			}
			if (job && end < EXITS)
				assert_int_equal(job_kill(&job), 0);
			else if (job)
				assert_int_equal(job_end(&job), 0);
			check(ftruncate(owner, 0));
			check(ftruncate(owner, SIZE));
			for (off_t at = 0; at < 20; at++)
				put(owner, at, 'o');
		}
	}
}

/* --- order --- */

#define LOCKERS 4

/* There are always two or more waiters. */
static void lock_and_unlock(struct job *job, void *context)
{
	int fd = open(segment, O_RDWR | O_CLOEXEC);

	(void)context;
	while (!atomic_load(&job->stop)) {
		job_must(job, lock_bytes(fd, F_SETLKW, F_WRLCK, 0, 100) == 0);
		job_must(job, lock_bytes(fd, F_SETLK, F_UNLCK, 0, 100) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void not_starved_by_locks(void **unused)
{
	struct job *lockers[LOCKERS];
	bool starved = false;

	(void)unused;
	need_waiting_writes();
	for (int i = 0; i < LOCKERS; i++)
		assert_non_null(lockers[i] = job_start(lock_and_unlock, NULL));
	for (int i = 0; i < 20 && !starved; i++) {
		unsigned long before = 0;
		unsigned long after = 0;
		int intruder;

		for (int n = 0; n < LOCKERS; n++)
			assert_true(job_goes_on(lockers[n], 5));
		for (int n = 0; n < LOCKERS; n++)
			before += atomic_load(&lockers[n]->steps);
		intruder = begin(one_byte(i % 2 ? call_read : call_write, 10 + i % 2));
		starved = !wait_for(has_returned(intruder));
		for (int n = 0; n < LOCKERS; n++)
			after += atomic_load(&lockers[n]->steps);
		if (starved)
			print_message("still waiting after %lu locks\n", after - before);
		else
			assert_int_equal(result_of(intruder), 1);
	}
	for (int i = 0; i < LOCKERS; i++)
		job_end(&lockers[i]);
	assert_false(starved);
}

static void lock_in_turn(struct job *job, void *context)
{
	int fd = open(segment, O_RDWR | O_CLOEXEC);
	char found = 0;

	(void)context;
	job_must(job, lock_bytes(fd, F_SETLKW, F_WRLCK, 10, 1) == 0);
	/* earlier writes are done */
	job_must(job, pread(fd, &found, 1, 10) == 1);
	atomic_store(&job->steps, (unsigned long)found);
	while (!atomic_load(&job->stop))
		usleep(1000);
}

/* Writes queued before a lock are done before it is granted, and later ones after it. */
static void in_order_of_arrival(void **unused)
{
	(void)unused;
	need_waiting_writes();
	for (int round = 0; round < 20; round++) {
		struct access access = one_byte(call_write, 10);
		struct job *locker;
		int before;
		int after;

		lock(owner, F_SETLK, F_WRLCK, 0, 0);
		access.byte = 'b';
		before = intrude(&access);
		expect_waiting(1);
		assert_non_null(locker = job_start(lock_in_turn, NULL));
		expect_waiting(2);
		access.byte = 'a';
		after = intrude(&access);
		expect_waiting(3);
		lock(owner, F_SETLK, F_UNLCK, 0, 0);
		assert_true(wait_for(atomic_load(&locker->steps) > 0));
		assert_int_equal(atomic_load(&locker->steps), 'b');
		assert_int_equal(result_of(before), 1);
		assert_int_equal(stored(10), 'b');
		expect_waiting(1);
		assert_false(has_returned(after));
		assert_int_equal(job_end(&locker), 0);
		assert_int_equal(result_of(after), 1);
		assert_int_equal(stored(10), 'a');
		put(owner, 10, 'o');
	}
}

/* --- circles --- */

/* Holds byte 100, and accesses byte 10. */
static void hold_and_intrude(struct job *job, void *context)
{
	const struct access *access = context;
	int fd = open(segment, O_RDWR | O_CLOEXEC);
	long result;

	job_must(job, lock_bytes(fd, F_SETLK, F_WRLCK, 100, 1) == 0);
	result = access->call(access);
	atomic_store(&job->steps, result < 0 ? 1000 + (unsigned long)-result : 1);
}

static void circles(void **unused)
{
	static long (*const calls[])(const struct access *access) = {
		call_write, call_read, call_ftruncate, call_truncate, call_allocate, call_open_truncating,
	};

	(void)unused;
	need_waiting_writes();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct access access = one_byte(calls[i], 10);
		struct job *job;
		int result;

		print_message("# %zu\n", i);
		/* for the last ones the kernel passes no owner */
		lock(owner, F_SETLK, F_WRLCK, 10, 1);
		job = job_start(hold_and_intrude, &access);
		assert_non_null(job);
		expect_waiting(1);
		alarm(5);
		result = lock_bytes(owner, F_SETLKW, F_WRLCK, 100, 1);
		alarm(0);
		assert_int_equal(result, -EDEADLK);
		lock(owner, F_SETLK, F_UNLCK, 10, 1);
		assert_true(wait_for(atomic_load(&job->steps) == 1));
		assert_int_equal(job_end(&job), 0);
		check(ftruncate(owner, SIZE));
		put(owner, 10, 'o');
	}
}

/* Waits for byte 100 while holding byte 10. */
static void hold_and_wait(struct job *job, void *context)
{
	int fd = open(segment, O_RDWR | O_CLOEXEC);

	(void)context;
	job_must(job, lock_bytes(fd, F_SETLK, F_WRLCK, 10, 1) == 0);
	job_must(job, lock_bytes(fd, F_SETLKW, F_WRLCK, 100, 1) == 0);
}

/* The I/O closes the cycle. */
static void circles_closed_by_access(void **unused)
{
	struct job *job;
	char byte;

	(void)unused;
	need_waiting_writes();
	lock(owner, F_SETLK, F_WRLCK, 100, 1);
	job = job_start(hold_and_wait, NULL);
	assert_non_null(job);
	expect_waiting(1);
	alarm(5);
	check_error(EDEADLK, pwrite(owner, "w", 1, 10));
	check_error(EDEADLK, pread(owner, &byte, 1, 10));
	check_error(EDEADLK, ftruncate(owner, 5));
	check_error(EDEADLK, fallocate(owner, 0, 10, 1));
	check_error(EDEADLK, open(segment, O_RDWR | O_TRUNC | O_CLOEXEC));
	alarm(0);
	lock(owner, F_SETLK, F_UNLCK, 100, 1);
	assert_int_equal(job_end(&job), 0);
	expect_untouched();
}

/* --- others --- */

/* Operations during a waiting write of another process. */
static void others_go_on(void **unused)
{
	const char *other = path_of("%s/m/other", mandatory_mount.path);
	_cleanup_close_ int fd = -1;
	struct stat stat;
	int intruders[2];

	(void)unused;
	need_waiting_writes();
	fd = (int)check(open(other, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	lock(owner, F_SETLK, F_WRLCK, 10, 1);
	intruders[0] = begin(one_byte(call_read, 10));
	intruders[1] = begin(one_byte(call_write, 10));
	expect_waiting(2);
	for (int i = 0; i < 100; i++) {
		put(owner, 10, (char)i);
		put(owner, 1000 + i, (char)i);
		assert_int_equal(get(owner, 1000 + i), (char)i);
		check(fstat(owner, &stat));
		assert_int_equal(stat.st_size, SIZE);
		lock(owner, F_SETLK, F_WRLCK, 20 + i, 1);
		lock(owner, F_SETLK, F_UNLCK, 20, 200);
		put(fd, i, 'x');
		check(ftruncate(fd, i * 10));
	}
	assert_int_equal(now(one_byte(call_write, 11)), 1);
	assert_int_equal(now(one_byte(call_read, 12)), 1);
	assert_int_equal(n_waiting(), 2);
	put(owner, 10, 'o');
	lock(owner, F_SETLK, F_UNLCK, 0, 0);
	for (int i = 0; i < 2; i++)
		result_of(intruders[i]);
	check(unlink(other));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, mandatory_tear_down)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(processes_pass_their_own),
		CASE(children_do_not_pass),
		CASE(descriptions_pass_their_own),
		CASE(descriptions_do_not_pass_others),
		CASE(mixed_owners),
		CASE(flock_is_advisory),
		CASE(views_pass),
		CASE(signals_end_waiting),
		CASE(kills_end_waiting),
		CASE(ends_of_owners),
		CASE(not_starved_by_locks),
		CASE(in_order_of_arrival),
		CASE(circles),
		CASE(circles_closed_by_access),
		CASE(others_go_on),
	};
	struct sigaction action = {.sa_handler = do_nothing};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	/*
	 * without SA_RESTART: a wait that should have been refused fails the case, but does not hang the test
	 */
	sigaction(SIGALRM, &action, NULL);
	intruders_setup(&mandatory_mount);
	failed = run_in_mode("direct", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			     mandatory_stop);
	failed += run_in_mode("relayed", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			      mandatory_stop);
	return failed;
}
