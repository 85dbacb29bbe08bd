// SPDX-License-Identifier: MIT
/* The arena: limits, memory reserved before it is touched, contents of a new one. */
#include "tests/unit/features.h"
#include "tests/unit/slots.h"

#include <dlfcn.h>
#include <sys/resource.h>

#define STEP (256u * 1024u) /* bytes reserved at a time */

/* Errors of the next calls of fallocate(2). */
static struct reserving {
	int error;
	int times;
} reserving;

/* Replaces the C library's. */
int fallocate(int fd, int mode, off_t offset, off_t length)
{
	int (*real)(int, int, off_t, off_t);

	if (reserving.times > 0) {
		reserving.times--;
		errno = reserving.error;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "fallocate64");
	return real(fd, mode, offset, length);
}

static void refuses_limits_out_of_range(void **state)
{
	static const struct {
		uint32_t nodes, handles;
	} refused[] = {{0, 16}, {15, 16}, {16, 0}, {16, 15}, {0, 0}, {1, UINT32_MAX}, {UINT32_MAX, 15}};
	struct arena arena = {.fd = -77, .size = 5};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(arena_create(&arena, refused[i].nodes, refused[i].handles, 16), -EINVAL);
		assert_int_equal(arena.fd, -77);
		assert_int_equal(arena.size, 5);
	}
}

static void is_empty_at_first(void **state)
{
	const struct arena_header *header;
	struct arena arena;

	(void)state;
	assert_int_equal(arena_create(&arena, 16, 17, 16), 0);
	header = arena.header;
	assert_memory_equal(&header->magic, "gesanera", 8);
	assert_int_equal(header->layout, ARENA_LAYOUT);
	assert_int_equal(header->max_nodes, 16);
	assert_int_equal(header->max_handles, 17);
	assert_int_equal(header->nodes_high, 1);
	assert_int_equal(header->handles_high, 1);
	assert_int_equal(header->fuse_fd, -1);
	assert_int_equal(header->ready_fd, -1);
	assert_int_equal(header->config_fd, -1);
	assert_int_equal(header->messages_fd, -1);
	assert_int_equal(header->init_state, INIT_NONE);
	assert_int_equal(header->n_base_fds, 0);
	for (int i = 0; i < ARENA_STORES; i++)
		assert_int_equal(header->stores[i].state, SLOT_FREE);
	assert_int_equal(fcntl(arena.fd, F_GETFD), FD_CLOEXEC);
	arena_destroy(&arena);
	assert_int_equal(arena.fd, -1);
	assert_null(arena.header);
}

/* A worker of another build maps the same memory: moving a field requires a new ARENA_LAYOUT. */
static void keeps_its_layout(void **state)
{
	struct arena arena;

	(void)state;
	assert_int_equal(ARENA_LAYOUT, 13);
	assert_int_equal(sizeof(struct node_slot), 128);
	assert_int_equal(offsetof(struct node_slot, handle), 64);
	assert_int_equal(sizeof(struct handle_slot), 64);
	assert_int_equal(offsetof(struct handle_slot, fd), 36);
	assert_int_equal(sizeof(struct lock_slot), 80);
	assert_int_equal(offsetof(struct lock_slot, start), 40);
	assert_int_equal(sizeof(struct journal_slot), 264);
	assert_int_equal(offsetof(struct journal_slot, reply), 104);
	assert_int_equal(sizeof(struct message_block), 128);
	assert_int_equal(offsetof(struct message_block, bytes), 20);
	assert_int_equal(sizeof(struct store_record), 28 + ARENA_STORE_PATH);
	assert_int_equal(sizeof(struct cached_fd_record), 16);
	assert_int_equal(sizeof(struct outcome_record), 4 + ARENA_ERROR_MAX);
	assert_int_equal(offsetof(struct arena_header, magic), 0);
	assert_int_equal(offsetof(struct arena_header, layout), 8);
	assert_int_equal(arena_create(&arena, 4096, 16, 16), 0);
	/* the header, 4096 slots of 128 bytes, 16 of 64, 16 of 80, each part in whole steps */
	assert_int_equal((char *)arena.nodes - (char *)arena.header, STEP);
	assert_int_equal((char *)arena.handles - (char *)arena.nodes, 4096 * 128);
	assert_int_equal((char *)arena.locks - (char *)arena.handles, STEP);
	assert_int_equal(arena.size, STEP + 4096 * 128 + STEP + STEP);
	arena_destroy(&arena);
}

