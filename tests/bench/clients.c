// SPDX-License-Identifier: MIT
/*
 * A slice that several processes share. All begin at one time, when all are prepared; none finishes before
 * the last has run.
 */
#include "tests/bench/bench.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENTS_MAX 1000

/* Each step of a client: it reports by a byte, and goes on when the other pipe is closed. */
struct step {
	int reports[2];
	int go[2];
};

static void open_step(struct step *step)
{
	must(pipe(step->reports));
	must(pipe(step->go));
}

static void report_and_wait(const struct step *step)
{
	char byte = 'r';

	must(write(step->reports[1], &byte, 1));
	if (must(read(step->go[0], &byte, 1)) != 0)
		_exit(1);
}

static void await(const struct step *step, unsigned int clients)
{
	char byte;

	for (unsigned int i = 0; i < clients; i++)
		if (must(read(step->reports[0], &byte, 1)) != 1)
			die("a client has ended");
}

__attribute__((noreturn)) static void be_client(struct place *place, const struct workload *workload,
						unsigned int count, const struct step steps[2], pid_t parent)
{
	must(prctl(PR_SET_PDEATHSIG, SIGKILL));
	if (getppid() != parent)
		_exit(1);
	for (int i = 0; i < 2; i++) {
		close(steps[i].reports[0]);
		close(steps[i].go[1]);
	}
	if (workload->prepare)
		workload->prepare(place, workload, count);
	if (workload->repeatable)
		workload->run(place, workload, count / 8 + 1);
	report_and_wait(&steps[0]);
	workload->run(place, workload, count);
	report_and_wait(&steps[1]);
	if (workload->finish)
		workload->finish(place, workload, count);
	_exit(0);
}

__attribute__((noreturn)) static void start(struct place *place, const struct workload *workload,
					    unsigned int count, const struct step steps[2],
					    unsigned int client, uint64_t seed, pid_t parent)
{
	char directory[16];

	place->random = seed + client;
	if (workload->apart) {
		snprintf(directory, sizeof(directory), "c%u", client);
		must(chdir(directory));
	}
	be_client(place, workload, count, steps, parent);
}

double measure_clients(struct place *place, const struct workload *workload, uint64_t seed,
		       unsigned int count)
{
	unsigned int each = count > workload->clients ? count / workload->clients : 1;
	pid_t clients[CLIENTS_MAX];
	pid_t parent = getpid();
	struct step steps[2];
	uint64_t begun;
	uint64_t ended;

	if (workload->clients > CLIENTS_MAX)
		die("%s: too many clients", workload->name);
	open_step(&steps[0]);
	open_step(&steps[1]);
	fflush(NULL);
	for (unsigned int i = 0; i < workload->clients; i++) {
		clients[i] = (pid_t)must(fork());
		if (clients[i] == 0)
			start(place, workload, each, steps, i, seed, parent);
	}
	for (int i = 0; i < 2; i++) {
		close(steps[i].reports[1]);
		close(steps[i].go[0]);
	}
	await(&steps[0], workload->clients);
	begun = nanoseconds();
	close(steps[0].go[1]);
	await(&steps[1], workload->clients);
	ended = nanoseconds();
	close(steps[1].go[1]);
	for (unsigned int i = 0; i < workload->clients; i++) {
		int status;

		must(waitpid(clients[i], &status, 0));
		if (status != 0)
			die("a client has failed");
	}
	close(steps[0].reports[0]);
	close(steps[1].reports[0]);
	return (double)(ended - begun) / (each * workload->clients);
}
