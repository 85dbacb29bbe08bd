// SPDX-License-Identifier: MIT
/*
 * Waits for locks: deadlocks are detected and no waiter is forgotten, whoever keeps the locks. Where segfs
 * does, they are also granted in order of arrival, and cycles through any reader are found; the kernel
 * promises neither.
 */
#include "tests/lib/job.h"
#include "tests/lib/locker.h"
#include "tests/lib/lockstorm.h"
#include "tests/lib/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILES  10
#define ROUNDS (int)rounds_of(20)

#define COUNT(cases) (sizeof(cases) / sizeof((cases)[0]))

static struct mount mount;
static bool on_tmpfs; /* the cases are run on the store itself */

static const char *at(int number)
{
	return path_of("%s/%d", on_tmpfs ? mount.store : mount.path, number);
}

/* Lockers 0 to n - 1, slot N of each being file N. */
static void start_lockers(int n)
{
	lockers_start((unsigned int)n);
	for (int i = 0; i < n; i++)
		for (int file = 0; file < FILES; file++)
			locker_open(i, file, at(file), O_RDWR | O_CREAT);
}

static void lock(int locker, int file, int type)
{
	assert_int_equal(locker_lock(locker, file, F_SETLK, type, 0, 10), 0);
}

static void begin(int locker, int file, int type)
{
	locker_begin_lock(locker, file, F_SETLKW, type, 0, 10);
}

static void begin_waiting(int locker, int file, int type)
{
	begin(locker, file, type);
	assert_true(locker_waits(locker));
}

/* --- deadlocks --- */

/* Each remaining waiter gets the lock after its predecessor has released its own. */
static void unwind(int n, int loser)
{
	for (int i = 1, who = loser; i < n; i++) {
		lock(who, who, F_UNLCK);
		who = (who + n - 1) % n;
		assert_int_equal(locker_result(who), 0);
		lock(who, (who + 1) % n, F_UNLCK);
	}
	lock((loser + 1) % n, (loser + 1) % n, F_UNLCK);
}

/* Each has locked one file, and requests that of the next one. */
static void ring(int n, bool one_after_another)
{
	int all[FILES] = {0};
	int loser;

	for (int i = 0; i < n; i++) {
		lock(i, i, F_WRLCK);
		all[i] = i;
	}
	for (int i = 0; i < n; i++) {
		begin(i, (i + 1) % n, F_WRLCK);
		if (one_after_another && i < n - 1)
			assert_true(locker_waits(i));
	}
	loser = locker_first_answered(all, n);
	assert_in_range(loser, 0, n - 1);
	if (one_after_another)
		assert_int_equal(loser, n - 1);
	assert_int_equal(locker_result(loser), -EDEADLK);
	/* the only one */
	for (int i = 0; i < n; i++)
		assert_true(i == loser || locker_waits(i));
	unwind(n, loser);
}

static void rings(void **unused)
{
	static const int sizes[] = {2, 3, 10};

	(void)unused;
	start_lockers(10);
	for (int i = 0; i < 3; i++) {
		ring(sizes[i], true);
		for (int round = 0; round < ROUNDS; round++)
			ring(sizes[i], false);
	}
}

/* All holders of a shared lock conflict: a cycle may go through any of them. */
static void circles_through_readers(void **unused)
{
	(void)unused;
	start_lockers(4);
	for (int closing = 0; closing < 3; closing++) {
		for (int i = 0; i < 3; i++)
			lock(i, 0, F_RDLCK);
		lock(3, 1, F_WRLCK);
		begin_waiting(3, 0, F_WRLCK);
		begin(closing, 1, F_RDLCK);
		assert_int_equal(locker_result(closing), -EDEADLK);
		for (int i = 0; i < 3; i++)
			lock(i, 0, F_UNLCK);
		assert_int_equal(locker_result(3), 0);
		lock(3, 0, F_UNLCK);
		lock(3, 1, F_UNLCK);
	}
}

/* Two holders of the same shared lock that both upgrade. */
static void upgrades(void **unused)
{
	(void)unused;
	start_lockers(2);
	lock(0, 0, F_RDLCK);
	lock(1, 0, F_RDLCK);
	begin_waiting(0, 0, F_WRLCK);
	begin(1, 0, F_WRLCK);
	assert_int_equal(locker_result(1), -EDEADLK);
	lock(1, 0, F_UNLCK);
	assert_int_equal(locker_result(0), 0);
}

