// SPDX-License-Identifier: MIT
/*
 * The journal of a worker that dies at any instruction: during recovery, and while it begins a request,
 * records a note, saves the reply and ends. It is single-stepped; after each instruction that changed a slot,
 * a successor recovers a copy of the slots, and is asked for the state of each request.
 */
#include "tests/unit/slots.h"
#include "tests/unit/steps.h"

#include "fs/state/journal.h"
#include "fs/state/recover.h"

#include <stdlib.h>
#include <sys/mman.h>

/* What the next worker finds of a request, in one word, so that it changes atomically. */
#define NOTHING   1U         /* never begun, or completed */
#define BEGUN     2U         /* ... and without a note */
#define NOTED(n)  (4U + (n)) /* ... with note `n` */
#define ANSWERED  3U
#define DEATHS(n) ((n) << 8) /* counted by the next worker */

/* Requests of the two predecessors of the single-stepped worker, then its own. */
enum {
	LEFT_BEGUN,
	LEFT_ANSWERED,
	LEFT_FOR_NOBODY,
	FIRST,
	SECOND,
	REQUESTS,
};

static struct shared {
	struct {
		_Atomic uint32_t now;
		_Atomic uint32_t next; /* ... or already this state, 0 = none */
		_Atomic uint32_t via;  /* ... or this state in between, 0 = none */
	} requests[REQUESTS];
} * shared;

static struct arena arena; /* the worker's */
static struct arena copy;  /* the next worker's */

#define must(condition) ((condition) ? (void)0 : _exit(__LINE__ % 251 + 1))

static const struct journal_note notes[] = {
	{.inode = {11, 0x1122334455667788}, .node = 0x100000002, .flags = 7, .fd = 5},
	{.inode = {0x8877665544332211, 0}, .node = 3, .flags = 0x80000000, .fd = -1},
	{.inode = {11, 0x1122334455667788},
	 .node = 0x100000002,
	 .flags = 7,
	 .fd = -1}, /* the first, after journal_disown_fd(&entry) */
};

static const char reply[] = "16 bytes of head, and a body that is more than a word";

static struct journal_entry entry; /* of the only thread */

static enum journal_found begin(int request)
{
	const struct journal_request made = {
		.unique = 1000 + 2 * (uint64_t)request,
		.node = (uint64_t)request + 1,
		.opcode = 9,
		.pid = 77,
		.uid = 1000 + (uint32_t)request,
	};

	return journal_begin(&entry, &made);
}

static void save_reply(void)
{
	const struct iovec parts[] = {{(void *)(uintptr_t)reply, 16},
				      {(void *)(uintptr_t)(reply + 16), sizeof(reply) - 16}};

	journal_save_reply(&entry, parts, 2);
}

/* --- the worker --- */

static void becomes(int request, uint32_t next, uint32_t via)
{
	atomic_store(&shared->requests[request].via, via);
	atomic_store(&shared->requests[request].next, next);
}

static void has_become(int request)
{
	atomic_store(&shared->requests[request].now, shared->requests[request].next);
	atomic_store(&shared->requests[request].next, 0);
	atomic_store(&shared->requests[request].via, 0);
}

static void recover_here(void)
{
	struct state state;

	atomic_fetch_add(&arena.header->workers_started, 1);
	must(state_recover(&state, &arena, 0) == 0);
}

/* State left by the two predecessors. */
static void first_life(void)
{
	recover_here();
	must(begin(LEFT_BEGUN) == JOURNAL_NEW);
	journal_note(&entry, &notes[1]);
}

static void second_life(void)
{
	recover_here();
	must(begin(LEFT_ANSWERED) == JOURNAL_NEW);
	save_reply();
}

static void third_life(void)
{
	recover_here();
	must(!journal_claim(1000) && begin(LEFT_BEGUN) == JOURNAL_REPLAY);
	must(begin(LEFT_FOR_NOBODY) == JOURNAL_NEW);
	journal_note(&entry, &notes[1]);
}

static void in_recovery(void)
{
	/* either death is counted once, or not at all if the next worker does not get further */
	becomes(LEFT_BEGUN, NOTED(1) | DEATHS(2), 0);
	becomes(LEFT_FOR_NOBODY, NOTED(1) | DEATHS(1), 0);
	recover_here();
	has_become(LEFT_BEGUN);
	has_become(LEFT_FOR_NOBODY);
	must(!journal_claim(1000) && journal_claim(1002));
	becomes(LEFT_FOR_NOBODY, NOTHING, 0);
	journal_drop_unclaimed();
	has_become(LEFT_FOR_NOBODY);
}

static void with_what_was_left(void)
{
	must(begin(LEFT_ANSWERED) == JOURNAL_REPLIED);
	becomes(LEFT_ANSWERED, NOTHING, 0);
	journal_end(&entry);
	has_become(LEFT_ANSWERED);

	becomes(LEFT_BEGUN, NOTED(1) | DEATHS(3), 0);
	must(begin(LEFT_BEGUN) == JOURNAL_REPLAY);
	has_become(LEFT_BEGUN);
	becomes(LEFT_BEGUN, BEGUN | DEATHS(3), 0);
	journal_begin_undo(&entry);
	has_become(LEFT_BEGUN);
	becomes(LEFT_BEGUN, ANSWERED, 0);
	save_reply();
	has_become(LEFT_BEGUN);
	becomes(LEFT_BEGUN, NOTHING, 0);
	journal_end(&entry);
	has_become(LEFT_BEGUN);
}

