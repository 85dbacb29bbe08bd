// SPDX-License-Identifier: MIT
/*
 * Table "segctl": `segctl ls` beside `ls -l`, and the CPU that `segctl top` takes.
 *
 * Each look comes after the kernel's caches of names and attributes have expired, as for a person who types
 * it: within a second `ls -l` would ask segfs for nothing at all.
 */
#include "tests/bench/bench.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS    9
#define EXPIRY    1100 /* milliseconds after which nothing is cached */
#define LISTED    10000u
#define WATCHED   1000u
#define LOOKS     5
#define LS_GOAL   2.0
#define TOP_GOAL  2.0 /* per cent of a CPU */
#define DIRECTORY "segctl-bench"

/* Runs a program without output. Returns its time in nanoseconds; cpu: its CPU time. */
static double run(char *const *arguments, double *cpu)
{
	const uint64_t start = nanoseconds();
	struct rusage usage;
	int status;
	pid_t pid = (pid_t)must(fork());

	if (pid == 0) {
		must(dup2((int)must(open("/dev/null", O_WRONLY)), STDOUT_FILENO));
		execvp(arguments[0], arguments);
		_exit(127);
	}
	must(wait4(pid, &status, 0, &usage));
	if (status != 0)
		die("%s %s ends with %d", arguments[0], arguments[1], status);
	if (cpu)
		*cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
		       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
	return (double)(nanoseconds() - start);
}

static char *segctl(void)
{
	char *path = getenv("SEGCTL");

	if (!path || access(path, X_OK) < 0)
		die("SEGCTL names no program");
	return path;
}

static void list(char *directory)
{
	char *const ls[] = {(char[]){"ls"}, (char[]){"-lR"}, directory, NULL};
	char *const ours[] = {segctl(), (char[]){"ls"}, (char[]){DIRECTORY}, NULL};
	double times[2][ROUNDS], ratios[ROUNDS], middle, spread;

	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 2; i++) {
			/* in turn each is the first */
			const int which = (round + i) % 2;

			sleep_milliseconds(EXPIRY);
			times[which][round] = run(which ? ours : ls, NULL);
		}
		ratios[round] = times[1][round] / times[0][round];
	}
	middle = median(ratios, ROUNDS);
	spread = half_spread(ratios, ROUNDS);
	printf("%-28s %9.1f ms %9.1f ms %6.2f +-%.2f  goal %.1f: %s\n", "ls, 10,000 segments",
	       median(times[0], ROUNDS) / 1e6, median(times[1], ROUNDS) / 1e6, middle, spread, LS_GOAL,
	       middle + spread <= LS_GOAL  ? "reached"
	       : middle - spread > LS_GOAL ? "missed"
					   : "noise");
}

static void watch(const char *mount)
{
	const pid_t worker = (pid_t)status_number(mount, "worker_pid");
	char *const ours[] = {segctl(), (char[]){"top"}, (char[]){"-c"}, (char[]){"6"}, NULL};
	double own[LOOKS], daemon[LOOKS], middle;

	for (int i = 0; i < LOOKS; i++) {
		const uint64_t before = cpu_of(worker);
		double cpu;
		const double time = run(ours, &cpu);

		own[i] = 100 * cpu / time;
		daemon[i] = 100 * (double)(cpu_of(worker) - before) / time;
	}
	middle = median(own, LOOKS);
	printf("%-28s %9.2f %%  +-%.2f, and %.2f %% of the daemon  goal %.1f: %s\n",
	       "top, 1,000 segments, every 2 s", middle, half_spread(own, LOOKS), median(daemon, LOOKS),
	       TOP_GOAL, middle <= TOP_GOAL ? "reached" : "missed");
}

void bench_tool(const char *base)
{
	char mount[PATH_MAX], path[PATH_MAX + sizeof(DIRECTORY) + 1];
	int directory;

	snprintf(mount, sizeof(mount), "%s/segfs", base);
	snprintf(path, sizeof(path), "%s/" DIRECTORY, mount);
	must(setenv("SEGFS_MOUNT", mount, 1));
	must(mkdir(path, 0755));
	directory = (int)must(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	printf("\n%-28s %12s %12s %6s\n", "segctl", "ls -l", "segctl ls", "ratio");
	fill_directory(directory, LISTED);
	list(path);
	empty_directory(directory, LISTED);
	fill_directory(directory, WATCHED);
	watch(mount);
	empty_directory(directory, WATCHED);
	close(directory);
	must(rmdir(path));
}
