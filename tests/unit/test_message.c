// SPDX-License-Identifier: MIT
/* Messages that outlive a worker: buffers, stored messages, and what a death at each store leaves of them. */
#include "tests/unit/slots.h"

#include "fs/state/message.h"
#include "tests/unit/steps.h"

#include <stdlib.h>
#include <sys/mman.h>

#define BLOCKS  64u
#define PAYLOAD sizeof(((struct message_block *)0)->bytes)
#define LONG    (10 * PAYLOAD + 5)

static struct slots slots;
static struct message_block *blocks; /* a view of those in the file */

/* A message begins with its length. */
static const void *message_of(uint32_t length, unsigned char filling)
{
	static unsigned char bytes[MESSAGE_MAX];

	memset(bytes, filling, length);
	memcpy(bytes, &length, sizeof(length));
	return bytes;
}

static int save(uint64_t unique, uint32_t length)
{
	return message_save(&slots.state, unique, message_of(length, (unsigned char)unique), length);
}

static bool is_saved(uint64_t unique)
{
	return message_is_saved(&slots.state, unique);
}

static void check_state(void)
{
	char why[128];

	if (message_check(&slots.state, why, sizeof(why)) < 0)
		fail_msg("%s", why);
}

static void next_worker(void)
{
	message_close(&slots.state);
	assert_int_equal(message_open(&slots.state), 0);
	check_state();
}

static uint32_t length_in(const void *buffer)
{
	uint32_t length;

	memcpy(&length, buffer, sizeof(length));
	return length;
}

static bool holds(const void *buffer, uint32_t length, unsigned char filling)
{
	return memcmp(buffer, message_of(length, filling), length) == 0;
}

static void map_blocks(void)
{
	const size_t offset = (size_t)ARENA_THREADS * MESSAGE_MAX;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	assert_int_equal(offset % page, 0);
	blocks = mmap(NULL, BLOCKS * sizeof(*blocks), PROT_READ | PROT_WRITE, MAP_SHARED,
		      slots.arena.header->messages_fd, (off_t)offset);
	assert_ptr_not_equal(blocks, MAP_FAILED);
}

static int set_up(void **state)
{
	(void)state;
	slots_open(&slots, 16, 16, 0);
	assert_int_equal(message_create(slots.arena.header, BLOCKS), 0);
	assert_int_equal(message_open(&slots.state), 0);
	map_blocks();
	return 0;
}

static int tear_down(void **state)
{
	int fd = slots.arena.header->messages_fd;

	(void)state;
	munmap(blocks, BLOCKS * sizeof(*blocks));
	slots_close(&slots);
	return close(fd);
}

static void needs_blocks(void **state)
{
	struct arena_header header = {.messages_fd = -7};

	(void)state;
	assert_int_equal(message_create(&header, 15), -EINVAL);
	assert_int_equal(header.messages_fd, -7);
	/* a header takes 40 bytes, so that no message needs more blocks */
	assert_true(message_blocks(4000, 7) >= 107);
	assert_true(message_blocks(UINT64_MAX / 2, 7) < UINT32_MAX);
}

static void keeps_messages_of_each_length(void **state)
{
	static const uint32_t lengths[] = {4, 40, PAYLOAD - 1, PAYLOAD, PAYLOAD + 1, 2 * PAYLOAD, LONG};
	void *buffer = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_int_equal(save(2 * i + 2, lengths[i]), 0);
	next_worker();
	assert_int_equal(message_get_buffer(&slots.state, &buffer), 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const unsigned char filling = (unsigned char)(2 * i + 2);

		assert_true(is_saved(filling));
		assert_int_equal(message_take(&slots.state, buffer), lengths[i]);
		assert_true(holds(buffer, lengths[i], filling));
		assert_false(is_saved(filling));
		check_state();
		message_clear_buffer(buffer);
	}
	assert_int_equal(message_take(&slots.state, buffer), 0);
	assert_int_equal(length_in(buffer), 0);
	message_clear_buffer(buffer);
}

