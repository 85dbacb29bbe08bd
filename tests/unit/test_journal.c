// SPDX-License-Identifier: MIT
/*
 * The journal across deaths. Each worker is a child process that shares the arena with its predecessors and
 * successors and runs a given function; its exit status reports failures.
 */
#include "tests/unit/slots.h"

#include "fs/state/journal.h"
#include "fs/state/recover.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static struct arena arena;

#define must(condition) ((condition) ? (void)0 : _exit(__LINE__ % 251 + 1))

static struct journal_entry entry; /* of the only thread */

static struct journal_request request_of(uint64_t unique)
{
	return (struct journal_request){.unique = unique, .node = 1, .opcode = 9, .pid = 77, .uid = 5};
}

static enum journal_found begin(uint64_t unique)
{
	struct journal_request request = request_of(unique);

	return journal_begin(&entry, &request);
}

static void keep(const char *text)
{
	const struct iovec parts[] = {{(void *)(uintptr_t)text, 3},
				      {(void *)(uintptr_t)(text + 3), strlen(text) - 3}};

	journal_save_reply(&entry, parts, 2);
}

static bool is_kept(const char *text)
{
	size_t size;
	const char *reply = journal_saved_reply(&entry, &size);

	return size == strlen(text) && memcmp(reply, text, size) == 0;
}

/*
 * Runs a worker with function `life`; before: how its predecessor ended. Returns its exit status, 0 if it
 * reached the end.
 */
static int worker(enum arena_death before, void (*life)(void))
{
	int status;
	pid_t pid;

	atomic_store(&arena.header->death, before);
	atomic_fetch_add(&arena.header->workers_started, 1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct state state;

		must(state_recover(&state, &arena, 0) == 0);
		life();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define WORKER(before, life) assert_int_equal(worker(before, life), 0)

static int set_up(void **state)
{
	(void)state;
	return arena_create(&arena, 64, 16, 16);
}

static int tear_down(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

static unsigned int slots_in_use(void)
{
	unsigned int n = 0;

	for (int i = 0; i < ARENA_JOURNAL; i++)
		n += atomic_load(&arena.header->journal[i].state) != JOURNAL_FREE;
	return n;
}

/* --- one worker --- */

static void ordinary_life(void)
{
	struct journal_note note;

	must(journal_since(&entry) == 0 && !journal_is_replay(&entry) && journal_deaths(&entry) == 0);
	/* no effect outside of a request */
	journal_note(&entry, &(struct journal_note){.fd = -1});
	must(!journal_get_note(&entry, &note));
	keep("nobody's");
	journal_end(&entry);
	must(slots_in_use() == 0);
	for (uint64_t unique = 2; unique < 1000; unique += 2) {
		must(begin(unique) == JOURNAL_NEW);
		must(slots_in_use() == 1);
		must(journal_since(&entry) > 0 && journal_uid(&entry) == 5);
		journal_note(&entry, &(struct journal_note){.inode = {unique, 1}, .fd = -1});
		/* it is for the next worker */
		must(!journal_get_note(&entry, &note));
		keep("an answer");
		journal_end(&entry);
		must(slots_in_use() == 0);
	}
	/* resent, and never begun */
	must(begin(1000) == JOURNAL_NEW && !journal_is_replay(&entry));
	journal_end(&entry);
}

static void one_request_after_the_other(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, ordinary_life);
}

/* --- deaths --- */

static void die_before_the_deed(void)
{
	must(begin(8) == JOURNAL_NEW);
}

static void find_nothing_noted(void)
{
	struct journal_note note;

	must(!journal_claim(8));
	must(begin(8) == JOURNAL_REPLAY && journal_is_replay(&entry));
	must(!journal_get_note(&entry, &note));
	journal_note(&entry, &(struct journal_note){.inode = {3, 4}, .node = 6, .flags = 9, .fd = -1});
}

static void find_the_note(void)
{
	struct journal_note note;

	must(!journal_claim(8));
	must(begin(8) == JOURNAL_REPLAY);
	must(journal_get_note(&entry, &note) && note.inode[0] == 3 && note.inode[1] == 4 && note.node == 6 &&
	     note.flags == 9 && note.fd == -1);
	/* undoing is a separate step */
	journal_begin_undo(&entry);
	must(!journal_is_replay(&entry) && !journal_get_note(&entry, &note));
	journal_note(&entry, &(struct journal_note){.inode = {5, 5}, .fd = -1});
	must(!journal_get_note(&entry, &note));
	keep("done");
}

static void find_the_reply(void)
{
	must(journal_claim(8));
	must(begin(8) == JOURNAL_REPLIED);
	must(is_kept("done"));
	journal_end(&entry);
	must(slots_in_use() == 0);
}

static void what_was_begun_is_known(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, die_before_the_deed);
	WORKER(ARENA_DEATH_OUTSIDE, find_nothing_noted);
	WORKER(ARENA_DEATH_OUTSIDE, find_the_note);
	WORKER(ARENA_DEATH_OUTSIDE, find_the_reply);
}

static void reply_and_die(void)
{
	must(begin(8) == JOURNAL_NEW);
	keep("done");
}

static void wait_for_others(void)
{
	/* it has its reply: it is not resent */
	must(!journal_claim(10));
	journal_drop_unclaimed();
	must(slots_in_use() == 0);
	must(begin(8) == JOURNAL_NEW);
	journal_end(&entry);
}

static void replies_that_were_taken_are_dropped(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, reply_and_die);
	WORKER(ARENA_DEATH_OUTSIDE, wait_for_others);
}