/* Uses up the slots of one kind as node.c and handle.c do; each is written before the next is requested. */
static void use_up(struct arena *arena, int (*commit)(struct arena *), _Atomic uint32_t *high, uint32_t max,
		   char *slots, size_t slot_size)
{
	for (uint32_t i = 1; i < max; i++) {
		assert_int_equal(commit(arena), 0);
		assert_int_equal(atomic_load(high), i);
		memset(slots + i * slot_size, 0xff, slot_size);
		atomic_store(high, i + 1);
	}
	assert_int_equal(commit(arena), -ENFILE);
	assert_int_equal(commit(arena), -ENFILE);
	assert_int_equal(atomic_load(high), max);
}

static void gives_every_slot_and_no_more(void **state)
{
	static const uint32_t limits[] = {
		16, 17, STEP / 128 - 1, STEP / 128, STEP / 128 + 1, STEP / 64 + 1, 3 * STEP / 64};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct arena arena;

		assert_int_equal(arena_create(&arena, limits[i], limits[i], 16), 0);
		use_up(&arena, arena_commit_node, &arena.header->nodes_high, limits[i], (char *)arena.nodes,
		       128);
		assert_int_equal(arena.handles[1].state, 0);
		use_up(&arena, arena_commit_handle, &arena.header->handles_high, limits[i],
		       (char *)arena.handles, 64);
		assert_int_equal(arena.header->max_nodes, limits[i]);
		arena_destroy(&arena);
	}
}

static size_t memory_of(const struct arena *arena)
{
	struct stat stat;

	assert_int_equal(fstat(arena->fd, &stat), 0);
	return (size_t)stat.st_blocks * 512;
}

static void takes_memory_as_slots_come(void **state)
{
	struct arena arena;

	(void)state;
	assert_int_equal(arena_create(&arena, 1u << 20, 1u << 20, 16), 0);
	assert_int_equal(memory_of(&arena), STEP);
	assert_int_equal(arena_commit_node(&arena), 0);
	assert_int_equal(memory_of(&arena), 2 * STEP);
	/* unused, so nothing more is reserved */
	assert_int_equal(arena_commit_node(&arena), 0);
	assert_int_equal(memory_of(&arena), 2 * STEP);
	assert_int_equal(arena_commit_handle(&arena), 0);
	assert_int_equal(memory_of(&arena), 3 * STEP);
	arena.header->nodes_high = STEP / 128 - 1;
	assert_int_equal(arena_commit_node(&arena), 0);
	assert_int_equal(memory_of(&arena), 3 * STEP);
	arena.header->nodes_high = STEP / 128;
	assert_int_equal(arena_commit_node(&arena), 0);
	assert_int_equal(memory_of(&arena), 4 * STEP);
	assert_int_equal(arena.header->nodes_committed, 2 * STEP);
	/* a worker died before it recorded its reservation */
	arena.header->nodes_committed = STEP;
	assert_int_equal(arena_commit_node(&arena), 0);
	assert_int_equal(memory_of(&arena), 4 * STEP);
	arena_destroy(&arena);
}

/* Far more slots than there is memory for; the last one works. */
static void maps_the_largest(void **state)
{
	struct arena arena;
	int result = arena_create(&arena, 1u << 28, 1u << 28, 16);

	(void)state;
	if (result == -ENOMEM) {
		skip_missing("address space of 48 GiB");
	}
	assert_int_equal(result, 0);
	arena.header->nodes_high = (1u << 28) - 1;
	arena.header->nodes_committed = ((uint64_t)1 << 35) - STEP;
	assert_int_equal(arena_commit_node(&arena), 0);
	memset(&arena.nodes[(1u << 28) - 1], 1, sizeof(arena.nodes[0]));
	assert_int_equal(arena.handles[0].state, 0);
	arena_destroy(&arena);
}