/* Those that this worker stores are not its own to replay. */
static void takes_only_what_was_left(void **state)
{
	void *buffer = NULL;

	(void)state;
	assert_int_equal(save(2, 50), 0);
	next_worker();
	assert_int_equal(save(4, 60), 0);
	assert_int_equal(message_get_buffer(&slots.state, &buffer), 0);
	assert_int_equal(message_take(&slots.state, buffer), 50);
	/* it waits again */
	assert_int_equal(save(2, 50), 0);
	assert_int_equal(message_take(&slots.state, buffer), 0);
	assert_true(is_saved(2) && is_saved(4));
	message_clear_buffer(buffer);
}

/* A request that is carried out again, and waits again, is stored before it is dropped. */
static void counts_users(void **state)
{
	(void)state;
	assert_int_equal(save(2, 50), 0);
	assert_int_equal(save(2, 50), 0);
	message_drop(&slots.state, 2);
	assert_true(is_saved(2));
	message_drop(&slots.state, 2);
	assert_false(is_saved(2));
	message_drop(&slots.state, 2);
	check_state();
}

static void is_full_at_the_limit(void **state)
{
	const uint32_t all = (BLOCKS - 1) * PAYLOAD;

	(void)state;
	assert_int_equal(save(2, all + 1), -ENOMEM);
	assert_false(is_saved(2));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(save(2, all), 0);
		assert_int_equal(save(4, 40), -ENOMEM);
		message_drop(&slots.state, 2);
	}
	for (uint64_t unique = 2; unique < 2 * BLOCKS; unique += 2)
		assert_int_equal(save(unique, 40), 0);
	assert_int_equal(save(2 * BLOCKS, 40), -ENOMEM);
	check_state();
}

static size_t memory_in_use(void)
{
	struct stat stat;

	assert_int_equal(fstat(slots.arena.header->messages_fd, &stat), 0);
	return (size_t)stat.st_blocks * 512;
}

static void gives_memory_back(void **state)
{
	struct slots many = {0};
	struct arena_header *header;

	(void)state;
	slots_open(&many, 16, 16, 0);
	header = many.arena.header;
	assert_int_equal(message_create(header, 200000), 0);
	assert_int_equal(message_open(&many.state), 0);
	for (uint64_t unique = 2; unique < 24; unique += 2)
		assert_int_equal(message_save(&many.state, unique, message_of(MESSAGE_MAX, 7), MESSAGE_MAX),
				 0);
	assert_true(atomic_load(&header->blocks_committed) > 11 * MESSAGE_MAX);
	for (uint64_t unique = 2; unique < 24; unique += 2)
		message_drop(&many.state, unique);
	assert_int_equal(atomic_load(&header->blocks_committed), 1024 * 1024);
	assert_int_equal(message_save(&many.state, 2, message_of(MESSAGE_MAX, 7), MESSAGE_MAX), 0);
	assert_true(message_is_saved(&many.state, 2));
	close(header->messages_fd);
	slots_close(&many);
}

static void buffers_keep_their_message(void **state)
{
	void *other = NULL;
	void *buffer = NULL;

	(void)state;
	assert_int_equal(message_get_buffer(&slots.state, &other), 0);
	assert_int_equal(message_get_buffer(&slots.state, &buffer), 0);
	assert_ptr_not_equal(buffer, other);
	/* all of it is there */
	memcpy(buffer, message_of(MESSAGE_MAX, 9), MESSAGE_MAX);
	assert_true(memory_in_use() >= 2 * (size_t)MESSAGE_MAX);
	next_worker();
	other = NULL;
	assert_int_equal(message_get_buffer(&slots.state, &other), 1);
	assert_true(holds(other, MESSAGE_MAX, 9));
	/* none is left, and the thread keeps what it has */
	buffer = other;
	assert_int_equal(message_get_buffer(&slots.state, &buffer), 0);
	assert_ptr_equal(buffer, other);
	message_clear_buffer(buffer);
	next_worker();
	buffer = NULL;
	assert_int_equal(message_get_buffer(&slots.state, &buffer), 0);
	message_clear_buffer(buffer);
}

