// SPDX-License-Identifier: MIT
/*
 * A worker that dies at any instruction. It is single-stepped, and after each instruction that changed a
 * slot, a copy of the slots is recovered; and it is killed at random moments, and its successor goes on with
 * the same slots.
 */
#include "tests/unit/compare.h"
#include "tests/unit/features.h"
#include "tests/unit/steps.h"

#include "fs/state/descriptors.h"
#include "fs/state/recover.h"

#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SECONDS 1.5 /* per case */

static struct world *world; /* shared with the worker */
static struct slots slots;  /* the worker's */
static pid_t worker = -1;

/* Each operation in each of its forms, before random ones. */
static const struct step script[] = {
	/* references, old and new; forgotten in part and completely, more than the recorded number */
	{OP_REFERENCE, 0, 0},
	{OP_FORGET, 0, 1},
	{OP_FORGET, 0, 1},
	{OP_FORGET, 1, 1},
	{OP_FORGET, 2, 1},
	{OP_REFERENCE, 1, 0},
	{OP_FORGET, 1, 1},
	{OP_FORGET, 3, 1},
	{OP_REFERENCE, 0, 0},
	{OP_REFERENCE, 2, 0},
	{OP_REFERENCE, 1, 0},
	{OP_REFERENCE, 3, 0},
	/* an id that is shared, cached, evicted by another node of the same place, closed with its node */
	{OP_OPEN, 4, IO_DIRECT},
	{OP_OPEN, 4, IO_MEDIATED},
	{OP_OPEN, 4, IO_RELAYED},
	{OP_CLOSE, 1, 1},
	{OP_CLOSE, 0, 1},
	{OP_CLOSE, 2, 0},
	{OP_OPEN, 4, IO_DIRECT},
	{OP_CLOSE, 0, 0},
	{OP_OPEN, 10, IO_DIRECT},
	{OP_CLOSE, 0, 0},
	{OP_FORGET, 10, 1},
	{OP_REFERENCE, 10, 0},
	{OP_OPEN, 5, 4},
	{OP_OPEN, 5, 5},
	/* removed: idle, unpinned, by descriptor, by id; failed; linked again */
	{OP_FORGET, 5, 1},
	{OP_UNLINK, 5, 0},
	{OP_UNLINK, 6, 0},
	{OP_REFERENCE, 6, 0},
	{OP_FORGET, 6, 2},
	{OP_OPEN, 7, IO_DIRECT},
	{OP_UNLINK, 7, 1},
	{OP_UNLINK, 7, 0},
	{OP_CLOSE, 0, 0},
	{OP_OPEN, 7, IO_DIRECT},
	{OP_CLOSE, 0, 0},
	{OP_REFERENCE, 7, 1},
	{OP_UNLINK, 7, 0},
	{OP_FORGET, 7, 2},
	{OP_REFERENCE, 6, 2},
	{OP_REFERENCE, 6, 1},
	{OP_FORGET, 6, 2},
	{OP_REFERENCE, 5, 2},
	{OP_OPEN, 5, IO_RELAYED},
	{OP_CLOSE, 0, 0},
	{OP_FORGET, 5, 1},
	/* created in each mode; again, as a replay does; without an id; and then removed */
	{OP_CREATE, 4, IO_DIRECT},
	{OP_CREATE, 3, IO_RELAYED},
	{OP_CREATE, 4, IO_DIRECT},
	{OP_CREATE, 2, IO_DIRECT + 4},
	{OP_CLOSE, 0, 0},
	{OP_CLOSE, 1, 0},
	{OP_CLOSE, 2, 0},
	{OP_UNLINK, 4, 0},
	{OP_UNLINK, 3, 0},
};

#define SCRIPT (sizeof(script) / sizeof(script[0]))

/* --- followed instruction by instruction --- */

/* Parts of the arena that these operations change. */
#define N_PARTS 3
struct part {
	void *at;
	size_t size;
};

