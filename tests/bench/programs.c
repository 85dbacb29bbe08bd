// SPDX-License-Identifier: MIT
/*
 * Whole programs: SQLite by its library, git and tar as they are.
 *
 * With a rollback journal (DELETE) each transaction of SQLite reads and then asks for the file's size. The
 * kernel drops the cached access time of a FUSE file with each read, so that this fstat(2) is a request: the
 * goal is out of reach while a round trip takes as long as the rest of the transaction.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS     18
#define ROWS       2000 /* of a database */
#define CLIENTS    4
#define WARM_UP    1000  /* transactions until all that is read is in SQLite's own cache */
#define BUSY_LIMIT 10000 /* milliseconds */

/* The journal modes of SQLite. */
enum { WAL, DELETE, JOURNALS };
static const char *const journals[JOURNALS] = {"wal", "delete"};

/* Row of `workloads`: argument. */
#define READS(journal)  ((journal)*2)
#define WRITES(journal) ((journal)*2 + 1)

static sqlite3 *open_database(int journal)
{
	char statement[64];
	sqlite3 *db;

	if (sqlite3_open(journals[journal], &db) != SQLITE_OK)
		die("%s: %s", journals[journal], sqlite3_errmsg(db));
	sqlite3_busy_timeout(db, BUSY_LIMIT);
	snprintf(statement, sizeof(statement), "PRAGMA journal_mode = %s", journals[journal]);
	if (sqlite3_exec(db, statement, NULL, NULL, NULL) != SQLITE_OK)
		die("%s: %s", statement, sqlite3_errmsg(db));
	return db;
}

static void execute(sqlite3 *db, const char *statement)
{
	if (sqlite3_exec(db, statement, NULL, NULL, NULL) != SQLITE_OK)
		die("%s: %s", statement, sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare_statement(sqlite3 *db, long what)
{
	const char *text = what % 2 ? "UPDATE t SET b = b + 1 WHERE a = ?" : "SELECT b FROM t WHERE a = ?";
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(db, text, -1, &statement, NULL) != SQLITE_OK)
		die("%s: %s", text, sqlite3_errmsg(db));
	return statement;
}

/* Each is a transaction of its own. */
static void transact(struct place *place, sqlite3 *db, sqlite3_stmt *statement, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		int status;

		sqlite3_bind_int(statement, 1, (int)(next_random(place) % ROWS));
		while ((status = sqlite3_step(statement)) == SQLITE_ROW)
			;
		while (status == SQLITE_BUSY) { /* others were faster for BUSY_LIMIT */
			sqlite3_reset(statement);
			status = sqlite3_step(statement);
		}
		if (status != SQLITE_DONE || sqlite3_reset(statement) != SQLITE_OK)
			die("SQLite: %s", sqlite3_errmsg(db));
	}
}

static sqlite3 *database;
static sqlite3_stmt *prepared;

static void open_one(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)count;
	database = open_database((int)workload->argument / 2);
	prepared = prepare_statement(database, workload->argument);
	transact(place, database, prepared, workload->argument % 2 ? 10 : WARM_UP);
}

static void run_one(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	transact(place, database, prepared, count);
}

static void close_one(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	(void)count;
	sqlite3_finalize(prepared);
	if (sqlite3_close(database) != SQLITE_OK)
		die("SQLite: %s", sqlite3_errmsg(database));
}

static void shell(const char *command)
{
	if (system(command) != 0)
		die("'%s' fails", command);
}

static void git_status(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++)
		shell("git --no-optional-locks -C tree status --porcelain >/dev/null");
}

/* Does something in the directory "copy-PID", so that each client has its own. */
static void in_own_copy(const char *command)
{
	char line[128];

	snprintf(line, sizeof(line), "%s copy-%d", command, getpid());
	shell(line);
}

static void extract(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	for (unsigned int i = 0; i < count; i++) {
		in_own_copy("mkdir");
		in_own_copy("tar -xf tree.tar -C");
	}
}

static void remove_copy(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	(void)count;
	in_own_copy("rm -r");
}

#define ONE     .prepare = open_one, .run = run_one, .finish = close_one
#define SEVERAL .clients = CLIENTS, ONE

static const struct workload workloads[] = {
	{.name = "SQLite, WAL, read", .argument = READS(WAL), .goal = 0.9, .count = 1000, ONE},
	{.name = "SQLite, WAL, read, 4", .argument = READS(WAL), .goal = 0.9, .count = 4000, SEVERAL},
	{.name = "SQLite, WAL, write", .argument = WRITES(WAL), .goal = 0.7, .count = 300, ONE},
	{.name = "SQLite, WAL, write, 4", .argument = WRITES(WAL), .goal = 0.7, .count = 400, SEVERAL},
	{.name = "SQLite, DELETE, read", .argument = READS(DELETE), .goal = 0.6, .count = 1000, ONE},
	{.name = "SQLite, DELETE, read, 4", .argument = READS(DELETE), .goal = 0.6, .count = 4000, SEVERAL},
	{.name = "SQLite, DELETE, write", .argument = WRITES(DELETE), .count = 50, ONE},
	{.name = "SQLite, DELETE, write, 4", .argument = WRITES(DELETE), .count = 80, SEVERAL},
	{.name = "git status", .count = 1, .run = git_status},
	{.name = "git status, 4", .clients = CLIENTS, .count = CLIENTS, .run = git_status},
	{.name = "tar x", .count = 1, .run = extract, .finish = remove_copy},
	{.name = "tar x, 4", .clients = CLIENTS, .count = CLIENTS, .run = extract, .finish = remove_copy},
};

static void set_up(void)
{
	for (int journal = 0; journal < JOURNALS; journal++) {
		sqlite3 *db = open_database(journal);
		char fill[256];

		snprintf(fill, sizeof(fill),
			 "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d)"
			 " INSERT INTO t SELECT i, i, zeroblob(100) FROM n",
			 ROWS);
		execute(db, "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER, c BLOB)");
		execute(db, fill);
		sqlite3_close(db);
	}
	shell("mkdir tree && cd tree && git init -q && for i in $(seq 300); do mkdir -p d$((i / 20)) && "
	      "echo \"$i\" >d$((i / 20))/f$i; done && git add . && "
	      "git -c user.name=bench -c user.email=bench@localhost commit -q -m tree && cd .. && "
	      "{ tar -cf tree.tar tree 2>/dev/null || [ $? -eq 1 ]; }");
}

void bench_programs(const char *base)
{
	struct place places[TARGETS];

	open_places(places, base, "programs", ON_PASSTHROUGH);
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		set_up();
	}
	measure_table(places, "programs", workloads, sizeof(workloads) / sizeof(workloads[0]), ROUNDS, NULL,
		      NULL);
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		shell("rm -rf tree tree.tar wal* delete*");
	}
	bench_lmdb(base);
	bench_postgres(base);
}
