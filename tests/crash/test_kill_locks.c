// SPDX-License-Identifier: MIT
/*
 * Locks across worker deaths: held locks keep their owners, waiters keep their turn, and nobody gets an
 * error. Also if a process is interrupted or killed while there is no worker, and at each point of each
 * operation.
 */
#include "tests/lib/killpoint.h"
#include "tests/lib/leaks.h"
#include "tests/lib/locker.h"
#include "tests/lib/lockstorm.h"
#include "tests/lib/lockwalk.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define WALK_STEPS 1500
#define WALK_KILLS 40                 /* one in so many steps */
#define KILLS      (int)rounds_of(40) /* in the storm */
#define POINTS_MAX 300                /* more than any operation makes */

static struct mount mount;
static bool keeps_locks; /* segfs does, not the kernel */
static const char *file;

#define OBSERVER 14 /* a locker without locks: neither the test nor the next worker opens the file */

enum way {
	BY_PROCESS,
	BY_DESCRIPTION,
	BY_FLOCK,
	WAYS,
};

static const char *const ways[] = {"process", "description", "flock"};

/* --- taking locks --- */

static void begin_take(int locker, enum way way)
{
	if (way == BY_FLOCK)
		locker_begin_flock(locker, 0, LOCK_EX);
	else
		locker_begin_lock(locker, 0, way == BY_PROCESS ? F_SETLKW : F_OFD_SETLKW, F_WRLCK, 0, 10);
}

static void begin_waiting(int locker, enum way way)
{
	begin_take(locker, way);
	assert_true(locker_waits(locker));
}

static void take(int locker, enum way way)
{
	begin_take(locker, way);
	assert_int_equal(locker_result(locker), 0);
}

static int try_to_take(int locker, enum way way)
{
	if (way == BY_FLOCK)
		return locker_flock(locker, 0, LOCK_EX | LOCK_NB);
	return locker_lock(locker, 0, way == BY_PROCESS ? F_SETLK : F_OFD_SETLK, F_WRLCK, 0, 10);
}

static void begin_give_up(int locker, enum way way)
{
	if (way == BY_FLOCK)
		locker_begin_flock(locker, 0, LOCK_UN);
	else
		locker_begin_lock(locker, 0, way == BY_PROCESS ? F_SETLK : F_OFD_SETLK, F_UNLCK, 0, 0);
}

static void give_up(int locker, enum way way)
{
	begin_give_up(locker, way);
	assert_int_equal(locker_result(locker), 0);
}

static void expect_range(off_t from, int type, off_t start, off_t length, int locker)
{
	const struct locker_command command = {
		.action = LOCKER_FCNTL,
		.argument = F_GETLK,
		.lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from},
	};
	struct locker_answer answer = locker_call(OBSERVER, &command);

	assert_int_equal(answer.result, 0);
	assert_int_equal(answer.lock.l_type, type);
	if (type == F_UNLCK)
		return;
	assert_int_equal(answer.lock.l_start, start);
	assert_int_equal(answer.lock.l_len, length);
	assert_int_equal(answer.lock.l_pid, locker_pid(locker));
}

static void expect_no_range(off_t from)
{
	expect_range(from, F_UNLCK, 0, 0, 0);
}

static void expect_flock(int type)
{
	assert_int_equal(locker_flock(OBSERVER, 0, LOCK_SH | LOCK_NB), type == F_WRLCK ? -EWOULDBLOCK : 0);
	assert_int_equal(locker_flock(OBSERVER, 0, LOCK_EX | LOCK_NB), type == F_UNLCK ? 0 : -EWOULDBLOCK);
	assert_int_equal(locker_flock(OBSERVER, 0, LOCK_UN), 0);
}

static void expect_free(void)
{
	expect_no_range(0);
	expect_flock(F_UNLCK);
}

/* --- no worker --- */

static char state_of(pid_t pid)
{
	char text[1024];
	const char *end;

	if (read_text(path_of("/proc/%d/stat", pid), text, sizeof(text)) <= 0)
		return 'X';
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : 'X';
}

/* No worker starts from here on. */
static void stop_supervisor(void)
{
	check(kill(mount.supervisor, SIGSTOP));
	assert_true(wait_for(state_of(mount.supervisor) == 'T'));
}