static unsigned int sent;
static bool is_had; /* the kernel's result of each reply */

static bool send_one(void *context, const void *reply, size_t size)
{
	must(context == &sent && size == 4 && memcmp(reply, "done", 4) == 0);
	sent++;
	return is_had;
}

/* One request is done, one is not. */
static void die_beside_it(void)
{
	must(begin(10) == JOURNAL_NEW);
}

static void send_in_vain(void)
{
	journal_send_replies(send_one, &sent);
	must(sent == 1 && slots_in_use() == 2);
	must(journal_claim(8));
}

static void send_what_is_saved(void)
{
	is_had = true;
	journal_send_replies(send_one, &sent);
	must(sent == 1 && slots_in_use() == 1);
	must(!journal_claim(8) && begin(8) == JOURNAL_NEW);
	journal_end(&entry);
	must(!journal_claim(10) && begin(10) == JOURNAL_REPLAY);
	/* once */
	journal_send_replies(send_one, &sent);
	must(sent == 1);
}

static void replies_are_sent_before_anybody_asks(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, reply_and_die);
	WORKER(ARENA_DEATH_OUTSIDE, die_beside_it);
	WORKER(ARENA_DEATH_OUTSIDE, send_in_vain);
	WORKER(ARENA_DEATH_OUTSIDE, send_what_is_saved);
}

static void expect_and_wait(void)
{
	must(journal_claim(8));
	journal_drop_unclaimed();
	must(slots_in_use() == 1);
	must(begin(12) == JOURNAL_NEW);
	journal_end(&entry);
	must(begin(8) == JOURNAL_REPLIED && is_kept("done"));
	journal_end(&entry);
}

static void what_waits_for_its_turn_is_kept(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, reply_and_die);
	WORKER(ARENA_DEATH_OUTSIDE, expect_and_wait);
}

static void note_a_descriptor(void)
{
	must(begin(8) == JOURNAL_NEW);
	/* all workers share one descriptor table */
	journal_note(&entry,
		     &(struct journal_note){.inode = {3, 0}, .fd = open("/dev/null", O_RDONLY | O_CLOEXEC)});
}

static void close_what_nobody_asks_for(void)
{
	int fd = -1;

	for (int i = 0; i < ARENA_JOURNAL; i++)
		if (atomic_load(&arena.header->journal[i].state) != JOURNAL_FREE)
			fd = atomic_load(&arena.header->journal[i].fd);
	must(fd > 2 && dup2(2, fd) == fd);
	journal_drop_unclaimed();
	must(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
}

static void descriptors_do_not_stay(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, note_a_descriptor);
	WORKER(ARENA_DEATH_OUTSIDE, close_what_nobody_asks_for);
}

/* --- poison --- */

static void die_over_it(void)
{
	journal_claim(8);
	must(begin(8) == JOURNAL_REPLAY);
}

static void refuse(void)
{
	journal_claim(8);
	must(begin(8) == JOURNAL_POISON);
	must(journal_deaths(&entry) >= JOURNAL_CRASHES);
	journal_end(&entry);
	must(slots_in_use() == 0);
}