static void parts_of(const struct arena *arena, struct part parts[N_PARTS])
{
	parts[0] = (struct part){arena->header, offsetof(struct arena_header, stores)};
	parts[1] = (struct part){arena->nodes, WORLD_NODES * sizeof(struct node_slot)};
	parts[2] = (struct part){arena->handles, (WORLD_OPENS + 1) * sizeof(struct handle_slot)};
}

static bool differ(const struct part some[N_PARTS], const struct part other[N_PARTS])
{
	for (int i = 0; i < N_PARTS; i++)
		if (memcmp(some[i].at, other[i].at, some[i].size) != 0)
			return true;
	return false;
}

static void copy(const struct part from[N_PARTS], const struct part to[N_PARTS])
{
	for (int i = 0; i < N_PARTS; i++)
		memcpy(to[i].at, from[i].at, from[i].size);
}

static bool is_open_in_worker(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", worker, fd);
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void live(void)
{
	for (size_t i = 0; i < SCRIPT; i++)
		world_do(world, &slots, &script[i]);
	for (;;)
		world_do_something(world, &slots);
}

/* Recovers a copy, as if the worker had died here. */
static void die_here(struct slots *left, const struct part parts[N_PARTS], const struct part seen[N_PARTS],
		     const struct part copies[N_PARTS])
{
	struct world after = *world;
	struct view view = {.world = &after, .slots = left, .is_open = is_open_in_worker};

	/* the state before this store: a descriptor may have been closed meanwhile */
	compare_fds(&view, seen[1].at, WORLD_NODES, seen[2].at, WORLD_OPENS + 1);
	copy(parts, seen);
	copy(parts, copies);
	assert_int_equal(state_recover(&left->state, &left->arena, WORLD_IDLE), 0);
	compare(&view);
	compare_free_slots(&view);
	state_close(&left->state);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void survives_a_death_at_every_store(void **state)
{
	struct part parts[N_PARTS], seen[N_PARTS], copies[N_PARTS];
	unsigned int deaths = 0;
	unsigned long steps = 0;
	double end = now() + SECONDS;
	struct slots left;
	cpu_set_t all;

	(void)state;
	assert_int_equal(
		arena_create(&left.arena, WORLD_NODES, WORLD_OPENS + 1, slots.arena.header->max_locks), 0);
	/* everything that does not change; the other slots are copied at each store */
	memcpy(left.arena.nodes, slots.arena.nodes, WORLD_NODES * sizeof(struct node_slot));
	parts_of(&slots.arena, parts);
	parts_of(&left.arena, copies);
	for (int i = 0; i < N_PARTS; i++) {
		seen[i].size = parts[i].size;
		seen[i].at = malloc(parts[i].size);
		assert_non_null(seen[i].at);
	}
	copy(parts, seen);
	all = steps_on_one_processor();
	worker = steps_start(live);
	while (now() < end || atomic_load(&world->done) < SCRIPT) {
		/* the clock is read now and then only */
		for (int i = 0; i < 1000; i++) {
			assert_true(steps_next(worker));
			if (differ(parts, seen)) {
				die_here(&left, parts, seen, copies);
				deaths++;
			}
		}
		steps += 1000;
	}
	sched_setaffinity(0, sizeof(all), &all);
	print_message("%u deaths in %u operations, %lu instructions\n", deaths, atomic_load(&world->done),
		      steps);
	for (int i = 0; i < N_PARTS; i++)
		free(seen[i].at);
	arena_destroy(&left.arena);
}

/* --- killed at random --- */

/* With the descriptors of this process, as started by the supervisor. */
static void start_worker(void)
{
	struct clone_args arguments = {.flags = CLONE_FILES, .exit_signal = SIGCHLD};

	worker = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (worker < 0 && errno == ENOSYS)
		skip_missing("clone3(2)");
	assert_true(worker >= 0);
	if (worker == 0)
		for (;;)
			world_do_something(world, &slots);
}

/* After some operations, and a while. */
static void kill_worker(uint64_t *random)
{
	uint32_t target = atomic_load(&world->done) + (uint32_t)world_random(random, 100);
	uint64_t spins = world_random(random, 20000);
	int status;

	while ((int32_t)(atomic_load(&world->done) - target) < 0) {
		if (waitpid(worker, &status, WNOHANG) != 0)
			fail_msg("the worker ended by itself after %u operations", atomic_load(&world->done));
		sched_yield();
	}
	for (volatile uint64_t i = 0; i < spins; i++)
		;
	assert_int_equal(kill(worker, SIGKILL), 0);
	assert_int_equal(waitpid(worker, &status, 0), worker);
	worker = -1;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void note_new_open(int file)
{
	uint64_t number = handle_find_by_request(&slots.state, world->unique);
	const struct handle_slot *slot = number ? handle_get(&slots.state, number) : NULL;
	int place = 0;

	for (int i = 0; i < WORLD_OPENS; i++)
		if (!slot || world->opens[i].number == number)
			return;
	while (world->opens[place].number)
		place++;
	world->opens[place].number = number;
	world->opens[place].unique = slot->unique;
	world->opens[place].file = file;
	world->opens[place].fd = slot->fd;
	world->opens[place].backing_id =
		slot->mode == IO_RELAYED ? 0 : node_get(&slots.state, slot->node)->backing_id;
	world->given_handles[(uint32_t)number] = number;
}

/* The slots tell the result of the interrupted operation. */
static void note_what_was_under_way(void)
{
	struct step step = world->under_way;
	int file = step.file;
	const struct node_slot *node;
	uint64_t id;

	world->under_way.operation = OP_NONE;
	if (step.operation == OP_NONE)
		return;
	if (step.operation == OP_CLOSE) {
		if (!handle_get(&slots.state, world->opens[file].number))
			world->opens[file].number = 0;
		return;
	}
	if (step.operation == OP_OPEN || step.operation == OP_CREATE)
		note_new_open(file);
	id = find(&slots, world->files[file].inode);
	node = id ? node_get(&slots.state, id) : NULL;
	world->files[file].lookups = node ? node->lookups : 0;
	if (node) {
		world->files[file].id = id;
		world->files[file].unlinked = node->flags & NODE_UNLINKED;
		if (step.operation == OP_UNLINK && world->files[file].unlinked)
			world->files[file].lost = node->fd < 0 && node->backing_id == 0;
		world->given[node_index_of(id)] = id;
	} else {
		world_file_is_gone(world, file);
	}
}

static void survives_kills(void **state)
{
	struct view view = {.world = world, .slots = &slots, .is_open = is_open};
	struct arena_header *header = slots.arena.header;
	uint64_t random = world->random ^ 0x5555;
	double end = now() + SECONDS;
	unsigned int deaths = 0;

	(void)state;
	for (int fd = 0; fd < WORLD_LOW_FD; fd++)
		if (is_open(fd) && fd != slots.arena.fd && header->n_base_fds < ARENA_BASE_FDS)
			header->base_fds[header->n_base_fds++] = fd;
	assert_true(header->n_base_fds < ARENA_BASE_FDS);
	for (; now() < end; deaths++) {
		start_worker();
		kill_worker(&random);
		slots_again(&slots);
		assert_true(descriptors_close_strays(&slots.arena) >= 0);
		compare(&view);
		assert_int_equal(descriptors_close_strays(&slots.arena), 0);
		note_what_was_under_way();
		compare(&view);
	}
	for (uint32_t i = 0; i < header->n_base_fds; i++)
		assert_true(is_open(header->base_fds[i]));
	print_message("%u deaths in %u operations\n", deaths, atomic_load(&world->done));
}

static int set_up(void **state)
{
	(void)state;
	world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (world == MAP_FAILED)
		return -1;
	world->random = world_seed();
	world_open(world, &slots);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (worker > 0) {
		kill(worker, SIGKILL);
		waitpid(worker, NULL, 0);
		worker = -1;
	}
	state_close(&slots.state);
	arena_destroy(&slots.arena);
	close(world->null_fd);
	munmap(world, sizeof(*world));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(survives_a_death_at_every_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(survives_kills, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