static void continue_supervisor(void)
{
	check(kill(mount.supervisor, SIGCONT));
}

/* Kills the worker without a successor. Returns its pid. */
static pid_t without_worker(void)
{
	pid_t worker = worker_pid(&mount);

	stop_supervisor();
	worker_kill(&mount, worker);
	assert_true(wait_for(state_of(worker) == 'Z'));
	return worker;
}

static void with_worker(pid_t before)
{
	continue_supervisor();
	worker_wait_next(&mount, before);
}

/* --- the same as without deaths --- */

static void random_locks(void **unused)
{
	(void)unused;
	lockwalk(&mount, rounds_of(WALK_STEPS), WALK_KILLS);
}

static void run_storm(bool interrupts)
{
	struct lockstorm storm;
	bool goes_on = lockstorm_start(&storm, path_of("%s/storm", mount.path), interrupts) == 0;
	unsigned long sum = 0;
	int kills = 0;

	while (goes_on && kills < KILLS) {
		goes_on = lockstorm_goes_on(&storm, 3);
		worker_kill(&mount, worker_pid(&mount));
		kills++;
	}
	goes_on = goes_on && lockstorm_goes_on(&storm, 20);
	for (int i = 0; i < STORM_JOBS && goes_on; i++)
		sum += atomic_load(&storm.jobs[i]->steps);
	assert_int_equal(lockstorm_end(&storm), 0);
	assert_true(goes_on);
	print_message("%lu locks, %d kills\n", sum, kills);
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

/* --- turns --- */

/*
 * Ten waiters, some queued before a death, some while there is no worker, get the lock one by one, with
 * deaths in between.
 */
static void turns_are_kept(void **unused)
{
	static const int order[] = {7, 2, 9, 1, 10, 4, 3, 8, 6, 5};

	(void)unused;
	for (int i = 3; i <= 10; i++) {
		locker_start(i);
		locker_open(i, 0, file, O_RDWR);
	}
	for (enum way way = 0; way < WAYS; way++) {
		pid_t worker;

		take(0, way);
		for (int i = 0; i < 3; i++)
			begin_waiting(order[i], way);
		worker_replace(&mount);
		for (int i = 3; i < 5; i++)
			begin_waiting(order[i], way);
		worker = worker_stop(&mount);
		for (int i = 5; i < 7; i++)
			begin_waiting(order[i], way);
		worker_kill(&mount, worker);
		worker_wait_next(&mount, worker);
		worker = without_worker();
		for (int i = 7; i < 10; i++)
			begin_waiting(order[i], way);
		with_worker(worker);
		worker_replace(&mount);
		for (int i = 0; i < 10; i++)
			assert_false(locker_has_answer(order[i]));
		give_up(0, way);
		for (int i = 0; i < 10; i++) {
			int first = locker_first_answered(order + i, 10 - i);

			if (first != order[i])
				fail_msg("%s: turn %d is that of %d and comes to %d", ways[way], i, order[i],
					 first);
			assert_int_equal(locker_result(first), 0);
			if (i % 3 == 1)
				worker_replace(&mount);
			for (int other = i + 1; other < 10; other++)
				assert_false(locker_has_answer(order[other]));
			assert_int_equal(try_to_take(0, way), -EAGAIN);
			give_up(first, way);
		}
		expect_free();
	}
}

/* The first child of the supervisor other than `but`; 0 if there is none yet. */
static pid_t child_of_supervisor(pid_t but)
{
	char text[256];
	char *at = text;

	if (read_text(path_of("/proc/%d/task/%d/children", mount.supervisor, mount.supervisor), text,
		      sizeof(text)) <= 0)
		return 0;
	for (;;) {
		char *end;
		pid_t pid = (pid_t)strtol(at, &end, 10);

		if (end == at)
			return 0;
		if (pid != but && state_of(pid) != 'Z')
			return pid;
		at = end;
	}
}

/* Workers that die before, during and after the replay. */
static void turns_over_young_workers(void **unused)
{
	(void)unused;
	take(0, BY_PROCESS);
	take(0, BY_FLOCK);
	for (int i = 1; i <= 10; i++) {
		if (i > 2) {
			locker_start(i);
			locker_open(i, 0, file, O_RDWR);
		}
		begin_waiting(i, i % 2 ? BY_PROCESS : BY_FLOCK);
	}
	for (unsigned int i = 0; i < 30; i++) {
		pid_t worker = worker_pid(&mount);
		pid_t next = 0;
		int lines = 0;
		char text[4096];

		worker_kill(&mount, worker);
		assert_true(wait_for((next = child_of_supervisor(worker)) != 0));
		/* a delay counted in reads, too short for a timer */
		while (lines < (int)i * 20 && read_text("/proc/self/stat", text, sizeof(text)) > 0)
			lines++;
		if (is_child_of(next, mount.supervisor))
			kill(next, SIGKILL);
		worker_wait_next(&mount, next);
	}
	give_up(0, BY_FLOCK);
	give_up(0, BY_PROCESS);
	for (int i = 1; i <= 10; i++) {
		enum way way = i % 2 ? BY_PROCESS : BY_FLOCK;

		assert_int_equal(locker_result(i), 0);
		for (int later = i + 2; later <= 10; later += 2)
			assert_false(locker_has_answer(later));
		give_up(i, way);
	}
	expect_free();
}

/* --- while nobody serves --- */

static void interrupted(bool dead)
{
	for (enum way way = 0; way < WAYS; way++) {
		pid_t worker;

		take(0, way);
		begin_waiting(1, way);
		begin_waiting(2, way);
		worker = dead ? without_worker() : worker_stop(&mount);
		locker_signal(1, LOCKER_INTERRUPT);
		if (dead)
			with_worker(worker);
		else
			worker_continue(&mount, worker);
		assert_int_equal(locker_result(1), -EINTR);
		assert_true(locker_waits(2));
		give_up(0, way);
		assert_int_equal(locker_result(2), 0);
		give_up(2, way);
		expect_free();
	}
	assert_false(log_has(&mount, "refused by the kernel"));
}

static void interrupted_while_stopped(void **unused)
{
	(void)unused;
	interrupted(false);
}

static void interrupted_while_dead(void **unused)
{
	(void)unused;
	interrupted(true);
}

/* An interrupted waiter that repeats its call is queued last. */
static void restarted_while_dead(void **unused)
{
	(void)unused;
	for (enum way way = 0; way < WAYS; way++) {
		static const int both[] = {1, 2};
		pid_t worker;

		take(0, way);
		begin_waiting(1, way);
		begin_waiting(2, way);
		worker = without_worker();
		locker_signal(1, LOCKER_RESTART);
		with_worker(worker);
		worker_replace(&mount);
		assert_true(locker_waits(1) && locker_waits(2));
		give_up(0, way);
		for (int i = 0; i < 2; i++) {
			int first = locker_first_answered(both, 2);

			assert_in_range(first, 1, 2);
			assert_int_equal(locker_result(first), 0);
			assert_int_equal(try_to_take(0, way), -EAGAIN);
			give_up(first, way);
		}
		expect_free();
	}
}

static void waiters_killed(bool dead)
{
	/* its descriptor is shared, so nothing is closed when it ends */
	const struct locker_command fork_it = {.action = LOCKER_FORK, .argument = 5};

	for (enum way way = 0; way < WAYS; way++) {
		pid_t worker;

		take(0, way);
		assert_true(locker_call(2, &fork_it).result > 0);
		begin_waiting(5, way);
		begin_waiting(2, way);
		worker = dead ? without_worker() : worker_stop(&mount);
		/* another one, whose request no worker has read */
		begin_waiting(1, way);
		locker_signal(5, SIGKILL);
		locker_signal(1, LOCKER_INTERRUPT);
		if (dead)
			with_worker(worker);
		else
			worker_continue(&mount, worker);
		locker_collect(5);
		assert_int_equal(locker_result(1), -EINTR);
		assert_true(locker_waits(2));
		give_up(0, way);
		assert_int_equal(locker_result(2), 0);
		give_up(2, way);
		expect_free();
	}
}

static void waiters_killed_while_stopped(void **unused)
{
	(void)unused;
	waiters_killed(false);
}

static void waiters_killed_while_dead(void **unused)
{
	(void)unused;
	waiters_killed(true);
}

static void owners_killed_while_dead(void **unused)
{
	(void)unused;
	for (enum way way = 0; way < WAYS; way++) {
		pid_t worker;

		locker_start(5);
		locker_open(5, 0, file, O_RDWR);
		take(5, way);
		begin_waiting(1, way);
		worker = without_worker();
		locker_signal(5, SIGKILL);
		if (keeps_locks)
			assert_false(locker_has_answer(1));
		with_worker(worker);
		locker_collect(5);
		assert_int_equal(locker_result(1), 0);
		/* without waiters */
		worker = without_worker();
		locker_signal(1, SIGKILL);
		with_worker(worker);
		locker_collect(1);
		expect_free();
		locker_start(1);
		locker_open(1, 0, file, O_RDWR);
	}
}

/* Released while there is no worker. */
static void given_up_while_dead(void **unused)
{
	(void)unused;
	for (enum way way = 0; way < WAYS; way++) {
		pid_t worker;

		take(0, way);
		begin_waiting(1, way);
		worker = without_worker();
		begin_give_up(0, way);
		if (keeps_locks) {
			assert_true(locker_waits(0));
			begin_waiting(2, way);
			with_worker(worker);
			assert_int_equal(locker_result(0), 0);
			assert_int_equal(locker_result(1), 0);
		} else {
			assert_int_equal(locker_result(0), 0);
			assert_int_equal(locker_result(1), 0);
			begin_waiting(2, way);
			with_worker(worker);
		}
		assert_true(locker_waits(2));
		give_up(1, way);
		assert_int_equal(locker_result(2), 0);
		give_up(2, way);
		expect_free();
	}
}

/* The second waiter gets the lock unless the first one has it. Returns whether there is a further point. */
static bool interrupt_when_served(unsigned int n, enum way way, int number, unsigned int *interrupts)
{
	static const int both[] = {1, 2};
	struct killpoint point;
	int result = 0;

	take(0, way);
	begin_waiting(1, way);
	begin_waiting(2, way);
	assert_int_equal(killpoint_set(&point, &mount, n), 0);
	stop_supervisor();
	begin_give_up(0, way);
	assert_true(wait_for(killpoint_killed(&point) || (locker_has_answer(0) && locker_has_answer(1))));
	locker_signal(1, number);
	continue_supervisor();
	assert_int_equal(locker_result(0), 0);
	if (number == SIGKILL) {
		locker_collect(1);
		locker_start(1);
		locker_open(1, 0, file, O_RDWR);
	} else if (number == LOCKER_RESTART && locker_first_answered(both, 2) == 2) {
		/* a repeated call is queued last */
		assert_int_equal(locker_result(2), 0);
		assert_true(locker_waits(1));
		give_up(2, way);
		assert_int_equal(locker_result(1), 0);
		give_up(1, way);
		return killpoint_end(&point, &mount);
	} else {
		result = locker_result(1);
		if (result == 0) {
			assert_true(locker_waits(2));
			give_up(1, way);
		} else {
			assert_int_equal(result, -EINTR);
			++*interrupts;
		}
	}
	if (!locker_is_answered(2))
		fail_msg("%s, point %u: the first is told %s, and the second does not get the lock",
			 ways[way], n, strerror(-result));
	assert_int_equal(locker_result(2), 0);
	give_up(2, way);
	return killpoint_end(&point, &mount);
}

/*
 * The worker dies at each point of granting a lock, and the waiter is interrupted before the next worker
 * starts. Either it has the lock and its call succeeds, or it gets EINTR and does not have the lock.
 */
static void interrupted_when_served(int number)
{
	unsigned int interrupts = 0;
	unsigned int sum = 0;

	for (enum way way = 0; way < WAYS; way++) {
		unsigned int n = 1;

		while (interrupt_when_served(n, way, number, &interrupts) && n < POINTS_MAX)
			n++;
		assert_true(n > 4 && n < POINTS_MAX);
		sum += n - 1;
	}
	assert_true(number == LOCKER_INTERRUPT || interrupts == 0);
	print_message("%u kills, %u interrupts\n", sum, interrupts);
	expect_free();
}

static void interrupted_with_a_lock(void **unused)
{
	(void)unused;
	interrupted_when_served(LOCKER_INTERRUPT);
}

static void restarted_with_a_lock(void **unused)
{
	(void)unused;
	interrupted_when_served(LOCKER_RESTART);
}

static void killed_with_a_lock(void **unused)
{
	(void)unused;
	interrupted_when_served(SIGKILL);
}

/* --- each point of each operation --- */

static int set(int locker, int type, off_t start, off_t length)
{
	return locker_lock(locker, 0, F_SETLK, type, start, length);
}

static void must_set(int locker, int type, off_t start, off_t length)
{
	assert_int_equal(set(locker, type, start, length), 0);
}

static void hold_hundred(void)
{
	must_set(0, F_WRLCK, 0, 100);
}

static void hold_shared_hundred(void)
{
	must_set(0, F_RDLCK, 0, 100);
}

static void hold_two(void)
{
	must_set(0, F_WRLCK, 0, 40);
	must_set(0, F_WRLCK, 60, 40);
}

static void expect_hundred(void)
{
	expect_range(0, F_WRLCK, 0, 100, 0);
	expect_no_range(100);
}

static void expect_two(void)
{
	expect_range(0, F_WRLCK, 0, 40, 0);
	expect_range(40, F_WRLCK, 60, 40, 0);
	expect_no_range(100);
}

static void expect_three(void)
{
	expect_range(0, F_WRLCK, 0, 40, 0);
	expect_range(40, F_RDLCK, 40, 20, 0);
	expect_range(60, F_WRLCK, 60, 40, 0);
	expect_no_range(100);
}

static void expect_three_upgraded(void)
{
	expect_range(0, F_RDLCK, 0, 40, 0);
	expect_range(40, F_WRLCK, 40, 20, 0);
	expect_range(60, F_RDLCK, 60, 40, 0);
	expect_no_range(100);
}

static void set_hundred(void)
{
	must_set(0, F_WRLCK, 0, 100);
}

static void wait_hundred(void)
{
	assert_int_equal(locker_lock(0, 0, F_SETLKW, F_WRLCK, 0, 100), 0);
}

static void split(void)
{
	must_set(0, F_UNLCK, 40, 20);
}

static void merge(void)
{
	must_set(0, F_WRLCK, 40, 20);
}

static void downgrade(void)
{
	must_set(0, F_RDLCK, 40, 20);
}

static void unlock(void)
{
	must_set(0, F_UNLCK, 0, 0);
}

static void refuse(void)
{
	assert_int_equal(set(1, F_RDLCK, 99, 2), -EAGAIN);
	assert_int_equal(locker_lock(1, 0, F_OFD_SETLK, F_WRLCK, 0, 1), -EAGAIN);
}

static void flock_exclusive(void)
{
	assert_int_equal(locker_flock(0, 0, LOCK_EX), 0);
}

static void flock_shared(void)
{
	assert_int_equal(locker_flock(0, 0, LOCK_SH), 0);
}

static void flock_unlock(void)
{
	assert_int_equal(locker_flock(0, 0, LOCK_UN), 0);
}

static void expect_exclusive(void)
{
	expect_flock(F_WRLCK);
}

static void expect_shared(void)
{
	expect_flock(F_RDLCK);
}

static void hold_hundred_with_two(void)
{
	hold_hundred();
	locker_open(0, 1, file, O_RDONLY);
}

static void close_second(void)
{
	locker_close(0, 1);
}

static void hold_of_description(void)
{
	locker_open(0, 1, file, O_RDWR);
	assert_int_equal(locker_lock(0, 1, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
	assert_int_equal(locker_lock(0, 1, F_OFD_SETLK, F_RDLCK, 20, 10), 0);
	assert_int_equal(locker_flock(0, 1, LOCK_EX), 0);
}

/* Released without a waiter, and in order nevertheless. */
static void close_description(void)
{
	locker_close(0, 1);
	assert_int_equal(locker_flock(1, 0, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(set(1, F_WRLCK, 0, 0), 0);
	assert_int_equal(set(1, F_UNLCK, 0, 0), 0);
	assert_int_equal(locker_flock(1, 0, LOCK_UN), 0);
}

static void one_waits(void)
{
	hold_hundred();
	locker_begin_lock(1, 0, F_SETLKW, F_WRLCK, 50, 10);
	assert_true(locker_waits(1));
	locker_begin_lock(2, 0, F_SETLKW, F_WRLCK, 50, 10);
	assert_true(locker_waits(2));
}

static void hand_over(void)
{
	unlock();
	assert_int_equal(locker_result(1), 0);
}

/* The second one too, and each releases it. */
static void end_handed_over(void)
{
	expect_range(0, F_WRLCK, 50, 10, 1);
	expect_no_range(60);
	assert_true(locker_waits(2));
	must_set(1, F_UNLCK, 0, 0);
	assert_int_equal(locker_result(2), 0);
	expect_range(0, F_WRLCK, 50, 10, 2);
	must_set(2, F_UNLCK, 0, 0);
	expect_free();
}

static void interrupt(void)
{
	locker_signal(1, LOCKER_INTERRUPT);
	assert_int_equal(locker_result(1), -EINTR);
}

static void end_interrupted(void)
{
	expect_hundred();
	assert_true(locker_waits(2));
	unlock();
	assert_int_equal(locker_result(2), 0);
	expect_range(0, F_WRLCK, 50, 10, 2);
	expect_no_range(60);
	must_set(2, F_UNLCK, 0, 0);
}

static void begin_second_wait(void)
{
	locker_begin_lock(1, 0, F_SETLKW, F_RDLCK, 50, 10);
	assert_true(locker_waits(1));
}

static void end_second_wait(void)
{
	expect_hundred();
	assert_true(locker_waits(1));
	unlock();
	assert_int_equal(locker_result(1), 0);
	expect_range(0, F_RDLCK, 50, 10, 1);
	expect_no_range(60);
	must_set(1, F_UNLCK, 0, 0);
}

static void hold_by_another(void)
{
	locker_start(5);
	locker_open(5, 0, file, O_RDWR);
	must_set(5, F_WRLCK, 0, 100);
	assert_int_equal(locker_flock(5, 0, LOCK_EX), 0);
	locker_begin_lock(1, 0, F_SETLKW, F_WRLCK, 50, 10);
	assert_true(locker_waits(1));
	locker_begin_flock(2, 0, LOCK_EX);
	assert_true(locker_waits(2));
}

static void kill_owner(void)
{
	locker_kill(5);
	assert_int_equal(locker_result(1), 0);
	assert_int_equal(locker_result(2), 0);
}

static void end_killed(void)
{
	expect_range(0, F_WRLCK, 50, 10, 1);
	expect_no_range(60);
	expect_exclusive();
	must_set(1, F_UNLCK, 0, 0);
	assert_int_equal(locker_flock(2, 0, LOCK_UN), 0);
}

static void half_a_circle(void)
{
	must_set(0, F_WRLCK, 0, 10);
	must_set(1, F_WRLCK, 20, 10);
	locker_begin_lock(1, 0, F_SETLKW, F_WRLCK, 5, 1);
	assert_true(locker_waits(1));
}

static void close_circle(void)
{
	assert_int_equal(locker_lock(0, 0, F_SETLKW, F_WRLCK, 25, 1), -EDEADLK);
}

static void end_circle(void)
{
	assert_true(locker_waits(1));
	unlock();
	assert_int_equal(locker_result(1), 0);
	expect_range(0, F_WRLCK, 5, 1, 1);
	expect_range(6, F_WRLCK, 20, 10, 1);
	must_set(1, F_UNLCK, 0, 0);
}

static const struct operation {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	void (*expect)(void); /* and releases locks except locker 0's */
} operations[] = {
	{"lock", NULL, set_hundred, expect_hundred},
	{"lock with waiting", NULL, wait_hundred, expect_hundred},
	{"lock once more", hold_hundred, set_hundred, expect_hundred},
	{"split", hold_hundred, split, expect_two},
	{"merge", hold_two, merge, expect_hundred},
	{"downgrade", hold_hundred, downgrade, expect_three},
	{"upgrade", hold_shared_hundred, merge, expect_three_upgraded},
	{"unlock", hold_two, unlock, expect_free},
	{"refuse", hold_hundred, refuse, expect_hundred},
	{"flock", NULL, flock_exclusive, expect_exclusive},
	{"flock up", flock_shared, flock_exclusive, expect_exclusive},
	{"flock down", flock_exclusive, flock_shared, expect_shared},
	{"flock unlock", flock_exclusive, flock_unlock, expect_free},
	{"flush", hold_hundred_with_two, close_second, expect_free},
	{"release", hold_of_description, close_description, expect_free},
	{"wait", hold_hundred, begin_second_wait, end_second_wait},
	{"hand over", one_waits, hand_over, end_handed_over},
	{"interrupt", one_waits, interrupt, end_interrupted},
	{"kill owner", hold_by_another, kill_owner, end_killed},
	{"deadlock", half_a_circle, close_circle, end_circle},
};

static void clear(void)
{
	for (int i = 0; i < 3; i++) {
		must_set(i, F_UNLCK, 0, 0);
		assert_int_equal(locker_flock(i, 0, LOCK_UN), 0);
	}
	expect_free();
}

/* Returns whether the worker was killed, that is, whether there is a further point. */
static bool try_point(const struct operation *operation, unsigned int n)
{
	struct killpoint point;
	bool killed;

	if (operation->prepare)
		operation->prepare();
	assert_int_equal(killpoint_set(&point, &mount, n), 0);
	operation->run();
	/* whatever follows a close(2) belongs to the operation as well */
	if (mount_verify(&mount, 4) < 0)
		fail_msg("%s, point %u", operation->name, n);
	killed = killpoint_end(&point, &mount);
	operation->expect();
	clear();
	if (mount_verify(&mount, 4) < 0 || !no_lost_descriptors(&mount))
		fail_msg("%s, after point %u", operation->name, n);
	return killed;
}

static void each_point(void **unused)
{
	const char *only = getenv("TEST_OPERATION");
	unsigned int sum = 0;

	(void)unused;
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		unsigned int n = 1;

		if (only && strcmp(operations[i].name, only) != 0)
			continue;
		print_message("%s\n", operations[i].name);
		while (try_point(&operations[i], n) && n < POINTS_MAX)
			n++;
		assert_true(n > 3 && n < POINTS_MAX);
		sum += n - 1;
	}
	print_message("%u kills\n", sum);
}

/* --- groups --- */

static int start(const char *mode)
{
	const struct mount_spec spec = {.tag = mode, .options = mode_options(mode)};

	if (mount_start(&mount, &spec) < 0)
		return -1;
	keeps_locks = mount_keeps_locks(&mount);
	return 0;
}

static int begin_case(void **unused)
{
	static char path[PATH_MAX];

	(void)unused;
	snprintf(path, sizeof(path), "%s", path_of("%s/file", mount.path));
	file = path;
	lockers_start(3);
	locker_start(OBSERVER);
	locker_open(OBSERVER, 0, file, O_RDWR | O_CREAT);
	for (int i = 0; i < 3; i++)
		locker_open(i, 0, file, O_RDWR);
	return 0;
}

static int end_case(void **unused)
{
	(void)unused;
	if (mount.supervisor > 1)
		kill(mount.supervisor, SIGCONT);
	lockers_end();
	return verify_nothing_lost(&mount);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

#define CASE(function)      cmocka_unit_test_setup_teardown(function, begin_case, end_case)
#define COUNT(cases)        (sizeof(cases) / sizeof((cases)[0]))
#define CASE_BARE(function) cmocka_unit_test_teardown(function, end_case)

int main(void)
{
	static const struct CMUnitTest everywhere[] = {
		CASE_BARE(random_locks),
		CASE_BARE(storm),
		CASE_BARE(storm_of_interrupts),
		CASE(interrupted_while_stopped),
		CASE(interrupted_while_dead),
		CASE(restarted_while_dead),
		CASE(waiters_killed_while_stopped),
		CASE(waiters_killed_while_dead),
		CASE(owners_killed_while_dead),
		CASE(given_up_while_dead),
	};
	static const struct CMUnitTest kept[] = {
		CASE(turns_are_kept),        CASE(turns_over_young_workers), CASE(interrupted_with_a_lock),
		CASE(restarted_with_a_lock), CASE(killed_with_a_lock),       CASE(each_point),
	};
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	failed = run_in_mode("usual", everywhere, COUNT(everywhere), start, stop);
	failed += run_in_mode("usual-mand", everywhere, COUNT(everywhere), start, stop);
	failed += run_in_mode("usual-mand", kept, COUNT(kept), start, stop);
	failed += run_in_mode("mediated-mand", everywhere, 2, start, stop);
	failed += run_in_mode("relayed-mand", everywhere, 2, start, stop);
	return failed;
}