static void two_faults(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, die_before_the_deed);
	WORKER(ARENA_DEATH_FAULT, die_over_it);
	WORKER(ARENA_DEATH_FAULT, refuse);
}

static void ten_kills(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, die_before_the_deed);
	for (int i = 1; i < JOURNAL_KILLS; i++)
		WORKER(ARENA_DEATH_OUTSIDE, die_over_it);
	WORKER(ARENA_DEATH_OUTSIDE, refuse);
}

static void asked_for(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, die_before_the_deed);
	for (int i = 0; i < 3 * JOURNAL_KILLS; i++)
		WORKER(ARENA_DEATH_NONE, die_over_it);
}

static void nothing(void)
{
}

/* Deaths of workers that had not begun it do not count. */
static void deaths_over_something_else(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, die_before_the_deed);
	for (int i = 0; i < 5; i++)
		WORKER(ARENA_DEATH_FAULT, nothing);
	WORKER(ARENA_DEATH_FAULT, die_over_it);
	WORKER(ARENA_DEATH_FAULT, refuse);
}

static void *have_fault(void *unused)
{
	(void)unused;
	must(begin(10) == JOURNAL_NEW);
	journal_blame();
	return NULL;
}

/* Two requests in progress, one of which is at fault. */
static void one_of_two(void)
{
	pthread_t thread;

	journal_claim(8);
	journal_claim(10);
	must(begin(8) != JOURNAL_POISON);
	must(pthread_create(&thread, NULL, have_fault, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
}

static void find_the_guilty_one(void)
{
	journal_claim(8);
	journal_claim(10);
	must(begin(8) == JOURNAL_REPLAY && journal_deaths(&entry) == 0);
	journal_end(&entry);
	must(begin(10) == JOURNAL_REPLAY && journal_deaths(&entry) == 1);
	journal_end(&entry);
}

static void only_the_guilty_one_is_blamed(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, one_of_two);
	WORKER(ARENA_DEATH_FAULT, find_the_guilty_one);
}

/* --- limits --- */

static void keep_too_much(void)
{
	static const char bytes[JOURNAL_REPLY_MAX + 1];
	const struct iovec part = {(void *)(uintptr_t)bytes, sizeof(bytes)};
	const struct iovec fits = {(void *)(uintptr_t)bytes, sizeof(bytes) - 1};

	must(begin(8) == JOURNAL_NEW);
	journal_save_reply(&entry, &part, 1);
	must(atomic_load(&arena.header->journal[0].state) == JOURNAL_BEGUN);
	journal_save_reply(&entry, &fits, 1);
	must(atomic_load(&arena.header->journal[0].state) == JOURNAL_DONE);
	journal_end(&entry);
}

static void replies_have_a_size(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, keep_too_much);
}

static void *begin_and_stay(void *unique)
{
	must(begin((uint64_t)(uintptr_t)unique) == JOURNAL_NEW);
	return NULL;
}

/* Each thread keeps its slot for good; without a free slot it works without the journal. */
static void more_threads_than_slots(void)
{
	for (uintptr_t i = 0; i < ARENA_JOURNAL + 8; i++) {
		pthread_t thread;

		must(pthread_create(&thread, NULL, begin_and_stay, (void *)(2 + 2 * i)) == 0);
		must(pthread_join(thread, NULL) == 0);
	}
	must(slots_in_use() == ARENA_JOURNAL);
	must(begin(4000) == JOURNAL_NEW);
	keep("nowhere");
	journal_end(&entry);
}

static void all_slots(void **state)
{
	(void)state;
	WORKER(ARENA_DEATH_NONE, more_threads_than_slots);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		CASE(one_request_after_the_other),
		CASE(what_was_begun_is_known),
		CASE(replies_that_were_taken_are_dropped),
		CASE(replies_are_sent_before_anybody_asks),
		CASE(what_waits_for_its_turn_is_kept),
		CASE(descriptors_do_not_stay),
		CASE(two_faults),
		CASE(ten_kills),
		CASE(asked_for),
		CASE(deaths_over_something_else),
		CASE(only_the_guilty_one_is_blamed),
		CASE(replies_have_a_size),
		CASE(all_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
