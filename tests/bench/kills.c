// SPDX-License-Identifier: MIT
/*
 * The cost of worker deaths and upgrades to clients: the longest call of several clients around each event,
 * compared with the same without an event; and the time until a worker with a great many nodes serves
 * requests.
 */
#include "tests/bench/bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS       8    /* that change names and attributes */
#define CALM          1000 /* epochs of each kind */
#define KILLS         1000
#define UPGRADES      100
#define PAUSE_MS      15   /* between epochs */
#define STEPS         3    /* minimum rounds of calls of each client per epoch */
#define GOAL_MEDIAN   20.0 /* ms that a kill may add to the longest call */
#define GOAL_LONGEST  100.0
#define NODES         1000000u
#define PER_DIRECTORY 10000u
#define GOAL_RECOVERY 500.0 /* ms */

struct client {
	_Atomic uint64_t longest; /* call since this was set to 0, nanoseconds */
	_Atomic uint64_t steps;
	pid_t pid;
};

static struct {
	struct client names[CLIENTS];
	struct client data;
} * shared;

static void note(struct client *client, uint64_t begun)
{
	uint64_t took = nanoseconds() - begun;
	uint64_t longest = atomic_load(&client->longest);

	while (took > longest && !atomic_compare_exchange_weak(&client->longest, &longest, took))
		;
}

#define timed(client, call)                                                                                  \
	do {                                                                                                 \
		uint64_t begun_ = nanoseconds();                                                             \
		must(call);                                                                                  \
		note(client, begun_);                                                                        \
	} while (0)

