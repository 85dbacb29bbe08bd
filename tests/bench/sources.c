// SPDX-License-Identifier: MIT
/*
 * The machine's own shared memory: the cost of `ls -l` of a great many segments, objects and processes,
 * compared with as many files on tmpfs, with querying the kernel directly, and with the null daemon. No
 * server with ACLs can have fewer round trips: only GETXATTR returns an ACL, and each READDIRPLUS invalidates
 * it.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENTS  4096u /* SHMMNI, less the existing ones */
#define OBJECTS   10000u
#define PROCESSES 2000u
#define ROUNDS    9
#define GOAL      3.0 /* ratio to tmpfs, without the kernel query */
#define FIRST_KEY 0x5e600000

static int segments[SEGMENTS];
static unsigned int n_segments;
static pid_t processes[PROCESSES];
static unsigned int n_processes;
static char objects[PATH_MAX]; /* prefix of the names of objects in /dev/shm, "" = none exist */

/* Removes everything created here, however the program ends. */
static void clean_up(void)
{
	while (n_segments > 0)
		shmctl(segments[--n_segments], IPC_RMID, NULL);
	for (unsigned int i = 0; i < n_processes; i++)
		kill(processes[i], SIGKILL);
	while (n_processes > 0)
		waitpid(processes[--n_processes], NULL, 0);
	for (unsigned int i = 0; *objects && i < OBJECTS; i++) {
		char path[PATH_MAX + 16];

		snprintf(path, sizeof(path), "%s%05u", objects, i);
		unlink(path);
	}
	*objects = 0;
}

/* Runs a program with output discarded. Returns milliseconds. */
static double run(char *const arguments[])
{
	uint64_t begun = nanoseconds();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		execvp(arguments[0], arguments);
		_exit(127);
	}
	must(pid);
	must(waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		die("%s can't be run", arguments[0]);
	return (double)(nanoseconds() - begun) / 1e6;
}

/* prefix: of their paths; a number follows. */
static void make_files(const char *prefix, unsigned int n, bool directories)
{
	for (unsigned int i = 0; i < n; i++) {
		char path[2 * PATH_MAX];

		snprintf(path, sizeof(path), "%s%05u", prefix, i);
		if (directories)
			must(mkdir(path, 0500));
		else
			close((int)must(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)));
	}
}

struct listing {
	const char *name;
	unsigned int n;   /* entries */
	bool directories; /* directories instead of files */
	const char *base;
	const char *shown; /* below BASE/segfs */
	char prefix[64];   /* of the names on tmpfs; a number follows */
	char *asking[4];   /* command that queries the kernel, empty = none */
};

/* One line: `ls -l` of the source, of as many files on tmpfs, and the kernel's own listing. */
static void compare(struct listing *listing)
{
	static const char *const places[] = {"tmpfs/listed", "segfs", "listed"};
	char directories[3][PATH_MAX];
	char prefix[2 * PATH_MAX];
	double times[4][ROUNDS];
	double middle[4];

	for (int i = 0; i < 3; i++)
		snprintf(directories[i], PATH_MAX, "%s/%s%s%s", listing->base, places[i], i == 1 ? "/" : "",
			 i == 1 ? listing->shown : "");
	must(mkdir(directories[0], 0755));
	snprintf(prefix, sizeof(prefix), "%s/%s", directories[0], listing->prefix);
	make_files(prefix, listing->n, listing->directories);
	must(mkdir(directories[2], 0755));
	null_start(directories[2], listing->n, listing->directories);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 3; i++)
			times[i][round] =
				run((char *[]){(char[]){"ls"}, (char[]){"-l"}, directories[i], NULL});
		times[3][round] = listing->asking[0] ? run(listing->asking) : 0;
	}
	null_stop();
	must(rmdir(directories[2]));
	run((char *[]){(char[]){"rm"}, (char[]){"-r"}, directories[0], NULL});
	for (int i = 0; i < 4; i++)
		middle[i] = median(times[i], ROUNDS);
	printf("%-26s %8u %9.1f %9.1f %9.1f %9.1f %9.2f %9.2f  %s\n", listing->name, listing->n, middle[0],
	       middle[1], middle[3], middle[2], (middle[1] - middle[3]) / middle[0], middle[2] / middle[0],
	       middle[1] <= GOAL * middle[0] + middle[3] ? "reached"
	       : middle[2] > GOAL * middle[0]            ? "out of reach, see null"
							 : "missed");
}

static void measure_segments(const char *base)
{
	struct listing listing = {.name = "System V segments",
				  .base = base,
				  .shown = "sysv",
				  .prefix = "0x000",
				  .asking = {(char[]){"ipcs"}, (char[]){"-m"}}};

	while (n_segments < SEGMENTS) {
		int id = shmget(FIRST_KEY + (key_t)n_segments, 4096, IPC_CREAT | IPC_EXCL | 0600);

		if (id < 0 && errno == ENOSPC)
			break;
		segments[n_segments++] = (int)must(id);
	}
	listing.n = n_segments;
	compare(&listing);
}

static void measure_objects(const char *base)
{
	struct listing listing = {.name = "POSIX objects", .n = OBJECTS, .base = base, .shown = "posix"};

	snprintf(listing.prefix, sizeof(listing.prefix), "%.60s.", strrchr(base, '/') + 1);
	snprintf(objects, sizeof(objects), "/dev/shm/%s", listing.prefix);
	make_files(objects, OBJECTS, false);
	compare(&listing);
}

static void measure_processes(const char *base)
{
	struct listing listing = {.name = "processes",
				  .n = PROCESSES,
				  .directories = true,
				  .base = base,
				  .shown = "process",
				  .prefix = "1",
				  .asking = {(char[]){"ls"}, (char[]){"-l"}, (char[]){"/proc"}}};

	while (n_processes < PROCESSES) {
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		processes[n_processes++] = (pid_t)must(pid);
	}
	compare(&listing);
}

void bench_sources(const char *base)
{
	static const struct {
		const char *name;
		void (*measure)(const char *base);
	} lines[] = {
		{"System V segments", measure_segments},
		{"POSIX objects", measure_objects},
		{"processes", measure_processes},
	};

	atexit(clean_up);
	atexit(null_stop);
	printf("\n%-26s %8s %9s %9s %9s %9s %9s %9s  goal: %.1f\n", "ls -l, ms", "entries", "tmpfs", "segfs",
	       "asking", "null", "x tmpfs", "null", GOAL);
	printf("asking: ipcs -m, nothing, ls -l /proc; x tmpfs: of what is beyond that; null: a FUSE server "
	       "that only answers. Medians.\n");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!only || strstr(lines[i].name, only))
			lines[i].measure(base);
		clean_up();
	}
}
