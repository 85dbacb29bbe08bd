// SPDX-License-Identifier: MIT
/*
 * SQLite on the mount: several processes transfer amounts between the accounts of one database, in every
 * journal mode. Its locks are of fcntl(2), on ranges, shared and exclusive; the index of a WAL is a view that
 * all of them map.
 *
 * Nothing is lost or half done if the worker, or a process in the middle of a transaction, dies.
 */
#include "lib/base/cleanup.h"
#include "tests/lib/job.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define WRITERS   4
#define ACCOUNTS  200
#define BALANCE   1000 /* initial amount of each account */
#define FILLER    400  /* bytes of a row: the tables exceed the cache of a killed writer */
#define TRANSFERS 8    /* minimum by each writer without deaths */
#define DEATHS    3    /* of the worker */
#define VICTIMS   6    /* writers that are killed */
#define NUMBERS   (WRITERS + VICTIMS)
#define PAUSE     500 /* microseconds without a lock, in which others must try at the right moment */

/* Parameters of a case. */
struct journal {
	const char *mode;
	bool survives;   /* a file exists from which another process rolls a dead writer's work back */
	bool is_usual;   /* the others differ from it in how the journal ends */
	bool maps_index; /* a shared index, which is mapped */
};

static struct mount mount;
static bool mandatory;           /* the group's segments have lock=mandatory */
static const char *journal_mode; /* of this case */
static struct job *jobs[NUMBERS];

/* Shared with the jobs. */
static struct tally {
	atomic_ulong committed; /* transfers of this writer */
	bool killed;            /* one more may have been committed */
} * tallies;

static const char *in_directory(const char *name)
{
	return path_of("%s/sqlite/%s", mount.path, name);
}

/* --- what a process of its own does --- */

static struct deadline until; /* of the current SQLite call */

/*
 * Busy handler. SQLite's own, which waits up to 100 ms between two tries, starves if others hold the lock
 * nearly all the time.
 */
static int try_again(void *unused, int tries)
{
	(void)unused;
	(void)tries;
	return deadline_wait(&until);
}

static void fail_in(struct job *job, sqlite3 *db, const char *statement) __attribute__((noreturn));
static void fail_in(struct job *job, sqlite3 *db, const char *statement)
{
	job_fail(job, __FILE__, __LINE__, path_of("%s: %s: %s", journal_mode, statement, sqlite3_errmsg(db)));
}

static void execute(struct job *job, sqlite3 *db, const char *statements)
{
	until = deadline_in(WAIT_SECONDS);
	if (sqlite3_exec(db, statements, NULL, NULL, NULL) != SQLITE_OK)
		fail_in(job, db, statements);
}

/* The first column of every row of a query must be this text. */
static void expect(struct job *job, sqlite3 *db, const char *query, const char *expected)
{
	sqlite3_stmt *statement = NULL;
	int rows = 0;
	int status;

	until = deadline_in(WAIT_SECONDS);
	if (sqlite3_prepare_v2(db, query, -1, &statement, NULL) != SQLITE_OK)
		fail_in(job, db, query);
	for (; (status = sqlite3_step(statement)) == SQLITE_ROW; rows++) {
		const char *found = (const char *)sqlite3_column_text(statement, 0);

		if (!found || strcmp(found, expected) != 0)
			job_fail(job, __FILE__, __LINE__,
				 path_of("%s: %s: %s, not %s", journal_mode, query, found ? found : "NULL",
					 expected));
	}
	if (status != SQLITE_DONE || rows == 0)
		fail_in(job, db, query);
	sqlite3_finalize(statement);
}

