// SPDX-License-Identifier: MIT
/*
 * PostgreSQL: a cluster whose files are on the target, and pgbench -S. All servers run during the whole
 * table, as an ordinary user, and listen on Unix sockets only.
 *
 * A target on which no cluster can be made is left out. passthrough_hp is one: all that it creates is root's.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS        9
#define GOAL          0.95 /* of tmpfs's speed */
#define SCALE         "5"
#define CLUSTER       "cluster"
#define FIRST_PORT    5432 /* part of the socket's name */
#define START_SECONDS 60

static char programs[PATH_MAX - 64]; /* the directory of initdb and the others */
static char sockets[96];             /* directory; the name of a socket is short */
static const struct passwd *user;
static pid_t servers[TARGETS]; /* 0 = none */
static pid_t owner;            /* the process that ends them */

static bool find_programs(void)
{
	glob_t found;
	bool any;

	if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0)
		return false;
	/* the newest is the last */
	any = snprintf(programs, sizeof(programs), "%s", found.gl_pathv[found.gl_pathc - 1]) <
	      (int)sizeof(programs);
	globfree(&found);
	*strrchr(programs, '/') = 0;
	return any;
}

/* In a child: becomes the user and runs a program of PostgreSQL; its output goes to `log`. */
__attribute__((noreturn)) static void execute(const char *log, const char *const arguments[])
{
	char path[PATH_MAX];
	int output = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

	snprintf(path, sizeof(path), "%s/%s", programs, arguments[0]);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	if (chdir("/") < 0 || setgroups(0, NULL) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
		_exit(126);
	/* after setuid(2), which clears it; a server takes it for an immediate shutdown */
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (getppid() != owner)
		_exit(126);
	execv(path, (char *const *)(uintptr_t)arguments); /* it changes no argument */
	_exit(127);
}

static bool run(const char *log, const char *const arguments[])
{
	int status;
	pid_t pid = (pid_t)must(fork());

	if (pid == 0)
		execute(log, arguments);
	must(waitpid(pid, &status, 0));
	return status == 0;
}

static void stop_servers(void)
{
	if (getpid() != owner)
		return;
	for (int i = 0; i < TARGETS; i++)
		if (servers[i] > 0)
			kill(servers[i], SIGQUIT);
	for (int i = 0; i < TARGETS; i++)
		if (servers[i] > 0)
			waitpid(servers[i], NULL, 0);
	memset(servers, 0, sizeof(servers));
}

static bool accepts(const char *log, const char *port)
{
	const char *const arguments[] = {"pg_isready", "-q", "-h", sockets, "-p", port, NULL};

	return run(log, arguments);
}

/* cluster: its absolute path */
static bool start_server(int which, const char *log, const char *cluster, const char *port)
{
	const char *const arguments[] = {
		"postgres",          "-D", cluster,          "-k", sockets, "-p", port, "-c",
		"listen_addresses=", "-c", "autovacuum=off", NULL};
	uint64_t deadline = nanoseconds() + START_SECONDS * 1000000000ull;
	int status;

	servers[which] = (pid_t)must(fork());
	if (servers[which] == 0)
		execute(log, arguments);
	while (!accepts(log, port)) {
		if (waitpid(servers[which], &status, WNOHANG) != 0) {
			servers[which] = 0;
			return false;
		}
		if (nanoseconds() > deadline)
			die("PostgreSQL on %s does not answer; see %s", target_names[which], log);
		sleep_milliseconds(50);
	}
	return true;
}

static void name_port(int which, char port[12])
{
	snprintf(port, 12, "%d", FIRST_PORT + which);
}

/* Returns whether there is a server with tables then. */
static bool set_up(const char *base, const struct place *place)
{
	char log[PATH_MAX];
	char cluster[PATH_MAX];
	char port[12];
	const char *const initialize[] = {"initdb", "-D",    cluster,      "-A",        "trust",
					  "-U",     "bench", "--locale=C", "--no-sync", NULL};
	const char *const fill[] = {"pgbench", "-i", "-q", "-s",    SCALE,      "-h", sockets,
				    "-p",      port, "-U", "bench", "postgres", NULL};

	name_port(place->which, port);
	snprintf(log, sizeof(log), "%s/postgres.log", base);
	snprintf(cluster, sizeof(cluster), "%s/%s/programs/" CLUSTER, base, target_names[place->which]);
	must(mkdir(cluster, 0700));
	must(chown(cluster, user->pw_uid, user->pw_gid));
	return run(log, initialize) && start_server(place->which, log, cluster, port) && run(log, fill);
}

static bool has_server(const struct place *place)
{
	return servers[place->which] > 0;
}

/* argument: clients; the time without that of connecting is what pgbench prints */
static void select_rows(struct place *place, const struct workload *workload, unsigned int count)
{
	char command[2 * PATH_MAX];
	char line[256];
	char port[12];
	double speed = 0;
	FILE *output;

	name_port(place->which, port);
	snprintf(command, sizeof(command),
		 "%s/pgbench -n -S -c %ld -j %ld -t %u -h %s -p %s -U bench postgres 2>&1", programs,
		 workload->argument, workload->argument > 1 ? 2l : 1l,
		 count / (unsigned int)workload->argument, sockets, port);
	output = popen(command, "re");
	while (output && fgets(line, sizeof(line), output))
		if (strncmp(line, "tps = ", 6) == 0)
			speed = strtod(line + 6, NULL);
	if (!output || pclose(output) != 0 || speed <= 0)
		die("'%s' fails", command);
	place->told = 1e9 / speed;
}

static const struct workload workloads[] = {
	{.name = "pgbench -S",
	 .count = 4000,
	 .argument = 1,
	 .goal = GOAL,
	 .run = select_rows,
	 .runs_on = has_server},
	{.name = "pgbench -S, 4",
	 .count = 8000,
	 .argument = 4,
	 .goal = GOAL,
	 .run = select_rows,
	 .runs_on = has_server},
};

void bench_postgres(const char *base)
{
	struct place places[TARGETS];

	if (!is_wanted(workloads, sizeof(workloads) / sizeof(workloads[0])))
		return;
	user = getpwnam("postgres");
	if (!user || !find_programs()) {
		puts("\nmissing: postgresql");
		return;
	}
	owner = getpid();
	atexit(stop_servers);
	if (snprintf(sockets, sizeof(sockets), "%s/sockets", base) >= (int)sizeof(sockets))
		die("%s: too long for the names of sockets", base);
	must(mkdir(sockets, 0755));
	must(chown(sockets, user->pw_uid, user->pw_gid));
	open_places(places, base, "programs", ON_PASSTHROUGH);
	for (int i = 0; i < TARGETS; i++)
		if (is_measured(&places[i]) && !set_up(base, &places[i]))
			printf("\nno PostgreSQL on %s: a cluster can't be made there\n", target_names[i]);
	measure_table(places, "PostgreSQL", workloads, sizeof(workloads) / sizeof(workloads[0]), ROUNDS, NULL,
		      NULL);
	stop_servers();
	must(chdir("/"));
	for (int i = 0; i < TARGETS; i++) {
		if (!is_measured(&places[i]))
			continue;
		enter(&places[i]);
		if (system("rm -rf " CLUSTER) != 0)
			die("%s can't be removed", CLUSTER);
	}
}
