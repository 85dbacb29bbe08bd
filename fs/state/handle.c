// SPDX-License-Identifier: MIT
#include "fs/state/handle.h"
#include "fs/state/node_fd.h"
#include "fs/state/share.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

const char *io_mode_name(enum io_mode mode)
{
	static const char *const names[] = {"direct", "mediated", "relayed"};

	return names[mode];
}

static uint64_t handle_number(const struct state *state, uint32_t index)
{
	return (uint64_t)atomic_load(&state->arena->handles[index].generation) << 32 | index;
}

struct handle_slot *handle_get(const struct state *state, uint64_t number)
{
	uint32_t index = (uint32_t)number;
	struct handle_slot *slot;

	if (index == 0 || index >= atomic_load(&state->arena->header->handles_high))
		return NULL;
	slot = &state->arena->handles[index];
	if (atomic_load(&slot->state) != SLOT_LIVE ||
	    atomic_load(&slot->generation) != (uint32_t)(number >> 32))
		return NULL;
	return slot;
}

/* Root can always read .segfs, to find out why there are no more handles. */
static bool is_exempt(const struct handle_open *open)
{
	return open->kind == HANDLE_CONTROL && open->uid == 0;
}

/* The slot stays in the free list until fill_slot(), so that nothing needs to be undone. */
static int find_free_slot(struct state *state, const struct handle_open *open, uint32_t *index)
{
	int result;

	if (!is_exempt(open) && !share_admits(state, open->uid, SHARE_HANDLES, 1))
		return -ENFILE;
	if (state->free_handle) {
		*index = state->free_handle;
		return 0;
	}
	result = arena_commit_handle(state->arena);
	if (result == 0)
		*index = state->arena->header->handles_high;
	return result;
}

static void fill_slot(struct state *state, uint32_t index, const struct handle_open *open, int fd)
{
	struct arena_header *header = state->arena->header;
	struct handle_slot *slot = &state->arena->handles[index];

	if (index == state->free_handle)
		state->free_handle = state->free_handles[index];
	else
		atomic_store(&header->handles_high, index + 1);
	slot->node = open->node;
	slot->unique = open->unique;
	slot->opened_at = realtime_nanoseconds();
	slot->open_flags = open->flags;
	slot->fd = fd;
	slot->pid = open->pid;
	slot->uid = open->uid;
	slot->mode = (uint8_t)open->mode;
	slot->kind = (uint8_t)open->kind;
	atomic_fetch_add(&slot->generation, 1);
	atomic_store(&slot->state, SLOT_LIVE);
	state->index[node_index_of(open->node)].writers += handle_writes(slot);
	state->index[node_index_of(open->node)].executors += handle_executes(slot);
	state->n_handles++;
	share_count(state, slot->uid, SHARE_HANDLES, 1);
}

static int backing_of(struct state *state, struct node_slot *node, const struct handle_open *open)
{
	int id = atomic_load(&node->backing_id);

	if (open->mode == IO_RELAYED || open->kind != HANDLE_FILE || !open->register_backing)
		return 0;
	if (id == 0) {
		id = open->register_backing(open->context);
		if (id > 0) {
			/*
			 * in this order: recovery closes an id above backing_last unless a node refers to it
			 */
			atomic_store(&node->backing_id, id);
			atomic_store(&state->arena->header->backing_last, id);
		}
	}
	return id;
}

static int check_policy(const struct state *state, const struct node_slot *node,
			const struct handle_open *open)
{
	uint32_t policy = atomic_load(&node->policy);
	uint32_t writers = node_policy_writers(policy);
	const struct node_index *index = &state->index[node_index_of(open->node)];

	if (open->kind != HANDLE_FILE)
		return 0;
	if (policy != open->policy)
		return -EAGAIN;
	if ((open->flags & O_ACCMODE) == O_RDONLY || writers == 0)
		return 0;
	if (index->writers + open->views >= writers)
		return -EBUSY;
	if (open->is_new)
		return 0;
	/* a writer has closed, but its view may remain */
	return index->closes != open->closes ? -EAGAIN : 0;
}

static int add_locked(struct state *state, const struct handle_open *open, int *fd, uint64_t *number,
		      int *backing_id)
{
	struct node_slot *node = node_get(state, open->node);
	uint32_t index = 0;
	int result = node ? check_policy(state, node, open) : -ESTALE;

	if (result == 0 && *fd >= state->max_fd && !is_exempt(open))
		result = -ENFILE;
	if (result == 0)
		result = find_free_slot(state, open, &index);
	if (result == 0)
		result = backing_of(state, node, open);
	if (result >= 0) {
		fill_slot(state, index, open, take_fd(fd));
		node_opened_locked(state, node_index_of(open->node));
		*number = handle_number(state, index);
		*backing_id = result;
		result = 0;
	}
	return result;
}

int handle_add(struct state *state, const struct handle_open *open, int *fd, uint64_t *number,
	       int *backing_id)
{
	int result;

	pthread_mutex_lock(&state->lock);
	result = add_locked(state, open, fd, number, backing_id);
	pthread_mutex_unlock(&state->lock);
	return result;
}

