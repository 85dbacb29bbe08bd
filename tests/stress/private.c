// SPDX-License-Identifier: MIT
/* Choosing private operations, performing them on both sides, comparing results. */
#include "tests/stress/stress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define KEPT    40     /* last operations, which are shown on failure */
#define LARGEST 200000 /* offset, bytes */
#define PAGE    4096

struct step {
	unsigned long n;
	struct operation operation;
	struct outcome mount;
	struct outcome twin;
};

static struct step steps[KEPT]; /* the last ones */

unsigned int n_private_kinds(void)
{
	return n_name_kinds + n_file_kinds;
}

static const struct kind *kind_of(unsigned int number)
{
	return number < n_name_kinds ? &name_kinds[number] : &file_kinds[number - n_name_kinds];
}

const char *private_kind_name(unsigned int number)
{
	return kind_of(number)->name;
}

static unsigned int choose_kind(struct choices *choices)
{
	static unsigned int total;
	unsigned int chosen;
	unsigned int number;

	if (total == 0)
		for (unsigned int i = 0; i < n_private_kinds(); i++)
			total += kind_of(i)->weight;
	chosen = choose(choices, total);
	for (number = 0; chosen >= kind_of(number)->weight; number++)
		chosen -= kind_of(number)->weight;
	return number;
}

/* Mostly few names, so that operations interact. */
static void choose_path(struct choices *choices, char path[64], bool of_directory)
{
	static const char *const directories[] = {"", "", "", "d0/", "d0/", "d1/", "d0/d0/", "d1/d1/"};
	const char *directory = directories[choose(choices, 8)];
	unsigned int number = choose(choices, 6);

	if (choose(choices, 10) == 0)
		of_directory = !of_directory;
	snprintf(path, 64, "%s%c%u", directory, of_directory ? 'd' : 'n', of_directory ? number % 2 : number);
}

static off_t choose_offset(struct choices *choices)
{
	static const unsigned int limits[] = {1, 100, 5000, 20000, LARGEST};
	off_t offset = choose(choices, limits[choose(choices, 5)]);

	return choose(choices, 3) == 0 ? offset / PAGE * PAGE : offset;
}

static unsigned int choose_operation(struct choices *choices, struct operation *operation)
{
	static const char *const of_directories[] = {"mkdir", "rmdir", "readdir"};
	static const unsigned int lengths[] = {1, 100, 5000, 20000, LONGEST};
	static const mode_t modes[] = {0644, 0600, 0666, 0755, 0444, 0640, 04755, 0222};
	unsigned int number = choose_kind(choices);
	bool of_directory = false;

	*operation = (struct operation){.kind = kind_of(number)};
	for (int i = 0; i < 3; i++)
		of_directory |= strcmp(operation->kind->name, of_directories[i]) == 0;
	/* all choices are made for every operation, whether needed or not */
	choose_path(choices, operation->from, of_directory);
	choose_path(choices, operation->to, choose(choices, 6) == 0);
	operation->slot = (int)choose(choices, SLOTS);
	operation->other = (int)choose(choices, SLOTS);
	operation->choice = choose(choices, 1u << 20);
	operation->offset = choose_offset(choices);
	operation->other_offset = choose_offset(choices);
	operation->length = 1 + choose(choices, lengths[choose(choices, 5)]);
	operation->mode = modes[choose(choices, 8)];
	operation->byte = (unsigned char)(1 + choose(choices, 255));
	return number;
}

/* --- judging --- */

static void show(const char *where, const struct outcome *outcome)
{
	fprintf(stderr, "      %s: %ld %s, sum %llx %s\n", where, outcome->result,
		outcome->result < 0 ? strerrorname_np((int)-outcome->result) : "",
		(unsigned long long)outcome->sum, outcome->text);
}

static void show_steps(const struct stress_client *client)
{
	unsigned long first = client->n < KEPT ? 0 : client->n - KEPT + 1;

	for (unsigned long n = first; n <= client->n; n++) {
		const struct step *step = &steps[n % KEPT];
		const struct operation *of = &step->operation;

		if (!of->kind || step->n != n)
			continue;
		fprintf(stderr,
			"%lu: %s %s %s slots %d %d choice %u at %lld %lld length %zu mode %o byte %u\n", n,
			of->kind->name, of->from, of->to, of->slot, of->other, of->choice,
			(long long)of->offset, (long long)of->other_offset, of->length, of->mode, of->byte);
		show("mount", &step->mount);
		show("twin ", &step->twin);
	}
}

void client_fail(struct stress_client *client, const char *format, ...)
{
	va_list arguments;
	char text[400];

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "client %u, after %lu private operations: %s\n", client->number, client->n, text);
	show_steps(client);
	errno = 0;
	job_fail(client->job, "client", (int)client->number, text);
}

static bool is_same(const struct outcome *one, const struct outcome *other)
{
	return one->result == other->result && one->sum == other->sum && strcmp(one->text, other->text) == 0;
}

static void enter(struct stress_client *client, const struct side *side)
{
	if (fchdir(side->root) < 0)
		client_fail(client, "fchdir: %s", strerrorname_np(errno));
}

static void run(struct stress_client *client, struct side *side, const struct operation *operation,
		struct outcome *outcome)
{
	*outcome = (struct outcome){.result = 0};
	enter(client, side);
	outcome->result = operation->kind->run(side, operation, outcome);
}

/* Whether a kill happened since `kills` was read. */
static bool was_killed(const struct stress_client *client, unsigned long kills)
{
	return kills % 2 || atomic_load(&client->shared->kills) != kills;
}

void private_step(struct stress_client *client)
{
	struct step *step = &steps[client->n % KEPT];
	struct operation *operation = &step->operation;
	unsigned int number = choose_operation(&client->private_choices, operation);
	unsigned long kills;

	step->n = client->n;
	step->twin = (struct outcome){.text = "(not yet)"};
	kills = atomic_load(&client->shared->kills);
	run(client, &client->mount, operation, &step->mount);
	atomic_fetch_add(&client->shared->operations, 1);
	atomic_fetch_add(&client->shared->done[number], 1);
	run(client, &client->twin, operation, &step->twin);
	if (!is_same(&step->mount, &step->twin))
		client_fail(client, "%s differs%s", operation->kind->name,
			    was_killed(client, kills) ? " (under a kill)" : "");
	client->n++;
}
