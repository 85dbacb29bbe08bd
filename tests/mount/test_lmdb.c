// SPDX-License-Identifier: MIT
/*
 * LMDB on the mount: several processes transfer amounts between the accounts of one environment, and others
 * read it. Writers alternate by a robust mutex in a view of the lock file; readers have slots there, and a
 * lock of fcntl(2) at the byte of its process number shows that a process lives. Data are written by
 * pwrite(2) or through a view, and read through views.
 *
 * Nothing is lost or half done if the worker, a writer that holds the mutex, or a reader dies.
 */
#include "tests/lib/job.h"
#include "tests/lib/modes.h"
#include "tests/lib/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lmdb.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WRITERS   4
#define READERS   2
#define ACCOUNTS  200u
#define BALANCE   1000                /* initial amount of each account */
#define TRANSFERS rounds_of(200)      /* minimum by each writer without deaths */
#define WALKS     rounds_of(50)       /* per reader */
#define DEATHS    8                   /* of the worker */
#define VICTIMS   6                   /* writers that are killed */
#define NUMBERS   (WRITERS + VICTIMS) /* numbers of writers; readers follow */
#define JOBS      (NUMBERS + READERS)
#define MAP_SIZE  (256u << 20)
#define PAUSE     300 /* us without the mutex, which is not fair: its last owner wins */

static struct mount mount;
static bool mandatory;     /* the group's segments have lock=mandatory */
static unsigned int flags; /* of the environment, in this case */
static struct job *jobs[JOBS];

/* Shared with the jobs. */
static struct tally {
	atomic_uint committed; /* transfers of this writer */
	bool killed;           /* one more may have been committed */
} * tallies;

/* The two tables. Numbers in keys are in network byte order, so that keys sort numerically. */
struct account {
	long long balance;
	char filler[200];
};

struct transfer_key {
	uint32_t writer;
	uint32_t number;
};

struct transfer {
	uint32_t giver;
	uint32_t taker;
	long long amount;
	char filler[100];
};

static const char *in_directory(const char *name)
{
	return path_of("%s/lmdb/%s", mount.path, name);
}

/* --- what a process of its own does --- */

struct bank {
	struct job *job;
	MDB_env *env;
	MDB_dbi accounts;
	MDB_dbi transfers;
};

#define do_mdb(bank, call) do_checked((bank)->job, call, #call, __LINE__)

static void do_checked(struct job *job, int result, const char *call, int line)
{
	if (result != MDB_SUCCESS)
		job_fail(job, __FILE__, line, path_of("%s: %s", call, mdb_strerror(result)));
}

static MDB_txn *begin_transaction(const struct bank *bank, unsigned int how)
{
	MDB_txn *txn = NULL;

	do_mdb(bank, mdb_txn_begin(bank->env, NULL, how, &txn));
	return txn;
}

static void open_bank(struct bank *bank, struct job *job)
{
	MDB_txn *txn;

	*bank = (struct bank){.job = job};
	do_mdb(bank, mdb_env_create(&bank->env));
	do_mdb(bank, mdb_env_set_maxdbs(bank->env, 2));
	do_mdb(bank, mdb_env_set_mapsize(bank->env, MAP_SIZE));
	do_mdb(bank, mdb_env_open(bank->env, in_directory(""), flags, 0644));
	txn = begin_transaction(bank, 0);
	do_mdb(bank, mdb_dbi_open(txn, "accounts", MDB_CREATE, &bank->accounts));
	do_mdb(bank, mdb_dbi_open(txn, "transfers", MDB_CREATE, &bank->transfers));
	do_mdb(bank, mdb_txn_commit(txn));
}

static long long balance_of(const struct bank *bank, const MDB_val *value)
{
	struct account account;

	job_must(bank->job, value->mv_size == sizeof(account));
	memcpy(&account, value->mv_data, sizeof(account));
	return account.balance;
}

static void set_balance(const struct bank *bank, MDB_txn *txn, uint32_t number, long long balance)
{
	struct account account = {.balance = balance};
	uint32_t ordered = htonl(number);
	MDB_val key = {.mv_size = sizeof(ordered), .mv_data = &ordered};
	MDB_val value = {.mv_size = sizeof(account), .mv_data = &account};

	memset(account.filler, (int)number, sizeof(account.filler));
	do_mdb(bank, mdb_put(txn, bank->accounts, &key, &value, 0));
}