static void fails_without_descriptors(void **state)
{
	struct arena arena = {.fd = -77};
	struct rlimit limit, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(arena_create(&arena, 16, 16, 16), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(arena.fd, -77);
}

/* Interrupted, as by a signal: it continues. */
static void goes_on_after_a_signal(void **state)
{
	struct arena arena;

	(void)state;
	reserving = (struct reserving){.error = EINTR, .times = 3};
	assert_int_equal(arena_create(&arena, 16, 16, 16), 0);
	reserving = (struct reserving){.error = EINTR, .times = 3};
	assert_int_equal(arena_commit_node(&arena), 0);
	assert_int_equal(reserving.times, 0);
	assert_int_equal(memory_of(&arena), 2 * STEP);
	arena_destroy(&arena);
}

/* A full machine yields an errno, and no slot is used. */
static void fails_without_memory(void **state)
{
	static const int errors[] = {ENOMEM, ENOSPC};
	struct arena arena = {.fd = -77};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		reserving = (struct reserving){.error = errors[i], .times = 1};
		assert_int_equal(arena_create(&arena, 16, 16, 16), -errors[i]);
		assert_int_equal(arena.fd, -77);
	}
	assert_int_equal(arena_create(&arena, 1u << 16, 16, 16), 0);
	for (size_t i = 0; i < 2; i++) {
		reserving = (struct reserving){.error = errors[i], .times = 2};
		assert_int_equal(arena_commit_node(&arena), -errors[i]);
		assert_int_equal(arena_commit_handle(&arena), -errors[i]);
		assert_int_equal(arena.header->nodes_committed, 0);
		assert_int_equal(arena.header->handles_committed, 0);
	}
	assert_int_equal(memory_of(&arena), STEP);
	assert_int_equal(arena_commit_node(&arena), 0);
	assert_int_equal(arena_commit_handle(&arena), 0);
	arena_destroy(&arena);
}

static void adds_no_node_without_memory(void **state)
{
	struct slots slots;
	uint64_t id = 77;
	int fd = new_fd();
	uint64_t first;

	(void)state;
	slots_open(&slots, 1u << 16, 16, 1);
	first = reference(&slots, 100);
	slots.arena.header->nodes_high = STEP / 128; /* the next one needs more memory */
	reserving = (struct reserving){.error = ENOMEM, .times = 1};
	assert_int_equal(try_reference(&slots, 101, 0, &fd, &id), -ENOMEM);
	assert_int_equal(id, 77);
	assert_true(is_open(fd));
	assert_int_equal(slots.arena.header->nodes_high, STEP / 128);
	slots_check(&slots);
	/* an unreferenced node is evicted */
	forget(&slots, first, 1);
	assert_int_equal(slots.state.lists[NODE_LIST_IDLE].n, 1);
	reserving = (struct reserving){.error = ENOMEM, .times = 1};
	assert_int_equal(try_reference(&slots, 101, 0, &fd, &id), 0);
	assert_int_equal(fd, -1);
	assert_int_equal(node_index_of(id), node_index_of(first));
	assert_int_equal(reference(&slots, 102), (uint64_t)1 << 32 | STEP / 128);
	unlinked(&slots, id, -1);
	forget(&slots, id, 1); /* closes the descriptor */
	slots_close(&slots);
}

static void adds_no_handle_without_memory(void **state)
{
	struct slots slots;
	struct handle_open open;
	uint64_t number = 77;
	int backing_id = 77;
	int next_id = 5;
	int fd = new_fd();

	(void)state;
	slots_open(&slots, 16, 1u << 16, 1);
	open = direct_open(reference(&slots, 100), &next_id);
	reserving = (struct reserving){.error = ENOSPC, .times = 1};
	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), -ENOSPC);
	assert_int_equal(number, 77);
	assert_int_equal(backing_id, 77);
	assert_int_equal(next_id, 5); /* the kernel was not asked for an id */
	assert_true(is_open(fd));
	assert_int_equal(slots.arena.header->handles_high, 1);
	slots_check(&slots);
	assert_int_equal(handle_add(&slots.state, &open, &fd, &number, &backing_id), 0);
	assert_int_equal(handle_remove(&slots.state, number, &backing_id), 0);
	slots_close(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_limits_out_of_range),
		cmocka_unit_test(is_empty_at_first),
		cmocka_unit_test(keeps_its_layout),
		cmocka_unit_test(gives_every_slot_and_no_more),
		cmocka_unit_test(takes_memory_as_slots_come),
		cmocka_unit_test(maps_the_largest),
		cmocka_unit_test(fails_without_descriptors),
		cmocka_unit_test(goes_on_after_a_signal),
		cmocka_unit_test(fails_without_memory),
		cmocka_unit_test(adds_no_node_without_memory),
		cmocka_unit_test(adds_no_handle_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