int handle_add_new(struct state *state, const struct node_new *file, struct handle_open *open, int *fd,
		   uint64_t *number, int *backing_id)
{
	int result;

	pthread_mutex_lock(&state->lock);
	result = node_reference_locked(state, &file->key, file->mode, file->flags, file->fd, &open->node);
	if (result == 0) {
		node_complete(node_get(state, open->node), file);
		result = add_locked(state, open, fd, number, backing_id);
	}
	state_unlock(state);
	return result;
}

int handle_remove(struct state *state, uint64_t number, int *backing_id)
{
	struct handle_slot *slot;
	int closing = 0;
	int fd = -1;

	pthread_mutex_lock(&state->lock);
	slot = handle_get(state, number);
	if (slot) {
		uint32_t index = (uint32_t)number;

		fd = slot->fd;
		node_closes_locked(state, slot->node);
		atomic_store(&slot->state, SLOT_FREE);
		slot->fd = -1;
		state->free_handles[index] = state->free_handle;
		state->free_handle = index;
		state->n_handles--;
		share_count(state, slot->uid, SHARE_HANDLES, -1);
		if (node_get(state, slot->node)) {
			state->index[node_index_of(slot->node)].writers -= handle_writes(slot);
			state->index[node_index_of(slot->node)].closes += handle_writes(slot);
			state->index[node_index_of(slot->node)].executors -= handle_executes(slot);
			closing = node_closed_locked(state, node_index_of(slot->node));
		}
	}
	state_unlock(state);
	if (!slot)
		return -EBADF;
	if (fd >= 0)
		close(fd);
	*backing_id = closing;
	return 0;
}

int handle_replace_fds(struct state *state, uint64_t node, int fd)
{
	uint32_t high = atomic_load(&state->arena->header->handles_high);
	int result = 0;

	pthread_mutex_lock(&state->lock);
	for (uint32_t i = 1; i < high && result == 0; i++) {
		const struct handle_slot *handle = &state->arena->handles[i];

		if (atomic_load(&handle->state) == SLOT_LIVE && handle->node == node && handle->fd >= 0 &&
		    dup3(fd, handle->fd, O_CLOEXEC) < 0)
			result = -errno;
	}
	pthread_mutex_unlock(&state->lock);
	return result;
}

void handle_backing_closed(struct state *state, int backing_id)
{
	struct arena_header *header = state->arena->header;

	for (int i = 0; i < ARENA_CLOSING; i++) {
		if (atomic_load(&header->backing_closing[i]) == backing_id) {
			atomic_store(&header->backing_closing[i], 0);
			return;
		}
	}
}

int handle_set_policy(struct state *state, uint64_t node, uint32_t policy, unsigned int stay,
		      unsigned int write_stay, int32_t requester)
{
	uint32_t high = atomic_load(&state->arena->header->handles_high);
	struct node_slot *slot;
	int result = 0;

	pthread_mutex_lock(&state->lock);
	slot = node_get(state, node);
	if (!slot)
		result = -ESTALE;
	else if (node_policy_writers(policy) > 0 &&
		 state->index[node_index_of(node)].writers > node_policy_writers(policy))
		result = -EBUSY;
	for (uint32_t i = 1; i < high && result == 0 && state->index[node_index_of(node)].handles > 0; i++) {
		const struct handle_slot *handle = &state->arena->handles[i];

		if (handle->node == node && handle->kind == HANDLE_FILE &&
		    atomic_load(&handle->state) == SLOT_LIVE &&
		    !((handle_writes(handle) ? write_stay : stay) & 1u << handle->mode) &&
		    (requester == 0 || handle->pid != requester))
			result = -EBUSY;
	}
	if (result == 0)
		atomic_store(&slot->policy, policy);
	pthread_mutex_unlock(&state->lock);
	return result;
}

uint32_t handle_count(struct state *state, uint64_t node, uint32_t *writers)
{
	uint32_t handles;

	pthread_mutex_lock(&state->lock);
	handles = state->index[node_index_of(node)].handles;
	*writers = state->index[node_index_of(node)].writers;
	pthread_mutex_unlock(&state->lock);
	return handles;
}

uint32_t handle_executors(struct state *state, uint64_t node)
{
	uint32_t executors;

	pthread_mutex_lock(&state->lock);
	executors = state->index[node_index_of(node)].executors;
	pthread_mutex_unlock(&state->lock);
	return executors;
}

uint32_t handle_closes(struct state *state, uint64_t node)
{
	uint32_t closes;

	pthread_mutex_lock(&state->lock);
	closes = state->index[node_index_of(node)].closes;
	pthread_mutex_unlock(&state->lock);
	return closes;
}

uint64_t handle_find_by_request(struct state *state, uint64_t unique)
{
	uint32_t high = atomic_load(&state->arena->header->handles_high);
	uint64_t found = 0;

	pthread_mutex_lock(&state->lock);
	for (uint32_t i = 1; i < high && !found; i++) {
		struct handle_slot *slot = &state->arena->handles[i];

		if (atomic_load(&slot->state) == SLOT_LIVE && slot->unique == unique)
			found = handle_number(state, i);
	}
	pthread_mutex_unlock(&state->lock);
	return found;
}