/* No cycles, though similar. */
static void no_deadlocks(void **unused)
{
	(void)unused;
	start_lockers(10);
	/* a chain, closed by a process that waits for nobody in it */
	for (int i = 0; i < 10; i++)
		lock(i, i, F_WRLCK);
	for (int i = 0; i < 9; i++)
		begin_waiting(i, i + 1, F_WRLCK);
	assert_int_equal(locker_lock(9, 0, F_SETLK, F_WRLCK, 0, 10), -EAGAIN);
	assert_int_equal(locker_lock(9, 0, F_SETLKW, F_WRLCK, 10, 10), 0);
	for (int i = 9; i > 0; i--) {
		lock(i, i, F_UNLCK);
		assert_int_equal(locker_result(i - 1), 0);
		lock(i - 1, i, F_UNLCK);
	}
	lock(0, 0, F_UNLCK);
	lock(9, 0, F_UNLCK);
	/* two waiters for the same process */
	lock(0, 0, F_WRLCK);
	lock(1, 1, F_WRLCK);
	begin_waiting(1, 0, F_WRLCK);
	begin_waiting(2, 0, F_WRLCK);
	lock(0, 2, F_WRLCK);
	begin_waiting(3, 1, F_WRLCK);
	lock(0, 0, F_UNLCK);
	assert_int_equal(locker_result(1), 0);
	lock(1, 0, F_UNLCK);
	assert_int_equal(locker_result(2), 0);
	lock(1, 1, F_UNLCK);
	assert_int_equal(locker_result(3), 0);
}

/* --- turns --- */

static void give_up(int locker, bool flocks)
{
	if (flocks)
		assert_int_equal(locker_flock(locker, 0, LOCK_UN), 0);
	else
		assert_int_equal(locker_lock(locker, 0, F_SETLK, F_UNLCK, 0, 0), 0);
}

static void begin_turn(int locker, bool flocks, int type)
{
	if (flocks)
		locker_begin_flock(locker, 0, type == F_WRLCK ? LOCK_EX : LOCK_SH);
	else
		locker_begin_lock(locker, 0, F_SETLKW, type, 0, 10);
}

static void begin_waiting_turn(int locker, bool flocks, int type)
{
	begin_turn(locker, flocks, type);
	assert_true(locker_waits(locker));
}

static void in_order_of_arrival(void **unused)
{
	static const int order[] = {3, 1, 4, 9, 2, 6, 5, 8, 7};
	int all[9];

	(void)unused;
	start_lockers(10);
	for (int flocks = 0; flocks < 2; flocks++) {
		begin_turn(0, flocks, F_WRLCK);
		assert_int_equal(locker_result(0), 0);
		for (int i = 0; i < 9; i++) {
			begin_waiting_turn(order[i], flocks, F_WRLCK);
			all[i] = order[i];
		}
		give_up(0, flocks);
		for (int i = 0; i < 9; i++) {
			assert_int_equal(locker_first_answered(all + i, 9 - i), order[i]);
			assert_int_equal(locker_result(order[i]), 0);
			/* alone */
			for (int other = i + 1; other < 9; other++)
				assert_false(locker_has_answer(order[other]));
			give_up(order[i], flocks);
		}
	}
}

/* A later reader does not overtake a waiting writer; adjacent readers get the lock together. */
static void readers_do_not_pass_writers(void **unused)
{
	(void)unused;
	start_lockers(6);
	for (int flocks = 0; flocks < 2; flocks++) {
		begin_turn(0, flocks, F_RDLCK);
		assert_int_equal(locker_result(0), 0);
		begin_waiting_turn(1, flocks, F_WRLCK);
		begin_waiting_turn(2, flocks, F_RDLCK);
		begin_waiting_turn(3, flocks, F_RDLCK);
		begin_waiting_turn(4, flocks, F_WRLCK);
		begin_waiting_turn(5, flocks, F_RDLCK);
		give_up(0, flocks);
		assert_int_equal(locker_result(1), 0);
		assert_true(locker_waits(2) && locker_waits(3) && locker_waits(4) && locker_waits(5));
		give_up(1, flocks);
		assert_int_equal(locker_result(2), 0);
		assert_int_equal(locker_result(3), 0);
		assert_true(locker_waits(4) && locker_waits(5));
		give_up(3, flocks);
		assert_true(locker_waits(4) && locker_waits(5));
		give_up(2, flocks);
		assert_int_equal(locker_result(4), 0);
		assert_true(locker_waits(5));
		give_up(4, flocks);
		assert_int_equal(locker_result(5), 0);
		give_up(5, flocks);
	}
}