/* A thread that has taken an empty buffer exchanges it for one with a message. */
static void threads_never_run_out(void **state)
{
	void *buffers[ARENA_THREADS] = {NULL};
	void *one_more = NULL;

	(void)state;
	for (int i = 0; i < ARENA_THREADS; i++) {
		assert_int_equal(message_get_buffer(&slots.state, &buffers[i]), 0);
		memcpy(buffers[i], message_of(44, (unsigned char)(i + 1)), 44);
	}
	assert_int_equal(message_get_buffer(&slots.state, &one_more), -ENOMEM);
	assert_null(one_more);
	next_worker();
	for (int i = 0; i < ARENA_THREADS; i++) {
		assert_int_equal(message_get_buffer(&slots.state, &one_more), 1);
		assert_true(holds(one_more, 44, (unsigned char)(i + 1)));
	}
	assert_int_equal(message_get_buffer(&slots.state, &one_more), 0);
	message_clear_buffer(one_more);
}

/* What no death leaves: the rest stays. */
static void drops_corrupt_messages(void **state)
{
	(void)state;
	for (uint64_t unique = 2; unique <= 12; unique += 2)
		assert_int_equal(save(unique, 3 * PAYLOAD), 0);
	/* a cycle; a chain that is too short; one of another message; one past the end; no length; a state */
	blocks[3].next = 1;
	blocks[5].next = 0;
	blocks[8].next = 11;
	blocks[12].next = BLOCKS + 9;
	blocks[13].length = 3;
	blocks[40].state = 77;
	next_worker();
	assert_false(is_saved(2) || is_saved(4) || is_saved(6) || is_saved(8) || is_saved(10));
	assert_true(is_saved(12));
	for (uint64_t unique = 20; unique < 20 + 2 * (BLOCKS - 4); unique += 2)
		assert_int_equal(save(unique, 40), 0);
	assert_int_equal(save(4000, 40), -ENOMEM);
}

/* What a corrupt message claims of an earlier one stays with that. */
static void keeps_what_a_corrupt_one_claims(void **state)
{
	void *buffer = NULL;

	(void)state;
	assert_int_equal(save(2, 3 * PAYLOAD), 0);
	assert_int_equal(save(4, 3 * PAYLOAD), 0);
	/* into the middle of the first */
	blocks[5].next = 2;
	next_worker();
	assert_true(is_saved(2));
	assert_false(is_saved(4));
	for (uint64_t unique = 20; unique < 20 + 2 * (BLOCKS - 4); unique += 2)
		assert_int_equal(save(unique, 40), 0);
	assert_int_equal(save(4000, 40), -ENOMEM);
	assert_int_equal(message_get_buffer(&slots.state, &buffer), 0);
	assert_int_equal(message_take(&slots.state, buffer), 3 * PAYLOAD);
	assert_true(holds(buffer, 3 * PAYLOAD, 2));
	message_clear_buffer(buffer);
}

static void refuses_another_size(void **state)
{
	struct arena_header *header = slots.arena.header;

	(void)state;
	message_close(&slots.state);
	header->max_blocks = 1u << 20;
	assert_int_equal(message_open(&slots.state), -EUCLEAN);
	assert_null(slots.state.messages);
	header->max_blocks = BLOCKS;
	atomic_store(&header->blocks_high, BLOCKS + 1);
	assert_int_equal(message_open(&slots.state), -EUCLEAN);
	atomic_store(&header->blocks_high, 1);
	assert_int_equal(message_open(&slots.state), 0);
}

/* --- a death at each store --- */

#define HEAD 256u /* bytes of each buffer that the case uses */

static char *file; /* the memory of the messages, as the single-stepped worker sees it */
static char *copy; /* another, for the next worker */