static void change_names(struct client *client)
{
	struct stat stat_buffer;
	int file = -1;

	for (;; atomic_fetch_add(&client->steps, 1)) {
		timed(client, file = open("one", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
		timed(client, fchmod(file, 0640));
		timed(client, link("one", "two"));
		timed(client, rename("one", "three"));
		timed(client, stat("two", &stat_buffer));
		timed(client, unlink("two"));
		timed(client, mkdir("directory", 0700));
		timed(client, rmdir("directory"));
		timed(client, unlink("three"));
		timed(client, close(file));
	}
}

/* Of an open file, which the kernel reads, writes and maps by itself. */
static void move_bytes(struct client *client)
{
	int file = (int)must(open("data", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	static char bytes[4096];
	volatile char *view;

	must(ftruncate(file, sizeof(bytes) * 256));
	view = mmap(NULL, sizeof(bytes) * 256, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (view == MAP_FAILED)
		die("mmap failed");
	for (;; atomic_fetch_add(&client->steps, 1)) {
		uint64_t begun;

		timed(client,
		      pwrite(file, bytes, sizeof(bytes), (off_t)(atomic_load(&client->steps) % 256) * 4096));
		timed(client, pread(file, bytes, sizeof(bytes), 0));
		begun = nanoseconds();
		view[(atomic_load(&client->steps) * 4096) % (sizeof(bytes) * 256)]++;
		note(client, begun);
	}
}

static void start_client(struct client *client, const char *directory,
			 void (*function)(struct client *client))
{
	must(mkdir(directory, 0755));
	client->pid = (pid_t)must(fork());
	if (client->pid != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(chdir(directory));
	function(client);
	_exit(0);
}

static void end_client(struct client *client)
{
	if (client->pid <= 0)
		return;
	kill(client->pid, SIGKILL);
	waitpid(client->pid, NULL, 0);
	client->pid = 0;
}

static void end_clients(void)
{
	for (int i = 0; shared && i < CLIENTS; i++)
		end_client(&shared->names[i]);
	if (shared)
		end_client(&shared->data);
}

/* Waits until the client has done some more rounds. */
static void await_steps(const struct client *client, uint64_t from)
{
	for (int tries = 0; atomic_load(&client->steps) < from + STEPS; tries++) {
		if (tries == 20000)
			die("a client does not go on");
		sleep_milliseconds(1);
	}
}

enum event { NOTHING, KILL, UPGRADE };

/* In sequence: the longest call of any client of names, and of the client of bytes, in ms. */
static void measure_epochs(const char *mount, enum event event, unsigned int n, double *names, double *data)
{
	for (unsigned int i = 0; i < n; i++) {
		uint64_t from[CLIENTS];
		uint64_t longest = 0;

		sleep_milliseconds(PAUSE_MS);
		for (int client = 0; client < CLIENTS; client++) {
			atomic_store(&shared->names[client].longest, 0);
			from[client] = atomic_load(&shared->names[client].steps);
		}
		atomic_store(&shared->data.longest, 0);
		if (event != NOTHING)
			must(kill(
				(pid_t)status_number(mount, event == KILL ? "worker_pid" : "supervisor_pid"),
				event == KILL ? SIGKILL : SIGUSR2));
		/* preceded by the check of an upgrade */
		if (event == UPGRADE)
			sleep_milliseconds(PAUSE_MS);
		for (int client = 0; client < CLIENTS; client++) {
			uint64_t own;

			await_steps(&shared->names[client], from[client]);
			own = atomic_load(&shared->names[client].longest);
			longest = own > longest ? own : longest;
		}
		names[i] = (double)longest / 1e6;
		data[i] = (double)atomic_load(&shared->data.longest) / 1e6;
	}
}

struct epochs {
	double names_median, names_longest, data_median, data_longest;
};

static struct epochs measure_kind(const char *mount, enum event event, unsigned int n)
{
	double *names = calloc(n, sizeof(*names));
	double *data = calloc(n, sizeof(*data));
	struct epochs epochs;

	if (!names || !data)
		die("no memory");
	measure_epochs(mount, event, n, names, data);
	/* median() sorts */
	epochs.names_median = median(names, n);
	epochs.names_longest = names[n - 1];
	epochs.data_median = median(data, n);
	epochs.data_longest = data[n - 1];
	free(names);
	free(data);
	return epochs;
}

static void print_epochs(const char *name, unsigned int n, const struct epochs *epochs,
			 const struct epochs *calm)
{
	double added = epochs->names_median - calm->names_median;
	double most = epochs->names_longest - calm->names_longest;

	printf("%-12s %7u %12.2f %12.2f %12.2f %12.2f", name, n, epochs->names_median, epochs->names_longest,
	       epochs->data_median, epochs->data_longest);
	if (epochs != calm)
		printf("   adds %.2f, %.2f: %s", added, most,
		       added < GOAL_MEDIAN && most < GOAL_LONGEST ? "reached" : "missed");
	printf("\n");
}

static void measure_stalls(const char *base)
{
	char mount[PATH_MAX];
	char directory[PATH_MAX + 32];
	struct epochs calm;
	struct epochs kills;
	struct epochs upgrades;

	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap failed");
	atexit(end_clients);
	for (int i = 0; i < CLIENTS; i++) {
		snprintf(directory, sizeof(directory), "%s/kills.names%d", mount, i);
		start_client(&shared->names[i], directory, change_names);
	}
	snprintf(directory, sizeof(directory), "%s/kills.data", mount);
	start_client(&shared->data, directory, move_bytes);
	printf("\n%-12s %7s %12s %12s %12s %12s   goal: adds less than %.0f, %.0f\n", "around", "times",
	       "names median", "longest", "bytes median", "longest", GOAL_MEDIAN, GOAL_LONGEST);
	printf("ms: the longest call of %d clients that change names and attributes, and of one that moves "
	       "bytes of an open file.\n",
	       CLIENTS);
	calm = measure_kind(mount, NOTHING, CALM);
	print_epochs("nothing", CALM, &calm, &calm);
	kills = measure_kind(mount, KILL, KILLS);
	print_epochs("a kill", KILLS, &kills, &calm);
	upgrades = measure_kind(mount, UPGRADE, UPGRADES);
	print_epochs("an upgrade", UPGRADES, &upgrades, &calm);
	end_clients();
}

/* The kernel knows all nodes, as it has listed them. */
static void make_nodes(const char *behind, const char *mount)
{
	for (unsigned int d = 0; d < NODES / PER_DIRECTORY; d++) {
		char path[PATH_MAX + 32];
		const struct dirent *entry;
		struct stat stat;
		DIR *directory;

		snprintf(path, sizeof(path), "%s/d%u", behind, d);
		must(mkdir(path, 0755));
		must(chdir(path));
		for (unsigned int i = 0; i < PER_DIRECTORY; i++) {
			snprintf(path, sizeof(path), "%u", i);
			must(mknod(path, S_IFREG | 0644, 0));
		}
		snprintf(path, sizeof(path), "%s/d%u", mount, d);
		must(chdir(path));
		directory = opendir(".");
		while (directory && (entry = readdir(directory)))
			must(lstat(entry->d_name, &stat));
		closedir(directory);
	}
	must(chdir("/"));
}

static void measure_recovery(const char *base)
{
	char mount[PATH_MAX];
	char behind[PATH_MAX];
	double times[9];
	double middle;

	snprintf(mount, sizeof(mount), "%s/%s", base, target_names[ON_SEGFS]);
	snprintf(behind, sizeof(behind), "%s/%s.behind", base, target_names[ON_SEGFS]);
	make_nodes(behind, mount);
	printf("\n%-12s %12s %12s   goal: less than %.0f\n", "nodes", "median ms", "longest", GOAL_RECOVERY);
	for (unsigned int i = 0; i < 9; i++) {
		char name[PATH_MAX + 32];
		struct stat stat_buffer;
		uint64_t begun;

		snprintf(name, sizeof(name), "%s/none%u", mount, i);
		begun = nanoseconds();
		must(kill((pid_t)status_number(mount, "worker_pid"), SIGKILL));
		if (stat(name, &stat_buffer) == 0)
			die("%s exists", name);
		times[i] = (double)(nanoseconds() - begun) / 1e6;
	}
	middle = median(times, 9);
	printf("%-12lld %12.1f %12.1f   %s\n", status_number(mount, "nodes"), middle, times[8],
	       times[8] < GOAL_RECOVERY ? "reached" : "missed");
}

void bench_kills(const char *base)
{
	if (!only || strstr("stalls", only))
		measure_stalls(base);
	if (!only || strstr("recovery", only))
		measure_recovery(base);
}
