// SPDX-License-Identifier: MIT
/*
 * Mandatory locks across worker deaths: deferred I/O stays deferred, and is carried out once, in order, and
 * not before the lock is released.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/intruder.h"
#include "tests/lib/killpoint.h"
#include "tests/lib/mandatory.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE   (2 << 20)
#define LARGE  (1 << 20)
#define POINTS 200 /* more system calls than any case makes */

static void put_all(char byte)
{
	static char bytes[SIZE];

	memset(bytes, byte, sizeof(bytes));
	assert_int_equal(check(pwrite(owner, bytes, sizeof(bytes), 0)), sizeof(bytes));
}

static int set_up(void **unused)
{
	(void)unused;
	mandatory_make(SIZE);
	return 0;
}

static void lock_all(void)
{
	assert_int_equal(lock_bytes(owner, F_SETLK, F_WRLCK, 0, 0), 0);
}

static void unlock_all(void)
{
	assert_int_equal(lock_bytes(owner, F_SETLK, F_UNLCK, 0, 0), 0);
}

static struct access access_of(long (*call)(const struct access *access), off_t at, size_t size, char byte)
{
	return (struct access){.call = call, .path = segment, .at = at, .size = size, .byte = byte};
}

/* --- everything that waits --- */

static const struct {
	const char *name;
	long (*call)(const struct access *access);
	off_t at;
	size_t size;
	char byte;
	long result;
	off_t size_after;
} calls[] = {
	{"read", call_read, 10, 1, 'o', 1, SIZE},
	{"large read", call_read, 10, LARGE, 'o', LARGE, SIZE},
	{"copy_file_range from", call_copy_from, 10, 100, 'o', 100, SIZE},
	{"write", call_write, 10, 1, 'w', 1, SIZE},
	{"large write", call_write, 10, LARGE, 'w', LARGE, SIZE},
	{"append", call_append, 0, 10, 'w', 10, SIZE + 10},
	{"copy_file_range to", call_copy_to, 10, 100, 'w', 100, SIZE},
	{"truncate", call_truncate, 5, 0, 0, 0, 5},
	{"ftruncate", call_ftruncate, 5, 0, 0, 0, 5},
	{"O_TRUNC", call_open_truncating, 0, 0, 0, 0, 0},
	{"allocate", call_allocate, SIZE - 10, 20, 0, 0, SIZE + 10},
	{"punch", call_punch, 10, 100, 0, 0, SIZE},
};
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

/* The calls that wait. Those after the large read lock an inode; see need_waiting_writes(). */
static size_t n_calls(void)
{
	return mount_has_feature(&mandatory_mount, "close-unlocked") ? N_CALLS : 2;
}

static int begin(size_t i)
{
	const struct access access = access_of(calls[i].call, calls[i].at, calls[i].size, calls[i].byte);
	int intruder = intrude(&access);

	expect_waiting(1);
	return intruder;
}

static void put_back(void)
{
	check(ftruncate(owner, 0));
	check(ftruncate(owner, SIZE));
	put_all('o');
}

static void each_of_them(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < n_calls(); i++) {
		int intruder;
		long result;

		lock_all();
		intruder = begin(i);
		for (int deaths = 0; deaths < 2; deaths++) {
			worker_replace(&mandatory_mount);
			expect_waiting(1);
			assert_false(has_returned(intruder));
			assert_int_equal(stored_size(), SIZE);
			expect_stored(0, SIZE, 'o');
		}
		unlock_all();
		result = result_of(intruder);
		if (result != calls[i].result)
			fail_msg("%s: %ld", calls[i].name, result);
		assert_int_equal(stored_size(), calls[i].size_after);
		if (calls[i].call == call_write || calls[i].call == call_copy_to)
			expect_stored(calls[i].at, (off_t)calls[i].size, 'w');
		if (calls[i].call == call_append)
			expect_stored(SIZE, 10, 'w');
		put_back();
	}
}

/* Released while there is no worker: the owner waits for the reply. */
static void unlock_in_job(struct job *job, void *context)
{
	int fd = open(segment, O_RDWR | O_CLOEXEC);

	(void)context;
	job_must(job, fd >= 0 && lock_bytes(fd, F_OFD_SETLK, F_WRLCK, 0, 0) == 0);
	atomic_fetch_add(&job->steps, 1);
	while (!atomic_load(&job->stop))
		usleep(1000);
	job_must(job, lock_bytes(fd, F_OFD_SETLK, F_UNLCK, 0, 0) == 0);
}

