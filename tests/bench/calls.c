// SPDX-License-Identifier: MIT
/*
 * The cost of operations in round trips and in system calls of the worker. Each is done OPERATIONS times,
 * once with the daemon's own count of requests and once under strace, which identifies them.
 */
#include "tests/bench/bench.h"
#include "tests/bench/operations.h"
#include "tests/bench/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FENCE "STATFS" /* sent by settle() */

static void change_directory(const char *base, const char *mount)
{
	static int behind = -1;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/calls", base, mount);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		die("%s: %s", path, strerror(errno));
	must(chdir(path));
	snprintf(path, sizeof(path), "%s/%s.behind/calls", base, mount);
	if (behind >= 0)
		close(behind);
	behind = (int)must(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
	set_up_operations(behind);
}

/* File and directory were looked up just now, and the daemon is idle. */
static void prepare(const struct operation *operation)
{
	struct stat found;

	stat_files();
	if (operation->prepare)
		operation->prepare();
	settle();
	must(stat(".", &found));
}

static void run(const struct operation *operation)
{
	for (unsigned int i = 0; i < OPERATIONS; i++)
		operation->run(i);
	settle();
}

static void run_nothing(unsigned int i)
{
	(void)i;
}

/* Difference of two counts of requests. */
static long long count_requests(const char *mount, const struct operation *operation)
{
	long long before;
	long long after;

	prepare(operation);
	before = status_number(mount, "requests");
	run(operation);
	after = status_number(mount, "requests");
	if (operation->finish)
		operation->finish();
	return after - before;
}

static void print_number(double number)
{
	double nearest = round(number);

	if (fabs(number - nearest) < 0.04)
		printf("%.0f", nearest);
	else
		printf("%.2f", number);
}

static void print_counts(const struct trace_count *counts, bool in_words)
{
	const char *separator = "";

	for (; counts->name[0]; counts++) {
		double each = (double)counts->count / OPERATIONS;

		/* what happens once in a hundred is not part of the operation */
		if (counts->count < OPERATIONS / 20)
			continue;
		printf("%s", separator);
		if (!in_words || fabs(each - 1) >= 0.04) {
			print_number(each);
			putchar(' ');
		}
		printf("%s", counts->name);
		separator = ", ";
	}
}

static double sum(const struct trace_count *counts)
{
	unsigned int total = 0;

	for (; counts->name[0]; counts++)
		total += counts->count;
	return (double)total / OPERATIONS;
}

static void print_operation(const struct operation *operation, const struct trace *trace, double requests)
{
	double calls = sum(trace->calls);

	printf("%-28s %6.2f %6.2f  ", operation->name, fabs(requests) < 0.005 ? 0.0 : requests, calls);
	print_counts(trace->requests, true);
	if (calls >= 0.05) {
		printf("\n%45s", "");
		print_counts(trace->calls, false);
	}
	putchar('\n');
}

static void count_operation(const char *base, const struct operation *operation)
{
	static const struct operation nothing = {.run = run_nothing};
	char mount[PATH_MAX];
	struct trace trace;
	long long requests;

	snprintf(mount, sizeof(mount), "%s/%s", base, operation->mount);
	change_directory(base, operation->mount);
	count_requests(mount, &nothing); /* look-ups needed only once */
	requests = -count_requests(mount, &nothing);
	requests += count_requests(mount, operation);

	prepare(operation);
	trace_start(&trace, (pid_t)status_number(mount, "worker_pid"), base);
	run(operation);
	trace_stop(&trace, FENCE);
	if (operation->finish)
		operation->finish();
	print_operation(operation, &trace, (double)requests / OPERATIONS);
}

void bench_calls(const char *base)
{
	printf("\n%-28s %6s %6s  %s\n", "each operation", "trips", "calls",
	       "requests; system calls of the worker, with the read and the writev of every request");
	for (const struct operation *operation = operations; operation->name; operation++)
		if (!only || strstr(operation->name, only))
			count_operation(base, operation);
	must(chdir("/"));
}
