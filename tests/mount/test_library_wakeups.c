// SPDX-License-Identifier: MIT
/* tests/run: waits: for the other side of a turn */
/*
 * libsegfs: two processes take turns, by each kind of object. All sleeps are slices of a second
 * (lib/client/futex.h), so a wake-up that is lost shows as a turn that takes that long. On a mount of segfs,
 * with and without passthrough, and in a directory of another file system.
 */
#include "tests/mount/objects.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TURNS    (unsigned int)rounds_of(3000)
#define TOO_LONG 900 /* ms */

/* What one side has: all that it waits for, and all by which it wakes the other. */
struct side {
	struct segfs_object *here[2], *there[2];
	struct segfs_object *mutex;
	volatile unsigned int *turns; /* of all, in shared memory, guarded by the mutex */
	unsigned int mine;            /* the parity of *turns in which it is this side's turn */
};

/* How to pass the turn by a kind of object. Both return 0 or a negative errno. */
struct game {
	const char *name;
	enum segfs_kind kind;
	int (*pass)(struct side *side, unsigned int turn);
	int (*receive)(struct side *side, unsigned int turn);
};

static int pass_event(struct side *side, unsigned int turn)
{
	(void)turn;
	return segfs_set_event(side->there[0]);
}

static int pass_semaphore(struct side *side, unsigned int turn)
{
	(void)turn;
	return segfs_post(side->there[0], 1);
}

static int pass_doorbell(struct side *side, unsigned int turn)
{
	(void)turn;
	return segfs_ring(side->there[0]);
}

static int receive_one(struct side *side, unsigned int turn)
{
	(void)turn;
	return wait_for_a_while(side->here[0], 60 * SECOND);
}

static int receive_event(struct side *side, unsigned int turn)
{
	const int result = receive_one(side, turn);

	return result ? result : segfs_reset_event(side->here[0]);
}

/* The two are used in an irregular order. */
static unsigned int which(unsigned int turn)
{
	return (turn ^ turn >> 1 ^ turn >> 3) & 1;
}

static int pass_either(struct side *side, unsigned int turn)
{
	return segfs_post(side->there[which(turn)], 1);
}

static int receive_either(struct side *side, unsigned int turn)
{
	struct timespec deadline;
	int result = segfs_wait_any(side->here, 2, segfs_deadline(&deadline, 60 * SECOND), 0);

	return result < 0 ? result : result == (int)which(turn) ? 0 : -EPROTO;
}

static int pass_both(struct side *side, unsigned int turn)
{
	const int result = segfs_post(side->there[which(turn)], 1);

	return result ? result : segfs_post(side->there[!which(turn)], 1);
}

static int receive_both(struct side *side, unsigned int turn)
{
	struct timespec deadline;

	(void)turn;
	return segfs_wait_all(side->here, 2, segfs_deadline(&deadline, 60 * SECOND), 0);
}

static int pass_condition(struct side *side, unsigned int turn)
{
	int result = segfs_lock(side->mutex, NULL, 0);

	if (result)
		return result;
	++*side->turns;
	/* sometimes after the mutex is free */
	if (turn % 2)
		result = segfs_notify(side->there[0], 1);
	result = result ? result : segfs_unlock(side->mutex);
	return result || turn % 2 ? result : segfs_notify(side->there[0], 1);
}

static int receive_condition(struct side *side, unsigned int turn)
{
	struct timespec deadline;
	int result = segfs_lock(side->mutex, NULL, 0);

	(void)turn;
	segfs_deadline(&deadline, 60 * SECOND);
	while (result == 0 && *side->turns % 2 != side->mine)
		result = segfs_condition_wait(side->here[0], side->mutex, &deadline, 0);
	return result ? result : segfs_unlock(side->mutex);
}

static const struct game games[] = {
	{"an event that resets itself", SEGFS_AUTO_EVENT, pass_event, receive_one},
	{"an event", SEGFS_EVENT, pass_event, receive_event},
	{"a semaphore", SEGFS_SEMAPHORE, pass_semaphore, receive_one},
	{"a doorbell", SEGFS_DOORBELL, pass_doorbell, receive_one},
	{"a condition", SEGFS_CONDITION, pass_condition, receive_condition},
	{"any of two", SEGFS_SEMAPHORE, pass_either, receive_either},
	{"all of two", SEGFS_SEMAPHORE, pass_both, receive_both},
};

/* --- a game --- */

static const char *const names[2][2] = {{"ping", "ping too"}, {"pong", "pong too"}};

/* What the other side is started with. */
struct start {
	const struct game *game;
	volatile unsigned int *turns;
};

static void answer(struct job *job, void *context)
{
	const struct start *start = context;
	struct side side = {.mutex = open_in_job(job, "mutex"), .turns = start->turns, .mine = 1};

	for (int i = 0; i < 2; i++) {
		side.here[i] = open_in_job(job, names[0][i]);
		side.there[i] = open_in_job(job, names[1][i]);
	}
	/* a doorbell is heard by those who have opened it before */
	atomic_fetch_add(&job->steps, 1);
	for (unsigned int i = 0; i < TURNS; i++) {
		job_must(job, start->game->receive(&side, i) == 0);
		job_must(job, start->game->pass(&side, i) == 0);
	}
}

/* Returns the duration of the longest turn, in ms. */
static long long play(const struct game *game)
{
	struct start start = {game,
			      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
	struct side side = {.mutex = make("mutex", SEGFS_MUTEX, 0, 0), .turns = start.turns};
	long long longest = 0;
	struct job *job;

	assert_true((void *)(uintptr_t)start.turns != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		side.there[i] = make(names[0][i], game->kind, 0, 0);
		side.here[i] = make(names[1][i], game->kind, 0, 0);
	}
	job = job_start(answer, &start);
	assert_non_null(job);
	assert_true(wait_for(atomic_load(&job->steps) > 0));
	for (unsigned int i = 0; i < TURNS; i++) {
		const long long begin = milliseconds();

		assert_int_equal(game->pass(&side, i), 0);
		assert_int_equal(game->receive(&side, i), 0);
		longest = milliseconds() - begin > longest ? milliseconds() - begin : longest;
	}
	assert_int_equal(job_end(&job), 0);
	for (int i = 0; i < 2; i++) {
		end(side.there[i], names[0][i]);
		end(side.here[i], names[1][i]);
	}
	end(side.mutex, "mutex");
	munmap((void *)(uintptr_t)start.turns, 4096);
	return longest;
}

static void no_wakeup_is_lost(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(games) / sizeof(games[0]); i++) {
		long long longest = play(&games[i]);

		/* once, a process may have got no CPU for that long */
		if (longest >= TOO_LONG)
			longest = play(&games[i]);
		print_message("longest turn by %s: %lld ms\n", games[i].name, longest);
		/* a slow machine may take as long for a turn whose wake-up came */
		if (!getenv("TEST_WAIT"))
			assert_true(longest < TOO_LONG);
	}
}

int main(void)
{
	static const struct CMUnitTest cases[] = {
		cmocka_unit_test(no_wakeup_is_lost),
	};

	return library_run(cases, sizeof(cases) / sizeof(cases[0]));
}