static void change_balance(const struct bank *bank, MDB_txn *txn, uint32_t number, long long by)
{
	uint32_t ordered = htonl(number);
	MDB_val key = {.mv_size = sizeof(ordered), .mv_data = &ordered};
	MDB_val value;

	do_mdb(bank, mdb_get(txn, bank->accounts, &key, &value));
	set_balance(bank, txn, number, balance_of(bank, &value) + by);
}

static void make_bank(struct job *job, void *context)
{
	struct bank bank;
	MDB_txn *txn;

	(void)context;
	open_bank(&bank, job);
	txn = begin_transaction(&bank, 0);
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		set_balance(&bank, txn, i, BALANCE);
	do_mdb(&bank, mdb_txn_commit(txn));
	mdb_env_close(bank.env);
}

static void transfer(const struct bank *bank, uint32_t writer, uint32_t number)
{
	struct transfer_key ordered = {.writer = htonl(writer), .number = htonl(number)};
	struct transfer content = {
		.giver = (number * 7919 + writer) % ACCOUNTS,
		.taker = (number * 104729 + 1) % ACCOUNTS,
		.amount = number % 97,
	};
	MDB_val key = {.mv_size = sizeof(ordered), .mv_data = &ordered};
	MDB_val value = {.mv_size = sizeof(content), .mv_data = &content};
	MDB_txn *txn = begin_transaction(bank, 0);

	change_balance(bank, txn, content.giver, -content.amount);
	change_balance(bank, txn, content.taker, content.amount);
	do_mdb(bank, mdb_put(txn, bank->transfers, &key, &value, MDB_NOOVERWRITE));
	do_mdb(bank, mdb_txn_commit(txn));
}

/* context: the writer's number */
static void write_transfers(struct job *job, void *context)
{
	const uint32_t number = *(const uint32_t *)context;
	struct bank bank;

	open_bank(&bank, job);
	for (uint32_t i = 1; !atomic_load(&job->stop); i++) {
		transfer(&bank, number, i);
		atomic_store(&tallies[number].committed, i);
		atomic_store(&job->steps, i);
		usleep(PAUSE);
	}
	mdb_env_close(bank.env);
}

/* Never ends its transaction, which makes everything wrong. */
static void hold_mutex(struct job *job, void *context)
{
	struct bank bank;
	MDB_txn *txn;

	(void)context;
	open_bank(&bank, job);
	txn = begin_transaction(&bank, 0);
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		set_balance(&bank, txn, i, 0);
	do_mdb(&bank, mdb_drop(txn, bank.transfers, 0));
	atomic_store(&job->steps, 1);
	while (!atomic_load(&job->stop))
		usleep(1000);
}