static char *map_file(const struct arena_header *header)
{
	struct stat stat;
	void *memory;

	assert_int_equal(fstat(header->messages_fd, &stat), 0);
	memory = mmap(NULL, (size_t)stat.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, header->messages_fd, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

static void live(void)
{
	void *buffer = NULL;

	save(8, LONG);
	message_drop(&slots.state, 4);
	save(10, 40);
	message_get_buffer(&slots.state, &buffer);
	message_take(&slots.state, buffer);
	message_drop(&slots.state, 8);
}

/* The parts of the file that the case uses: heads of buffers, and all blocks. */
static size_t part_at(size_t i, size_t *size)
{
	*size = i < ARENA_THREADS ? HEAD : BLOCKS * sizeof(*blocks);
	return i * MESSAGE_MAX;
}

/* Whether anything changed since the last call. Then it is copied. */
static bool copy_changes(void)
{
	static unsigned char seen[ARENA_THREADS + 1][BLOCKS * sizeof(struct message_block)];
	bool changed = false;
	size_t size;

	for (size_t i = 0; i <= ARENA_THREADS; i++) {
		const char *at = file + part_at(i, &size);

		changed |= memcmp(seen[i], at, size) != 0;
		memcpy(seen[i], at, size);
	}
	for (size_t i = 0; i <= ARENA_THREADS && changed; i++) {
		char *at = copy + part_at(i, &size);

		memcpy(at, seen[i], size);
	}
	return changed;
}

static uint32_t length_of(unsigned char filling)
{
	return filling == 8 ? LONG : filling == 4 ? 300 : filling == 10 ? 40 : 70;
}

/* Every message is whole or gone. The one that is being taken is stored, or in a buffer. */
static void look_at_copy(const struct arena_header *header)
{
	struct arena arena = {.header = (struct arena_header *)(uintptr_t)header};
	struct state next = {.arena = &arena};
	void *buffer = NULL;
	uint32_t length;
	bool found;

	assert_int_equal(message_open(&next), 0);
	found = message_is_saved(&next, 2);
	assert_true(message_is_saved(&next, 6));
	while (message_get_buffer(&next, &buffer) == 1) {
		assert_true(holds(buffer, 70, 2));
		found = true;
	}
	assert_true(found);
	message_clear_buffer(buffer);
	while ((length = (uint32_t)message_take(&next, buffer)) > 0) {
		const unsigned char filling = ((const unsigned char *)buffer)[4];

		assert_int_equal(length, length_of(filling));
		assert_true(holds(buffer, length, filling));
		message_clear_buffer(buffer);
	}
	message_close(&next);
}

static void is_whole_or_gone_at_every_store(void **state)
{
	struct arena_header *header = slots.arena.header;
	struct arena_header *of_copy = malloc(sizeof(*header));
	unsigned int deaths = 0;
	cpu_set_t all;
	pid_t worker;

	(void)state;
	assert_non_null(of_copy);
	assert_int_equal(save(2, 70) + save(4, 300) + save(6, 70), 0);
	next_worker();
	*of_copy = *header;
	assert_int_equal(message_create(of_copy, BLOCKS), 0);
	file = map_file(header);
	copy = map_file(of_copy);
	all = steps_on_one_processor();
	worker = steps_start(live);
	while (steps_next(worker)) {
		if (!copy_changes())
			continue;
		atomic_store(&of_copy->blocks_high, atomic_load(&header->blocks_high));
		atomic_store(&of_copy->blocks_committed, atomic_load(&header->blocks_committed));
		look_at_copy(of_copy);
		deaths++;
	}
	sched_setaffinity(0, sizeof(all), &all);
	print_message("%u deaths\n", deaths);
	assert_true(deaths > 50);
	next_worker();
	close(of_copy->messages_fd);
	free(of_copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(needs_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_messages_of_each_length, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_only_what_was_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counts_users, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_full_at_the_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(gives_memory_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(buffers_keep_their_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(threads_never_run_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(drops_corrupt_messages, set_up, tear_down),
		cmocka_unit_test_setup_teardown(keeps_what_a_corrupt_one_claims, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses_another_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(is_whole_or_gone_at_every_store, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