static void given_up_without_worker(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < n_calls(); i++) {
		struct job *job = job_start(unlock_in_job, NULL);
		int intruder;
		pid_t worker;
		long result;
		bool waits;

		assert_non_null(job);
		assert_true(wait_for(atomic_load(&job->steps) == 1));
		intruder = begin(i);
		worker = worker_stop(&mandatory_mount);
		atomic_store(&job->stop, true);
		waits = wait_for(job_is_in_call(job, SYS_fcntl));
		worker_kill(&mandatory_mount, worker);
		worker_wait_next(&mandatory_mount, worker);
		assert_true(waits);
		result = result_of(intruder);
		if (result != calls[i].result)
			fail_msg("%s: %ld", calls[i].name, result);
		assert_int_equal(job_end(&job), 0);
		assert_int_equal(stored_size(), calls[i].size_after);
		put_back();
	}
}

/* --- whose end comes while nobody serves --- */

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

static void ended_without_worker(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2 * n_calls(); i++) {
		struct access access = access_of(call_with_handler, 0, 0, 0);
		bool by_kill = i % 2;
		pid_t worker;
		int intruder;

		interrupted_call =
			access_of(calls[i / 2].call, calls[i / 2].at, calls[i / 2].size, calls[i / 2].byte);
		lock_all();
		intruder = intrude(&access);
		expect_waiting(1);
		worker = worker_stop(&mandatory_mount);
		check(kill(job_of(intruder)->pid, by_kill ? SIGKILL : SIGUSR1));
		worker_kill(&mandatory_mount, worker);
		worker_wait_next(&mandatory_mount, worker);
		if (by_kill) {
			kill_intruder(intruder);
		} else {
			long result = result_of(intruder);

			if (result != -EINTR)
				fail_msg("%s: %ld", calls[i / 2].name, result);
		}
		assert_true(wait_for(n_waiting() == 0));
		unlock_all();
		assert_int_equal(stored_size(), SIZE);
		expect_stored(0, SIZE, 'o');
		assert_false(log_has(&mandatory_mount, "refused by the kernel"));
	}
}

/* --- order --- */

/* Takes the lock, reports the bytes found, and writes others; keeps the lock until it is told to stop. */
static void lock_in_turn(struct job *job, void *context)
{
	int fd = open(segment, O_RDWR | O_CLOEXEC);
	char found = 0;

	job_must(job, lock_bytes(fd, F_SETLKW, F_WRLCK, 10, 1) == 0);
	job_must(job, pread(fd, &found, 1, 10) == 1);
	job_must(job, pwrite(fd, context, 1, 10) == 1);
	atomic_store(&job->steps, (unsigned long)found);
	while (!atomic_load(&job->stop))
		usleep(1000);
	job_must(job, pread(fd, &found, 1, 10) == 1 && found == *(char *)context);
}

static void in_order_of_arrival(void **unused)
{
	(void)unused;
	need_waiting_writes();
	for (int round = 0; round < 10; round++) {
		struct access access = access_of(call_write, 10, 1, 0);
		struct job *lockers[3];
		int intruders[3];
		char bytes[3];

		lock_all();
		for (int i = 0; i < 3; i++) {
			access.byte = (char)('1' + i);
			intruders[i] = intrude(&access);
			expect_waiting(2 * i + 1);
			bytes[i] = (char)('a' + i);
			assert_non_null(lockers[i] = job_start(lock_in_turn, &bytes[i]));
			expect_waiting(2 * i + 2);
		}
		worker_replace(&mandatory_mount);
		expect_waiting(6);
		unlock_all();
		for (int i = 0; i < 3; i++) {
			/* all writes queued before the lock, and none queued after it */
			assert_true(wait_for(atomic_load(&lockers[i]->steps) > 0));
			assert_int_equal(atomic_load(&lockers[i]->steps), '1' + i);
			assert_int_equal(result_of(intruders[i]), 1);
			if (round % 2)
				worker_replace(&mandatory_mount);
			assert_int_equal(job_end(&lockers[i]), 0);
		}
		put_all('o');
	}
}

/* --- at every point --- */

/*
 * The lock is released, a large write proceeds, then the next owner has the lock: its bytes stay, however
 * often the write was replayed.
 */