static void with_a_request(int request)
{
	becomes(request, BEGUN | DEATHS(1), 0);
	must(begin(request) == JOURNAL_NEW);
	has_become(request);
	becomes(request, NOTED(0) | DEATHS(1), 0);
	journal_note(&entry, &notes[0]);
	has_become(request);
	becomes(request, NOTED(1) | DEATHS(1), BEGUN | DEATHS(1));
	journal_note(&entry, &notes[1]);
	has_become(request);
	becomes(request, NOTED(0) | DEATHS(1), BEGUN | DEATHS(1));
	journal_note(&entry, &notes[0]);
	has_become(request);
	becomes(request, NOTED(2) | DEATHS(1), 0);
	journal_disown_fd(&entry);
	has_become(request);
	becomes(request, ANSWERED, 0);
	save_reply();
	has_become(request);
	/* later replies are ignored */
	journal_save_reply(&entry, &(struct iovec){(void *)(uintptr_t) "another", 7}, 1);
	becomes(request, NOTHING, 0);
	journal_end(&entry);
	has_become(request);
}

static void live(void)
{
	in_recovery();
	with_a_request(FIRST);
	with_what_was_left();
	with_a_request(SECOND);
}

/* --- the next one --- */

static uint32_t noted(void)
{
	struct journal_note note;

	if (!journal_get_note(&entry, &note))
		return BEGUN;
	for (unsigned int i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		if (note.inode[0] == notes[i].inode[0] && note.inode[1] == notes[i].inode[1] &&
		    note.node == notes[i].node && note.flags == notes[i].flags && note.fd == notes[i].fd)
			return NOTED(i);
	return 0; /* nobody expects it */
}

static uint32_t ask_for(int request)
{
	bool answered = journal_claim(1000 + 2 * (uint64_t)request);
	const char *cached;
	size_t size;

	switch (begin(request)) {
	case JOURNAL_NEW:
		return answered ? 0 : NOTHING;
	case JOURNAL_REPLIED:
		cached = journal_saved_reply(&entry, &size);
		return answered && size == sizeof(reply) && memcmp(cached, reply, size) == 0 ? ANSWERED : 0;
	case JOURNAL_REPLAY:
		if (answered || journal_uid(&entry) != 1000 + (uint32_t)request || journal_since(&entry) == 0)
			return 0;
		return noted() | DEATHS(journal_deaths(&entry));
	default:
		return 0;
	}
}

static void take_over(void)
{
	struct state state;

	atomic_fetch_add(&copy.header->workers_started, 1);
	must(state_recover(&state, &copy, 0) == 0);
	for (int i = 0; i < REQUESTS; i++) {
		uint32_t found = ask_for(i);
		uint32_t now = shared->requests[i].now, next = shared->requests[i].next,
			 via = shared->requests[i].via;

		if (found && (found == now || found == next || found == via)) {
			journal_end(&entry);
			continue;
		}
		fprintf(stderr, "request %d: found %#x, not %#x, %#x or %#x\n", i, found, now, next, via);
		_exit(1);
	}
	/* everything was claimed */
	for (int i = 0; i < ARENA_JOURNAL; i++)
		must(copy.header->journal[i].state == JOURNAL_FREE);
	_exit(0);
}

static void lives_and_dies(void (*how)(void))
{
	pid_t worker;
	int status;

	fflush(NULL);
	worker = fork();
	assert_true(worker >= 0);
	if (worker == 0) {
		how();
		_exit(0);
	}
	assert_int_equal(waitpid(worker, &status, 0), worker);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void is_known_at_every_store(void **state)
{
	const size_t size = sizeof(arena.header->journal);
	const void *seen = copy.header->journal, *present = arena.header->journal; /* as bytes */
	unsigned int deaths = 0;
	cpu_set_t all;
	pid_t worker;

	(void)state;
	atomic_store(&arena.header->death, ARENA_DEATH_OUTSIDE);
	lives_and_dies(first_life);
	lives_and_dies(second_life);
	lives_and_dies(third_life);
	shared->requests[LEFT_BEGUN].now = NOTED(1) | DEATHS(1);
	shared->requests[LEFT_ANSWERED].now = ANSWERED;
	shared->requests[LEFT_FOR_NOBODY].now = NOTED(1) | DEATHS(0);
	shared->requests[FIRST].now = shared->requests[SECOND].now = NOTHING;
	all = steps_on_one_processor();
	worker = steps_start(live);
	/* all but the journal is unchanged: the worker's number is that of the single-stepped one */
	memcpy(copy.header->journal, present, size);
	while (steps_next(worker)) {
		if (memcmp(seen, present, size) == 0)
			continue;
		atomic_store(&copy.header->death, ARENA_DEATH_OUTSIDE);
		atomic_store(&copy.header->workers_started, atomic_load(&arena.header->workers_started));
		memcpy(copy.header->journal, present, size);
		lives_and_dies(take_over);
		memcpy(copy.header->journal, present, size);
		deaths++;
	}
	sched_setaffinity(0, sizeof(all), &all);
	print_message("%u deaths\n", deaths);
	assert_true(deaths > 50);
}

static int set_up(void **state)
{
	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || arena_create(&arena, 64, 16, 16) < 0)
		return -1;
	return arena_create(&copy, 64, 16, 16);
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(&arena);
	arena_destroy(&copy);
	return munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_known_at_every_store, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