static sqlite3 *open_database(struct job *job)
{
	sqlite3 *db = NULL;

	if (sqlite3_open_v2(in_directory("bank"), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
	    SQLITE_OK)
		fail_in(job, db, "open");
	sqlite3_busy_handler(db, try_again, NULL);
	/* it reports another mode if this one is not available */
	expect(job, db, path_of("PRAGMA journal_mode = %s", journal_mode), journal_mode);
	return db;
}

static void close_database(struct job *job, sqlite3 *db)
{
	if (sqlite3_close(db) != SQLITE_OK)
		fail_in(job, db, "close");
}

static void make_database(struct job *job, void *context)
{
	sqlite3 *db = open_database(job);

	(void)context;
	execute(job, db,
		path_of("BEGIN;"
			"CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, filler "
			"BLOB);"
			"CREATE TABLE transfer (writer INTEGER, number INTEGER, giver INTEGER, taker INTEGER,"
			" amount INTEGER, filler BLOB, PRIMARY KEY (writer, number));"
			"CREATE INDEX of_giver ON transfer (giver);"
			"CREATE INDEX of_taker ON transfer (taker);"
			"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)"
			" INSERT INTO account SELECT i, %d, zeroblob(%d) FROM n;"
			"COMMIT",
			ACCOUNTS, BALANCE, FILLER));
	close_database(job, db);
}

/* context: the writer's number */
static void write_transfers(struct job *job, void *context)
{
	const int number = *(const int *)context;
	sqlite3 *db = open_database(job);

	for (unsigned long i = 1; !atomic_load(&job->stop); i++) {
		const unsigned long giver = (i * 7919 + (unsigned long)number) % ACCOUNTS;
		const unsigned long taker = (i * 104729 + 1) % ACCOUNTS;
		const unsigned long amount = i % 97;

		execute(job, db,
			path_of("BEGIN IMMEDIATE;"
				"UPDATE account SET balance = balance - %lu WHERE id = %lu;"
				"UPDATE account SET balance = balance + %lu WHERE id = %lu;"
				"INSERT INTO transfer VALUES (%d, %lu, %lu, %lu, %lu, randomblob(%d));"
				"COMMIT",
				amount, giver, amount, taker, number, i, giver, taker, amount, FILLER));
		atomic_store(&tallies[number].committed, i);
		atomic_store(&job->steps, i);
		if (i % 4 == 0)
			expect(job, db, "SELECT sum(balance) FROM account",
			       path_of("%d", ACCOUNTS * BALANCE));
		usleep(PAUSE);
	}
	close_database(job, db);
}

/* Never ends its transaction, most of which has been written. */
static void hold_transaction(struct job *job, void *context)
{
	sqlite3 *db = open_database(job);

	(void)context;
	execute(job, db, "PRAGMA cache_size = 4; BEGIN IMMEDIATE");
	execute(job, db, path_of("UPDATE account SET balance = 0, filler = randomblob(%d)", FILLER));
	execute(job, db, "DELETE FROM transfer WHERE number % 3 = 0");
	atomic_store(&job->steps, 1);
	while (!atomic_load(&job->stop))
		usleep(1000);
}

/* Nothing is damaged; a transfer is applied completely or not at all, and applied if it was committed. */
static void look_through(struct job *job, void *context)
{
	sqlite3 *db = open_database(job);

	(void)context;
	expect(job, db, "PRAGMA integrity_check", "ok");
	expect(job, db, "SELECT count(*) FROM account", path_of("%d", ACCOUNTS));
	expect(job, db, "SELECT sum(balance) FROM account", path_of("%d", ACCOUNTS * BALANCE));
	expect(job, db,
	       path_of("SELECT balance - (SELECT ifnull(sum(amount), 0) FROM transfer WHERE taker = id)"
		       " + (SELECT ifnull(sum(amount), 0) FROM transfer WHERE giver = id) FROM account"),
	       path_of("%d", BALANCE));
	for (int i = 0; i < NUMBERS; i++)
		expect(job, db,
		       path_of("SELECT count(*) BETWEEN %lu AND %lu AND count(*) = ifnull(max(number), 0)"
			       " FROM transfer WHERE writer = %d",
			       tallies[i].committed, tallies[i].committed + tallies[i].killed, i),
		       "1");
	close_database(job, db);
}

/* --- what the test does --- */

static void start_writer(int number)
{
	jobs[number] = job_start(write_transfers, &number);
	assert_non_null(jobs[number]);
}

static void start_writers(void)
{
	for (int i = 0; i < WRITERS; i++)
		start_writer(i);
}

static void all_go_on(unsigned long steps)
{
	for (int i = 0; i < NUMBERS; i++)
		if (jobs[i] && !job_goes_on(jobs[i], steps))
			fail_msg("%s: writer %d does not go on: %s", journal_mode, i, jobs[i]->failure);
}

static void kill_writer(int number)
{
	assert_int_equal(job_kill(&jobs[number]), 0);
	tallies[number].killed = true;
}

static void end_and_look_through(void)
{
	assert_int_equal(jobs_end(jobs, NUMBERS), 0);
	assert_int_equal(job_run(look_through, NULL), 0);
}

/*
 * The database file, and files that SQLite creates beside it by the directory's default. Mandatory locks do
 * not block SQLite: it locks bytes that it never reads or writes, and those of a WAL's index are only mapped.
 */
static void set_mandatory(void)
{
	char value[16] = "";

	if (setxattr(in_directory(""), "user.segfs.lock", "mandatory", 9, 0) < 0) {
		assert_int_equal(errno, EOPNOTSUPP);
		skip_missing("user.segfs.lock");
	}
	check(close((int)check(open(in_directory("bank"), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644))));
	check(setxattr(in_directory("bank"), "user.segfs.lock", "mandatory", 9, 0));
	assert_int_equal(check(getxattr(in_directory("bank"), "user.segfs.lock", value, sizeof(value))), 9);
	assert_string_equal(value, "mandatory");
}

static void begin(void **state)
{
	const struct journal *journal = *state;

	if (mandatory && journal->maps_index)
		need_uncached_views();
	journal_mode = journal->mode;
	memset(tallies, 0, NUMBERS * sizeof(*tallies));
	check(mkdir(in_directory(""), 0755));
	if (mandatory)
		set_mandatory();
	assert_int_equal(job_run(make_database, NULL), 0);
}

static void several_write(void **state)
{
	begin(state);
	start_writers();
	all_go_on(TRANSFERS);
	end_and_look_through();
}

static void the_worker_dies(void **state)
{
	begin(state);
	start_writers();
	for (int i = 0; i < DEATHS; i++) {
		all_go_on(2);
		worker_replace(&mount);
	}
	all_go_on(2);
	end_and_look_through();
}

/* The lock is dropped with its process, and another one rolls its transaction back. */
static void who_has_the_lock_dies(void **state)
{
	begin(state);
	for (int i = 0; i < 2; i++) {
		struct job **holder = &jobs[NUMBERS - 1];

		*holder = job_start(hold_transaction, NULL);
		assert_non_null(*holder);
		if (!wait_for(atomic_load(&(*holder)->steps) == 1 || atomic_load(&(*holder)->failed)) ||
		    atomic_load(&(*holder)->failed))
			fail_msg("%s", (*holder)->failure);
		/* they wait for the lock */
		start_writer(2 * i);
		start_writer(2 * i + 1);
		if (i == 1)
			worker_replace(&mount);
		assert_int_equal(job_kill(holder), 0);
		all_go_on(2);
	}
	end_and_look_through();
}

/* At random moments; now and then together with the worker. */
static void writers_die(void **state)
{
	begin(state);
	start_writer(0);
	start_writer(1);
	for (int i = WRITERS; i < NUMBERS; i++) {
		start_writer(i);
		if (!job_goes_on(jobs[i], 1 + (unsigned long)i % 3))
			fail_msg("%s", jobs[i]->failure);
		if (i % 3 == 0)
			worker_kill(&mount, worker_pid(&mount));
		kill_writer(i);
		all_go_on(1);
	}
	end_and_look_through();
}

/* --- groups --- */

static void remove_files(void)
{
	_cleanup_closedir_ DIR *directory = opendir(in_directory(""));
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			unlink(in_directory(entry->d_name));
	rmdir(in_directory(""));
}

static int end(void **unused)
{
	(void)unused;
	for (int i = 0; i < NUMBERS; i++)
		job_kill(&jobs[i]);
	remove_files();
	return mount_verify(&mount, 0);
}

static int start(const char *mode)
{
	struct mount_spec spec = {.tag = mode};

	mandatory = strcmp(mode, "mandatory") == 0;
	spec.options = mandatory ? "mand" : mode_options(mode);
	return mount_start(&mount, &spec);
}

static int stop(void **unused)
{
	(void)unused;
	return mount_stop(&mount);
}

/* usual: only the journal modes that differ in their locks and I/O. */
static int run(const char *mode, bool usual)
{
	static const struct journal journals[] = {
		{"delete", true, true, false},   {"truncate", true, false, false},
		{"persist", true, false, false}, {"wal", true, true, true},
		{"memory", false, false, false}, {"off", false, false, false},
	};
	static const struct {
		const char *name;
		void (*run)(void **state);
		bool kills_writers;
		bool with_mandatory; /* is relevant for mandatory locks as well */
	} parts[] = {
		{"several_write", several_write, false, true},
		{"the_worker_dies", the_worker_dies, false, false},
		{"who_has_the_lock_dies", who_has_the_lock_dies, true, true},
		{"writers_die", writers_die, true, false},
	};
	static struct CMUnitTest cases[24];
	static char names[24][64];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(journals) / sizeof(journals[0]); i++) {
		for (size_t k = 0; k < sizeof(parts) / sizeof(parts[0]); k++) {
			if ((parts[k].kills_writers && !journals[i].survives) ||
			    (usual && !journals[i].is_usual) ||
			    (!parts[k].with_mandatory && strcmp(mode, "mandatory") == 0))
				continue;
			snprintf(names[n], sizeof(names[n]), "%s, journal_mode=%s", parts[k].name,
				 journals[i].mode);
			cases[n] = (struct CMUnitTest){
				.name = names[n],
				.test_func = parts[k].run,
				.teardown_func = end,
				.initial_state = (void *)(uintptr_t)&journals[i],
			};
			n++;
		}
	}
	return run_in_mode(mode, cases, n, start, stop);
}

int main(void)
{
	int failed;

	if (geteuid() != 0)
		skip_program("root");
	tallies = mmap(NULL, NUMBERS * sizeof(*tallies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (tallies == MAP_FAILED)
		return 1;
	failed = run("direct", false);
	failed += run("relayed", true);
	failed += run("direct-mand", false);
	failed += run("mediated-mand", true);
	failed += run("relayed-mand", true);
	failed += run("mandatory", true);
	return failed;
}