static void giving_up_at_every_point(void **unused)
{
	bool killed = true;
	unsigned int n;

	(void)unused;
	need_waiting_writes();
	for (n = 1; killed && n < POINTS; n++) {
		const struct access write = access_of(call_write, 0, LARGE, 'w');
		const struct access truncate = access_of(call_truncate, LARGE, 0, 0);
		struct killpoint point;
		struct job *locker;
		char byte = 'l';
		int intruders[2];

		lock_all();
		intruders[0] = intrude(&write);
		expect_waiting(1);
		assert_non_null(locker = job_start(lock_in_turn, &byte));
		expect_waiting(2);
		assert_int_equal(killpoint_set(&point, &mandatory_mount, n), 0);
		unlock_all();
		if (!wait_for(atomic_load(&locker->steps) > 0))
			fail_msg("point %u: the lock is not granted", n);
		if (atomic_load(&locker->steps) != 'w')
			fail_msg("point %u: the lock came before the write", n);
		assert_int_equal(result_of(intruders[0]), LARGE);
		killed = killpoint_end(&point, &mandatory_mount);
		/* in the store: the test does not own the lock */
		expect_stored(0, 10, 'w');
		expect_stored(10, 1, 'l');
		expect_stored(11, LARGE - 11, 'w');
		intruders[1] = intrude(&truncate);
		assert_int_equal(result_of(intruders[1]), 0);
		if (job_end(&locker) < 0)
			fail_msg("point %u", n);
		put_back();
		if (n_waiting() != 0)
			fail_msg("point %u: somebody still waits", n);
	}
	print_message("%u kills\n", n - 1);
	assert_true(n > 5 && n < POINTS);
}

/* --- a storm --- */

#define STORM_CLIENTS 6
#define STORM_KILLS   12
#define STORM_BYTES   4096

/*
 * Locks a range and checks that nobody changes it; or, without a lock, writes, reads or resizes. Under a lock
 * the pattern is always one client's.
 */
static void storm(struct job *job, void *context)
{
	unsigned int self = *(unsigned int *)context;
	unsigned int seed = self * 7919 + 1;
	int fd = open(segment, O_RDWR | O_CLOEXEC);
	char bytes[STORM_BYTES];
	char found[STORM_BYTES];

	job_must(job, fd >= 0);
	while (!atomic_load(&job->stop)) {
		off_t at = (off_t)((unsigned int)rand_r(&seed) % 4) * 1000;
		size_t size = 1 + (size_t)((unsigned int)rand_r(&seed) % 1000);

		memset(bytes, (int)('A' + self), sizeof(bytes));
		if (self % 2 == 0) {
			int get = rand_r(&seed) % 2 ? F_SETLKW : F_OFD_SETLKW;
			int give = get == F_SETLKW ? F_SETLK : F_OFD_SETLK;

			job_must(job, lock_bytes(fd, get, F_WRLCK, at, (off_t)size) == 0);
			job_must(job, pwrite(fd, bytes, size, at) == (ssize_t)size);
			for (int i = 0; i < 3; i++) {
				job_must(job, pread(fd, found, size, at) == (ssize_t)size);
				job_must(job, memcmp(bytes, found, size) == 0);
			}
			job_must(job, lock_bytes(fd, give, F_UNLCK, at, (off_t)size) == 0);
		} else if (rand_r(&seed) % 2) {
			job_must(job, pwrite(fd, bytes, size, at) == (ssize_t)size);
		} else {
			job_must(job, pread(fd, found, size, at) == (ssize_t)size);
		}
		atomic_fetch_add(&job->steps, 1);
	}
}

static void nobody_changes_what_is_locked(void **unused)
{
	static unsigned int numbers[STORM_CLIENTS];
	struct job *jobs[STORM_CLIENTS];
	bool went_on = true;
	int failed = 0;

	(void)unused;
	need_waiting_writes();
	for (unsigned int i = 0; i < STORM_CLIENTS; i++) {
		numbers[i] = i;
		assert_non_null(jobs[i] = job_start(storm, &numbers[i]));
	}
	for (int kills = 0; kills < STORM_KILLS && went_on; kills++) {
		for (int i = 0; i < STORM_CLIENTS && went_on; i++) {
			went_on = job_goes_on(jobs[i], 20);
			if (!went_on)
				print_message("client %d does not go on after %d kills\n", i, kills);
		}
		if (went_on)
			worker_replace(&mandatory_mount);
	}
	for (int i = 0; i < STORM_CLIENTS; i++)
		failed += job_end(&jobs[i]) < 0;
	assert_true(went_on);
	assert_int_equal(failed, 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, mandatory_tear_down)

int main(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(each_of_them),
		CASE(given_up_without_worker),
		CASE(ended_without_worker),
		CASE(in_order_of_arrival),
		CASE(giving_up_at_every_point),
		CASE(nobody_changes_what_is_locked),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	intruders_setup(&mandatory_mount);
	failed = run_in_mode("direct", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			     mandatory_stop);
	failed += run_in_mode("relayed", cases, sizeof(cases) / sizeof(cases[0]), mandatory_start,
			      mandatory_stop);
	return failed;
}
