// SPDX-License-Identifier: MIT
/* LMDB by its library, with its own choices: a shared mapping, a lock file, fdatasync(2) after a commit. */
#include "tests/bench/bench.h"

#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS   18
#define CLIENTS  4
#define DATABASE "lmdb"
#define MAP_SIZE (16ul << 20)
#define KEYS     2000
#define VALUE    100 /* bytes */
#define WARM_UP  100

static MDB_env *environment;
static MDB_dbi table;

static void check(int result, const char *what)
{
	if (result != MDB_SUCCESS)
		die("LMDB: %s: %s", what, mdb_strerror(result));
}

static void open_environment(void)
{
	MDB_txn *transaction;

	check(mdb_env_create(&environment), "create");
	check(mdb_env_set_mapsize(environment, MAP_SIZE), "map size");
	check(mdb_env_open(environment, DATABASE, 0, 0644), "open");
	check(mdb_txn_begin(environment, NULL, 0, &transaction), "begin");
	check(mdb_dbi_open(transaction, NULL, MDB_INTEGERKEY, &table), "open the table");
	check(mdb_txn_commit(transaction), "commit");
}

static void put(MDB_txn *transaction, unsigned int key)
{
	char bytes[VALUE] = {0};
	MDB_val name = {.mv_size = sizeof(key), .mv_data = &key};
	MDB_val value = {.mv_size = sizeof(bytes), .mv_data = bytes};

	check(mdb_put(transaction, table, &name, &value, 0), "put");
}

/* Each is a transaction of its own. */
static void read_keys(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	while (count--) {
		unsigned int key = (unsigned int)(next_random(place) % KEYS);
		MDB_val name = {.mv_size = sizeof(key), .mv_data = &key};
		MDB_txn *transaction;
		MDB_val value;

		check(mdb_txn_begin(environment, NULL, MDB_RDONLY, &transaction), "begin");
		check(mdb_get(transaction, table, &name, &value), "get");
		mdb_txn_abort(transaction);
	}
}

static void write_keys(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)workload;
	while (count--) {
		MDB_txn *transaction;

		check(mdb_txn_begin(environment, NULL, 0, &transaction), "begin");
		put(transaction, (unsigned int)(next_random(place) % KEYS));
		check(mdb_txn_commit(transaction), "commit");
	}
}

static void open_one(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)count;
	open_environment();
	workload->run(place, workload, workload->run == read_keys ? WARM_UP : 10);
}

static void close_one(struct place *place, const struct workload *workload, unsigned int count)
{
	(void)place;
	(void)workload;
	(void)count;
	mdb_env_close(environment);
}

#define ONE     .prepare = open_one, .finish = close_one
#define SEVERAL .clients = CLIENTS, ONE

static const struct workload workloads[] = {
	{.name = "LMDB, read", .count = 20000, .run = read_keys, ONE},
	{.name = "LMDB, read, 4", .count = 40000, .run = read_keys, SEVERAL},
	{.name = "LMDB, write", .count = 300, .run = write_keys, ONE},
	{.name = "LMDB, write, 4", .count = 400, .run = write_keys, SEVERAL},
};

static void set_up(const struct place *place)
{
	MDB_txn *transaction;

	enter(place);
	must(mkdir(DATABASE, 0755));
	open_environment();
	check(mdb_txn_begin(environment, NULL, 0, &transaction), "begin");
	for (unsigned int key = 0; key < KEYS; key++)
		put(transaction, key);
	check(mdb_txn_commit(transaction), "commit");
	mdb_env_close(environment);
}

void bench_lmdb(const char *base)
{
	struct place places[TARGETS];

	if (!is_wanted(workloads, sizeof(workloads) / sizeof(workloads[0])))
		return;
	open_places(places, base, "programs", ON_PASSTHROUGH);
	for (int i = 0; i < TARGETS; i++)
		if (is_measured(&places[i]))
			set_up(&places[i]);
	measure_table(places, "LMDB", workloads, sizeof(workloads) / sizeof(workloads[0]), ROUNDS, NULL,
		      NULL);
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		must(unlink(DATABASE "/data.mdb"));
		must(unlink(DATABASE "/lock.mdb"));
		must(rmdir(DATABASE));
	}
}