/* A waiter that gives up unblocks those behind it. */
static void behind_one_that_goes(void **unused)
{
	(void)unused;
	start_lockers(4);
	for (int flocks = 0; flocks < 2; flocks++) {
		begin_turn(0, flocks, F_RDLCK);
		assert_int_equal(locker_result(0), 0);
		begin_waiting_turn(1, flocks, F_WRLCK);
		begin_waiting_turn(2, flocks, F_RDLCK);
		locker_signal(1, LOCKER_INTERRUPT);
		assert_int_equal(locker_result(1), -EINTR);
		assert_int_equal(locker_result(2), 0);
		give_up(2, flocks);
		/* and so does its death */
		locker_start(5);
		locker_open(5, 0, at(0), O_RDWR);
		begin_waiting_turn(5, flocks, F_WRLCK);
		begin_waiting_turn(3, flocks, F_RDLCK);
		locker_kill(5);
		assert_int_equal(locker_result(3), 0);
		give_up(3, flocks);
		give_up(0, flocks);
	}
}

/*
 * Queueing must not cause a deadlock: a process with a lock that others wait for gets a shared one at once,
 * whoever waits for it. Also if its locks belong to several descriptions, or are of both kinds.
 */
static void holders_do_not_queue(int kinds)
{
	const bool first_flocks = kinds & 1;
	const bool second_flocks = kinds & 2;

	/* 0 reads file 0, 1 waits to write it */
	begin_turn(0, second_flocks, F_RDLCK);
	assert_int_equal(locker_result(0), 0);
	begin_waiting_turn(1, second_flocks, F_WRLCK);
	/* 2 has file 1, for which 0 waits, and requests a read lock of file 0 */
	if (first_flocks)
		assert_int_equal(locker_flock(2, 1, LOCK_EX), 0);
	else
		lock(2, 1, F_WRLCK);
	if (first_flocks)
		locker_begin_flock(0, 1, LOCK_EX);
	else
		begin(0, 1, F_WRLCK);
	assert_true(locker_waits(0));
	begin_turn(2, second_flocks, F_RDLCK);
	if (!locker_is_answered(2))
		fail_msg("a holder of %s is kept waiting for %s", first_flocks ? "flock" : "fcntl",
			 second_flocks ? "flock" : "fcntl");
	assert_int_equal(locker_result(2), 0);
	give_up(2, second_flocks);
	if (first_flocks)
		assert_int_equal(locker_flock(2, 1, LOCK_UN), 0);
	else
		lock(2, 1, F_UNLCK);
	assert_int_equal(locker_result(0), 0);
	if (first_flocks)
		assert_int_equal(locker_flock(0, 1, LOCK_UN), 0);
	else
		lock(0, 1, F_UNLCK);
	give_up(0, second_flocks);
	assert_int_equal(locker_result(1), 0);
	give_up(1, second_flocks);
}

static void holders_of_ranges(void **unused)
{
	(void)unused;
	start_lockers(3);
	holders_do_not_queue(0);
}

static void holders_of_whole_files(void **unused)
{
	(void)unused;
	start_lockers(3);
	holders_do_not_queue(3);
}

static void holders_of_both_kinds(void **unused)
{
	(void)unused;
	start_lockers(3);
	holders_do_not_queue(1);
	holders_do_not_queue(2);
}

/* --- starvation --- */

struct readers {
	char path[PATH_MAX];
	bool flocks;
	atomic_int *inside;
};

/*
 * Holds the lock until another one is there, too, or for some milliseconds: without queueing there would
 * always be one.
 */
static void read_on_and_on(struct job *job, void *context)
{
	struct readers *readers = context;
	struct flock range = {.l_type = F_RDLCK, .l_len = 10};
	int fd = open(readers->path, O_RDWR | O_CLOEXEC);

	job_must(job, fd >= 0);
	while (!atomic_load(&job->stop)) {
		struct timespec now;
		struct timespec end;

		range.l_type = F_RDLCK;
		job_must(job, (readers->flocks ? flock(fd, LOCK_SH) : fcntl(fd, F_SETLKW, &range)) == 0);
		atomic_fetch_add(readers->inside, 1);
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += end.tv_nsec > 990000000;
		end.tv_nsec = (end.tv_nsec + 10000000) % 1000000000;
		do
			clock_gettime(CLOCK_MONOTONIC, &now);
		while (atomic_load(readers->inside) < 2 &&
		       (now.tv_sec < end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec)));
		atomic_fetch_sub(readers->inside, 1);
		range.l_type = F_UNLCK;
		job_must(job, (readers->flocks ? flock(fd, LOCK_UN) : fcntl(fd, F_SETLK, &range)) == 0);
		atomic_fetch_add(&job->steps, 1);
	}
}

