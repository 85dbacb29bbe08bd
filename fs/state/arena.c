// SPDX-License-Identifier: MIT
#include "fs/state/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMIT_STEP           (256u * 1024u) /* granularity of reservation, in bytes */
#define ROUND_UP(value, step) (((value) + (step)-1) / (step) * (step))

static size_t nodes_offset(void)
{
	return ROUND_UP(sizeof(struct arena_header), COMMIT_STEP);
}

size_t arena_size_for(uint32_t max, size_t slot_size)
{
	return ROUND_UP(max * slot_size, COMMIT_STEP);
}

static size_t handles_offset(uint32_t max_nodes)
{
	return nodes_offset() + arena_size_for(max_nodes, sizeof(struct node_slot));
}

static size_t locks_offset(uint32_t max_nodes, uint32_t max_handles)
{
	return handles_offset(max_nodes) + arena_size_for(max_handles, sizeof(struct handle_slot));
}

static size_t size_for(uint32_t max_nodes, uint32_t max_handles, uint32_t max_locks)
{
	return locks_offset(max_nodes, max_handles) + arena_size_for(max_locks, sizeof(struct lock_slot));
}

int arena_reserve(int fd, size_t offset, size_t length)
{
	while (fallocate(fd, 0, (off_t)offset, (off_t)length) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int arena_create(struct arena *arena, uint32_t max_nodes, uint32_t max_handles, uint32_t max_locks)
{
	struct arena made = {.fd = -1};
	void *memory;
	int result;

	if (max_nodes < 16 || max_handles < 16 || max_locks < 16)
		return -EINVAL;
	made.size = size_for(max_nodes, max_handles, max_locks);
	made.fd = memfd_create("segfs-arena", MFD_CLOEXEC);
	if (made.fd < 0)
		return -errno;
	if (ftruncate(made.fd, (off_t)made.size) < 0) {
		result = -errno;
		goto fail;
	}
	result = arena_reserve(made.fd, 0, nodes_offset());
	if (result < 0)
		goto fail;
	memory = mmap(NULL, made.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, made.fd, 0);
	if (memory == MAP_FAILED) {
		result = -errno;
		goto fail;
	}
	made.header = memory;
	made.header->magic = ARENA_MAGIC;
	made.header->layout = ARENA_LAYOUT;
	made.header->max_nodes = max_nodes;
	made.header->max_handles = max_handles;
	made.header->max_locks = max_locks;
	arena_locate(&made);
	made.header->nodes_high = 1; /* node id 0 means "none" */
	made.header->handles_high = 1;
	made.header->locks_high = 1;
	made.header->config_fd = -1;
	made.header->ready_fd = -1;
	made.header->fuse_fd = -1;
	made.header->lock_fd = -1;
	made.header->messages_fd = -1;
	*arena = made;
	return 0;
fail:
	close(made.fd);
	return result;
}

int arena_open(struct arena *arena, int fd)
{
	struct {
		uint64_t magic;
		uint32_t layout;
		uint32_t max_nodes;
		uint32_t max_handles;
		uint32_t max_locks;
	} head;
	struct arena found = {.fd = fd};
	struct stat stat;
	void *memory;

	if (fstat(fd, &stat) < 0)
		return -errno;
	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) || head.magic != ARENA_MAGIC)
		return -EINVAL;
	if (head.layout != ARENA_LAYOUT)
		return -EPROTO;
	found.size = size_for(head.max_nodes, head.max_handles, head.max_locks);
	if ((off_t)found.size != stat.st_size)
		return -EINVAL;
	memory = mmap(NULL, found.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	found.header = memory;
	arena_locate(&found);
	*arena = found;
	return 0;
}

void arena_locate(struct arena *arena)
{
	const struct arena_header *header = arena->header;
	char *memory = (char *)arena->header;

	arena->nodes = (struct node_slot *)(void *)(memory + nodes_offset());
	arena->handles = (struct handle_slot *)(void *)(memory + handles_offset(header->max_nodes));
	arena->locks =
		(struct lock_slot *)(void *)(memory + locks_offset(header->max_nodes, header->max_handles));
}

static bool has_sizes(const struct arena *arena)
{
	const struct arena_header *header = arena->header;
	struct arena located = {.header = arena->header};

	if (header->magic != ARENA_MAGIC || header->layout != ARENA_LAYOUT)
		return false;
	arena_locate(&located);
	return located.nodes == arena->nodes && located.handles == arena->handles &&
	       located.locks == arena->locks &&
	       size_for(header->max_nodes, header->max_handles, header->max_locks) == arena->size;
}

static bool is_high(uint32_t high, uint32_t max)
{
	return high >= 1 && high <= max;
}

static bool is_store(const struct store_record *store)
{
	return store->source < ARENA_SOURCES && memchr(store->path, 0, sizeof(store->path));
}

int arena_check(const struct arena *arena)
{
	const struct arena_header *header = arena->header;

	if (!has_sizes(arena) || !is_high(header->nodes_high, header->max_nodes) ||
	    !is_high(header->handles_high, header->max_handles) ||
	    !is_high(header->locks_high, header->max_locks) || header->nodes_committed > arena->size ||
	    header->handles_committed > arena->size || header->locks_committed > arena->size ||
	    header->init_length > ARENA_INIT_MAX || header->n_base_fds > ARENA_BASE_FDS)
		return -EUCLEAN;
	for (int i = 0; i < ARENA_STORES; i++)
		if (!is_store(&header->stores[i]))
			return -EUCLEAN;
	return 0;
}

void arena_record_outcome(struct outcome_record *outcome, const char *error)
{
	snprintf(outcome->error, sizeof(outcome->error), "%s", error ? error : "");
	atomic_fetch_add(&outcome->n, 1);
}

void arena_destroy(struct arena *arena)
{
	munmap(arena->header, arena->size);
	close(arena->fd);
	arena->header = NULL;
	arena->fd = -1;
}

int arena_commit(int fd, size_t offset, size_t slot_size, uint32_t high, uint32_t max,
		 _Atomic uint64_t *committed)
{
	size_t needed = ((size_t)high + 1) * slot_size;
	uint64_t have = atomic_load(committed);
	int result;

	if (high >= max)
		return -ENFILE;
	if (needed <= have)
		return 0;
	result = arena_reserve(fd, offset + have, COMMIT_STEP);
	if (result < 0)
		return result;
	atomic_store(committed, have + COMMIT_STEP);
	return 0;
}

int arena_commit_node(struct arena *arena)
{
	struct arena_header *header = arena->header;

	return arena_commit(arena->fd, nodes_offset(), sizeof(struct node_slot), header->nodes_high,
			    header->max_nodes, &header->nodes_committed);
}

int arena_commit_handle(struct arena *arena)
{
	struct arena_header *header = arena->header;

	return arena_commit(arena->fd, handles_offset(header->max_nodes), sizeof(struct handle_slot),
			    header->handles_high, header->max_handles, &header->handles_committed);
}

int arena_commit_lock(struct arena *arena)
{
	struct arena_header *header = arena->header;

	return arena_commit(arena->fd, locks_offset(header->max_nodes, header->max_handles),
			    sizeof(struct lock_slot), header->locks_high, header->max_locks,
			    &header->locks_committed);
}