/* Adds up the accounts one by one, each exactly once. balances: receives each amount, or NULL. */
static void walk_accounts(const struct bank *bank, MDB_txn *txn, long long *balances)
{
	MDB_cursor *cursor = NULL;
	MDB_val key;
	MDB_val value;
	uint32_t expected = 0;
	long long sum = 0;
	int result;

	do_mdb(bank, mdb_cursor_open(txn, bank->accounts, &cursor));
	for (; (result = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS; expected++) {
		uint32_t ordered;
		long long balance = balance_of(bank, &value);

		job_must(bank->job, key.mv_size == sizeof(ordered));
		memcpy(&ordered, key.mv_data, sizeof(ordered));
		job_must(bank->job, ntohl(ordered) == expected);
		sum += balance;
		if (balances)
			balances[expected] = balance;
	}
	job_must(bank->job, result == MDB_NOTFOUND);
	job_must(bank->job, expected == ACCOUNTS && sum == (long long)ACCOUNTS * BALANCE);
	mdb_cursor_close(cursor);
}

static void read_accounts(struct job *job, void *context)
{
	struct bank bank;
	MDB_txn *txn;

	(void)context;
	open_bank(&bank, job);
	txn = begin_transaction(&bank, MDB_RDONLY);
	while (!atomic_load(&job->stop)) {
		walk_accounts(&bank, txn, NULL);
		atomic_fetch_add(&job->steps, 1);
		mdb_txn_reset(txn);
		do_mdb(&bank, mdb_txn_renew(txn));
	}
	mdb_txn_abort(txn);
	mdb_env_close(bank.env);
}

/* context: number of dead readers not found yet */
static void check_readers(struct job *job, void *context)
{
	const int expected = *(const int *)context;
	struct bank bank;
	int dead = -1;

	open_bank(&bank, job);
	do_mdb(&bank, mdb_reader_check(bank.env, &dead));
	if (dead != expected)
		job_fail(job, __FILE__, __LINE__, path_of("%d dead readers, not %d", dead, expected));
	mdb_env_close(bank.env);
}

/*
 * Everything: each transfer is applied completely or not at all, and applied if it was committed; each
 * writer's in order, without a gap.
 */
static void look_through(struct job *job, void *context)
{
	long long balances[ACCOUNTS];
	uint32_t made[NUMBERS] = {0};
	MDB_cursor *cursor = NULL;
	struct bank bank;
	size_t entries = 0;
	MDB_stat stat;
	MDB_txn *txn;
	MDB_val key;
	MDB_val value;

	(void)context;
	open_bank(&bank, job);
	txn = begin_transaction(&bank, MDB_RDONLY);
	walk_accounts(&bank, txn, balances);
	do_mdb(&bank, mdb_cursor_open(txn, bank.transfers, &cursor));
	for (; mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS; entries++) {
		struct transfer_key ordered;
		struct transfer content;

		job_must(job, key.mv_size == sizeof(ordered) && value.mv_size == sizeof(content));
		memcpy(&ordered, key.mv_data, sizeof(ordered));
		memcpy(&content, value.mv_data, sizeof(content));
		job_must(job, ntohl(ordered.writer) < NUMBERS);
		job_must(job, ntohl(ordered.number) == ++made[ntohl(ordered.writer)]);
		job_must(job, content.giver < ACCOUNTS && content.taker < ACCOUNTS);
		balances[content.giver] += content.amount;
		balances[content.taker] -= content.amount;
	}
	mdb_cursor_close(cursor);
	do_mdb(&bank, mdb_stat(txn, bank.transfers, &stat));
	job_must(job, entries == stat.ms_entries);
	mdb_txn_abort(txn);
	mdb_env_close(bank.env);
	for (uint32_t i = 0; i < ACCOUNTS; i++)
		job_must(job, balances[i] == BALANCE);
	for (int i = 0; i < NUMBERS; i++)
		job_must(job, made[i] == tallies[i].committed ||
				      (tallies[i].killed && made[i] == tallies[i].committed + 1));
}

/* --- what the test does --- */

static void start_job(int place, void (*function)(struct job *job, void *context))
{
	jobs[place] = job_start(function, &place);
	assert_non_null(jobs[place]);
}

static void start_all(void)
{
	for (int i = 0; i < JOBS; i++)
		if (i < WRITERS || i >= NUMBERS)
			start_job(i, i < WRITERS ? write_transfers : read_accounts);
}

static void goes_on(int place, unsigned long steps)
{
	if (!job_goes_on(jobs[place], steps))
		fail_msg("job %d does not go on: %s", place, jobs[place]->failure);
}

static void all_go_on(unsigned long transfers, unsigned long walks)
{
	for (int i = 0; i < JOBS; i++)
		if (jobs[i])
			goes_on(i, i < NUMBERS ? transfers : walks);
}

static void end_and_look_through(void)
{
	assert_int_equal(jobs_end(jobs, JOBS), 0);
	assert_int_equal(job_run(look_through, NULL), 0);
}

/*
 * Files created by LMDB in the directory are mandatory from the start. This does not block it: the bytes that
 * it locks are in its lock file, which it only maps.
 */
static void set_mandatory(void)
{
	if (setxattr(in_directory(""), "user.segfs.lock", "mandatory", 9, 0) < 0) {
		assert_int_equal(errno, EOPNOTSUPP);
		skip_missing("user.segfs.lock");
	}
}

static void expect_mandatory(const char *name)
{
	char value[16] = "";

	check(getxattr(in_directory(name), "user.segfs.lock", value, sizeof(value) - 1));
	assert_string_equal(value, "mandatory");
}

static void begin(void **state)
{
	flags = *(const unsigned int *)*state;
	memset(tallies, 0, NUMBERS * sizeof(*tallies));
	if (mandatory)
		need_uncached_views();
	check(mkdir(in_directory(""), 0755));
	if (mandatory)
		set_mandatory();
	assert_int_equal(job_run(make_bank, NULL), 0);
	if (mandatory) {
		expect_mandatory("data.mdb");
		expect_mandatory("lock.mdb");
	}
}

static void several_write_and_read(void **state)
{
	begin(state);
	start_all();
	all_go_on(TRANSFERS, WALKS);
	end_and_look_through();
}

static void the_worker_dies(void **state)
{
	begin(state);
	start_all();
	for (int i = 0; i < DEATHS; i++) {
		all_go_on(2, 2);
		worker_replace(&mount);
	}
	all_go_on(2, 2);
	end_and_look_through();
}

/* The kernel notifies the next waiter for the mutex. */
static void who_has_the_mutex_dies(void **state)
{
	begin(state);
	for (int i = 0; i < 2; i++) {
		start_job(NUMBERS - 1, hold_mutex);
		goes_on(NUMBERS - 1, 1 - atomic_load(&jobs[NUMBERS - 1]->steps));
		start_job(2 * i, write_transfers);
		start_job(2 * i + 1, write_transfers);
		if (i == 1)
			worker_replace(&mount);
		assert_int_equal(job_kill(&jobs[NUMBERS - 1]), 0);
		all_go_on(2, 2);
	}
	end_and_look_through();
}

/* At random moments; now and then together with the worker. */
static void writers_die(void **state)
{
	begin(state);
	start_job(0, write_transfers);
	start_job(1, write_transfers);
	for (int i = WRITERS; i < NUMBERS; i++) {
		start_job(i, write_transfers);
		goes_on(i, 1 + (unsigned long)i % 3);
		if (i % 3 == 0)
			worker_kill(&mount, worker_pid(&mount));
		assert_int_equal(job_kill(&jobs[i]), 0);
		tallies[i].killed = true;
		all_go_on(1, 1);
	}
	end_and_look_through();
}

/* A reader's lock shows later processes that it lives, also after the death of the worker that granted it. */
static void dead_readers_are_told(void **state)
{
	int dead = 0;

	begin(state);
	start_job(0, write_transfers);
	start_job(NUMBERS, read_accounts);
	start_job(NUMBERS + 1, read_accounts);
	all_go_on(1, 1);
	assert_int_equal(job_run(check_readers, &dead), 0);
	worker_replace(&mount);
	assert_int_equal(job_run(check_readers, &dead), 0);
	assert_int_equal(job_kill(&jobs[NUMBERS]), 0);
	dead = 1;
	assert_int_equal(job_run(check_readers, &dead), 0);
	dead = 0;
	assert_int_equal(job_run(check_readers, &dead), 0);
	all_go_on(1, 1);
	end_and_look_through();
}

/* --- groups --- */

static int end(void **unused)
{
	(void)unused;
	for (int i = 0; i < JOBS; i++)
		job_kill(&jobs[i]);
	unlink(in_directory("data.mdb"));
	unlink(in_directory("lock.mdb"));
	rmdir(in_directory(""));
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

#define CASE(function, flags)                                                                                \
	{                                                                                                    \
#function ", " #flags, function, NULL, end, &(flags)                                         \
	}

int main(void)
{
	static unsigned int pwrite_pages = 0;
	static unsigned int write_map = MDB_WRITEMAP;
	static const struct CMUnitTest cases[] = {
		CASE(several_write_and_read, pwrite_pages),
		CASE(several_write_and_read, write_map),
		CASE(the_worker_dies, pwrite_pages),
		CASE(the_worker_dies, write_map),
		CASE(who_has_the_mutex_dies, pwrite_pages),
		CASE(who_has_the_mutex_dies, write_map),
		CASE(writers_die, pwrite_pages),
		CASE(writers_die, write_map),
		CASE(dead_readers_are_told, pwrite_pages),
	};
	static const struct CMUnitTest of_mandatory[] = {
		CASE(several_write_and_read, pwrite_pages),
		CASE(several_write_and_read, write_map),
		CASE(who_has_the_mutex_dies, pwrite_pages),
		CASE(dead_readers_are_told, pwrite_pages),
	};
	static const char *const modes[] = {"direct", "mediated", "relayed"};
	int failed = 0;

	if (geteuid() != 0)
		skip_program("root");
	tallies = mmap(NULL, NUMBERS * sizeof(*tallies), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (tallies == MAP_FAILED)
		return 1;
	for (int i = 0; i < 3; i++)
		failed += run_in_mode(modes[i], cases, sizeof(cases) / sizeof(cases[0]), start, stop);
	failed += run_in_mode("mandatory", of_mandatory, sizeof(of_mandatory) / sizeof(of_mandatory[0]),
			      start, stop);
	return failed;
}
