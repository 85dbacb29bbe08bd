// SPDX-License-Identifier: MIT
/*
 * Arbitrary bytes in the arena, as left by a worker with memory corruption: a new worker refuses the arena,
 * or finds a consistent and usable state.
 *
 * An input consists of records: part to write to, slot, offset (16 bits), number of bytes, bytes. They change
 * an arena whose files are open, locked, waited for and forgotten.
 */
#include "fs/state/descriptors.h"
#include "fs/state/handle.h"
#include "fs/state/lock.h"
#include "fs/state/node.h"
#include "fs/state/recover.h"
#include "lib/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_NODES   32
#define MAX_HANDLES 16
#define MAX_LOCKS   64

#define check(ok, ...) ((ok) ? (void)0 : fail(__VA_ARGS__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __real_close(int fd);
int __wrap_close(int fd);

static struct arena arena;

__attribute__((format(printf, 1, 2))) _Noreturn static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "fuzz_arena: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	abort();
}

/* Slots may contain any descriptor number. */
int __wrap_close(int fd)
{
	return fd == arena.fd ? __real_close(fd) : 0;
}

/* --- an arena as it should be --- */

static uint64_t add_file(struct state *state, uint64_t inode, uint32_t flags, int fd)
{
	struct node_key key = {.inode = inode, .handle_type = 1, .handle_bytes = 12};
	uint64_t id = 0;
	int result;

	memcpy(key.handle, &inode, sizeof(inode));
	result = node_reference(state, &key, S_IFREG | 0600, flags, &fd, &id);
	/* the header may set a smaller capacity, or bounds */
	check(result == 0 || result == -ENFILE, "a file can't be added: %s", strerror(-result));
	return id;
}

static uint64_t add_open(struct state *state, uint64_t node, enum io_mode mode, int fd)
{
	struct handle_open open = {
		.node = node, .unique = node, .flags = O_RDWR, .mode = mode, .kind = HANDLE_FILE};
	uint64_t number = 0;
	int backing_id;
	int result = handle_add(state, &open, &fd, &number, &backing_id);

	/* a slot may claim that its file has a policy */
	check(result == 0 || result == -ENFILE || result == -EAGAIN || result == -EBUSY,
	      "a file can't be opened: %s", strerror(-result));
	return number;
}

static int lock(struct state *state, uint64_t node, uint64_t handle, uint64_t owner, uint64_t start,
		uint64_t end, enum lock_type type, bool access)
{
	static uint64_t last;
	const uint64_t unique = last += 2;
	struct lock_request request = {
		.node = node,
		.owner = owner,
		.handle = handle,
		.unique = unique,
		.start = start,
		.end = end,
		.pid = (int32_t)owner,
		.type = type,
	};

	return access ? lock_access(state, &request, unique) : lock_wait(state, &request, unique);
}

static void fill(struct state *state)
{
	const struct node_key root = {.inode = 1, .handle_type = 1, .handle_bytes = 4};
	uint64_t files[8];
	uint64_t opens[8];
	int backing_id;

	check(node_add_fixed(state, NODE_ROOT, &root, S_IFDIR | 0755, 0, -1) == 0, "no root");
	for (int i = 0; i < 8; i++) {
		files[i] = add_file(state, 100 + (uint64_t)i,
				    i == 5   ? NODE_UNLINKED
				    : i == 6 ? NODE_EXTERNAL
					     : 0,
				    i == 5 ? 50 : -1);
		opens[i] = i < 6 ? add_open(state, files[i], (enum io_mode)(i % 3), i % 3 ? 60 + i : -1) : 0;
	}
	node_forget(state, files[7], 1, &backing_id);
	for (uint64_t owner = 1; owner < 4; owner++)
		lock(state, files[0], opens[0], owner, owner * 100, owner * 100 + 50, LOCK_EXCLUSIVE, false);
	lock(state, files[0], opens[0], 1, 120, 130, LOCK_SHARED, false);
	lock(state, files[1], opens[1], 1, 0, LOCK_END, LOCK_SHARED, false);
	lock(state, files[1], opens[1], 2, 0, 10, LOCK_SHARED, false);
	lock(state, files[0], opens[0], 5, 0, 500, LOCK_EXCLUSIVE, false);
	lock(state, files[0], opens[0], 6, 0, 120, LOCK_SHARED, true);
	lock(state, files[1], opens[1], 7, 0, 120, LOCK_EXCLUSIVE, true);
}

/* --- what happened to it --- */