static void writers_do_not_starve(void **unused)
{
	struct readers readers = {.inside = mmap(NULL, sizeof(atomic_int), PROT_READ | PROT_WRITE,
						 MAP_SHARED | MAP_ANONYMOUS, -1, 0)};

	(void)unused;
	assert_ptr_not_equal(readers.inside, MAP_FAILED);
	snprintf(readers.path, sizeof(readers.path), "%s", at(0));
	start_lockers(1);
	for (int flocks = 0; flocks < 2; flocks++) {
		struct job *jobs[4];
		bool good = true;
		int turns = 0;

		readers.flocks = flocks;
		for (int i = 0; i < 4; i++)
			jobs[i] = job_start(read_on_and_on, &readers);
		for (int i = 0; i < 4; i++)
			good = good && jobs[i] && job_goes_on(jobs[i], 10);
		while (good && turns < 20) {
			begin_turn(0, flocks, F_WRLCK);
			good = locker_is_answered(0);
			if (!good)
				break;
			good = locker_result(0) == 0 && atomic_load(readers.inside) == 0;
			turns++;
			give_up(0, flocks);
			/* nor do the readers */
			for (int i = 0; i < 4; i++)
				good = good && job_goes_on(jobs[i], 1);
		}
		for (int i = 0; i < 4; i++)
			assert_int_equal(job_end(&jobs[i]), 0);
		assert_int_equal(turns, 20);
		assert_true(good);
	}
	munmap(readers.inside, sizeof(atomic_int));
}

static void run_storm(bool interrupts)
{
	const struct deadline deadline = deadline_in(1);
	struct lockstorm storm;
	bool goes_on = lockstorm_start(&storm, at(0), interrupts) == 0;
	unsigned long sum = 0;

	while (goes_on && milliseconds_until(&deadline) > 0)
		goes_on = lockstorm_goes_on(&storm, 20);
	for (int i = 0; i < STORM_JOBS && goes_on; i++)
		sum += atomic_load(&storm.jobs[i]->steps);
	assert_int_equal(lockstorm_end(&storm), 0);
	assert_true(goes_on);
	print_message("%lu locks\n", sum);
}

static void storm(void **unused)
{
	(void)unused;
	run_storm(false);
}

static void storm_of_interrupts(void **unused)
{
	(void)unused;
	run_storm(true);
}

/* --- groups --- */

static int start(const char *mode)
{
	struct mount_spec spec = {.tag = mode};

	on_tmpfs = strcmp(mode, "tmpfs") == 0;
	if (!on_tmpfs)
		spec.options = mode_options(mode);
	return mount_start(&mount, &spec);
}

static int end_case(void **unused)
{
	(void)unused;
	lockers_end();
	for (int i = 0; i < FILES; i++)
		unlink(at(i));
	return mount_verify(&mount, 0);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function) cmocka_unit_test_teardown(function, end_case)

int main(void)
{
	static const struct CMUnitTest everywhere[] = {
		CASE(storm),
		CASE(storm_of_interrupts),
		CASE(rings),
		CASE(upgrades),
		CASE(no_deadlocks),
		CASE(holders_of_ranges),
		CASE(holders_of_whole_files),
		CASE(holders_of_both_kinds),
	};
	static const struct CMUnitTest kept[] = {
		CASE(circles_through_readers), CASE(in_order_of_arrival),   CASE(readers_do_not_pass_writers),
		CASE(behind_one_that_goes),    CASE(writers_do_not_starve),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	failed = run_in_mode("tmpfs", everywhere, COUNT(everywhere), start, stop);
	failed += run_in_mode("usual", everywhere, COUNT(everywhere), start, stop);
	failed += run_in_mode("usual-mand", everywhere, COUNT(everywhere), start, stop);
	failed += run_in_mode("usual-mand", kept, COUNT(kept), start, stop);
	failed += run_in_mode("mediated-mand", everywhere, 1, start, stop);
	failed += run_in_mode("relayed-mand", everywhere, 1, start, stop);
	return failed;
}