static char *part_of(unsigned int part, unsigned int slot, size_t *size)
{
	switch (part % 9) {
	case 8:
		*size = sizeof(struct journal_slot);
		return (char *)&arena.header->journal[slot % ARENA_JOURNAL];
	case 0:
		*size = offsetof(struct arena_header, journal);
		return (char *)arena.header;
	case 1:
		*size = sizeof(struct store_record);
		return (char *)&arena.header->stores[slot % ARENA_STORES];
	case 2:
		*size = sizeof(struct cached_fd_record);
		return (char *)&arena.header->cached_fds[slot];
	case 3:
	case 4:
		*size = sizeof(struct node_slot);
		return (char *)&arena.nodes[slot % MAX_NODES];
	case 5:
		*size = sizeof(struct handle_slot);
		return (char *)&arena.handles[slot % MAX_HANDLES];
	default:
		*size = sizeof(struct lock_slot);
		return (char *)&arena.locks[slot % MAX_LOCKS];
	}
}

static void scribble(const uint8_t *data, size_t size)
{
	while (size >= 5) {
		size_t room;
		char *at = part_of(data[0], data[1], &room);
		size_t offset = (size_t)(data[2] | data[3] << 8) % room;
		size_t length = data[4];

		data += 5;
		size -= 5;
		if (length > size)
			length = size;
		if (length > room - offset)
			length = room - offset;
		memcpy(at + offset, data, length);
		data += length;
		size -= length;
	}
}

/* --- what a new worker does with it --- */

static void check_state(struct state *state, const char *when)
{
	char why[256] = "";

	check(state_check(state, why, sizeof(why)) == 0, "%s: %s", when, why);
}

static void drain(struct state *state)
{
	struct lock_outcome outcome;

	while (lock_next_outcome(state, &outcome))
		if (outcome.access && outcome.result == 0)
			lock_access_end(state, &outcome);
}

/* As passthrough_recover(), which closes them. */
static void drop_ids(struct state *state)
{
	for (uint32_t i = 1; i < arena.header->nodes_high; i++)
		if (state->index[i].handles == 0 && !node_holds_id(state, i))
			atomic_store(&arena.nodes[i].backing_id, 0);
}

static void use(struct state *state)
{
	struct arena_header *header = arena.header;
	int backing_id;

	lock_recovered(state);
	drain(state);
	check_state(state, "with locks");
	for (uint32_t i = 1; i < header->handles_high; i++) {
		const struct handle_slot *handle = &arena.handles[i];
		uint64_t number = (uint64_t)atomic_load(&handle->generation) << 32 | i;

		if (!handle_get(state, number))
			continue;
		for (uint64_t owner = 1; owner < 4; owner++)
			lock(state, handle->node, number, owner, owner, 200,
			     owner == 2 ? LOCK_SHARED : LOCK_EXCLUSIVE, owner == 3);
		drain(state);
	}
	for (uint64_t inode = 90; inode < 110; inode++) {
		uint64_t node = add_file(state, inode, 0, -1);

		if (node)
			add_open(state, node, IO_RELAYED, -1);
	}
	check_state(state, "in use");
	for (uint32_t i = 1; i < header->handles_high; i++) {
		uint64_t number = (uint64_t)atomic_load(&arena.handles[i].generation) << 32 | i;

		if (!handle_get(state, number))
			continue;
		lock_drop_handle(state, arena.handles[i].node, number);
		drain(state);
		handle_remove(state, number, &backing_id);
	}
	for (uint32_t i = 1; i < header->nodes_high; i++)
		node_forget(state, node_id(state, i), UINT64_MAX, &backing_id);
	check_state(state, "at the end");
	check(state->n_handles == 0, "%u handles are left", state->n_handles);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state state;
	int result;

	log_setup(LOG_TO_STDERR, LOG_CRIT);
	check(arena_create(&arena, MAX_NODES, MAX_HANDLES, MAX_LOCKS) == 0, "no arena");
	check(state_recover(&state, &arena, 4) == 0, "an empty arena is refused");
	fill(&state);
	state_close(&state);
	scribble(data, size);
	/* forgets nearly all descriptors: none is open here */
	result = size % 2 ? descriptors_check(&arena) : 0;
	if (result == 0)
		result = state_recover(&state, &arena, 4);
	check(result == 0 || result == -EUCLEAN || result == -ENOMEM, "recovery: %d", result);
	if (result == 0) {
		drop_ids(&state);
		check_state(&state, "after recovery");
		use(&state);
		state_close(&state);
	}
	arena_destroy(&arena);
	return 0;
}
