// SPDX-License-Identifier: MIT
#include "fs/source/fd_cache.h"
#include "fs/source/backing.h"
#include "fs/state/node_fd.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

/* The id of a record that a thread changes; of no node, and after a death the record is free. */
#define CHANGING UINT64_MAX

/*
 * Uses of a record's descriptor in this process. A user counts itself before it reads the record's id, and
 * who changes a record replaces its id by CHANGING before it reads the count: so one of both sees the other.
 */
static atomic_uint users[ARENA_CACHED_FDS];

/* Uses a quarter of RLIMIT_NOFILE; the rest is for opens. */
static unsigned int places(void)
{
	static _Atomic unsigned int known;
	unsigned int n = atomic_load(&known);
	struct rlimit limit;

	if (n == 0) {
		n = ARENA_CACHED_FDS;
		if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 4 < n)
			n = limit.rlim_cur / 4 > 0 ? (unsigned int)(limit.rlim_cur / 4) : 1;
		atomic_store(&known, n);
	}
	return n;
}

static int place_of(uint64_t id)
{
	return (int)(node_index_of(id) % places());
}

/*
 * Begins to change a record with this id, 0 = a free one, that nobody uses: the caller stores another id.
 * Returns false, with the record unchanged, if somebody uses or changes it.
 */
static bool take_record(struct cached_fd_record *record, int place, uint64_t id)
{
	if (id == CHANGING || !atomic_compare_exchange_strong(&record->id, &id, CHANGING))
		return false;
	if (atomic_load(&users[place]) == 0)
		return true;
	atomic_store(&record->id, id);
	return false;
}

/* Uses the descriptor of a record, if it is this node's. */
static bool use_record(struct cached_fd_record *record, int place, uint64_t id, struct cached_fd *out)
{
	/* not counted for another node's record, which would keep that from being dropped */
	if (atomic_load(&record->id) != id)
		return false;
	atomic_fetch_add(&users[place], 1);
	if (atomic_load(&record->id) == id) {
		*out = (struct cached_fd){.fd = record->fd, .slot = place};
		return true;
	}
	atomic_fetch_sub(&users[place], 1);
	return false;
}

/*
 * A descriptor must not be cached for a node without lookup count, because no forget would close it; nor for
 * an external file, because it would keep a removed file alive.
 */
static bool may_be_cached(const struct node_slot *node)
{
	return atomic_load(&node->lookups) > 0 && (!node_is_external(node) || node->type == S_IFDIR >> 12);
}

int fd_cache_get(struct state *state, const struct node_slot *node, struct cached_fd *out)
{
	uint64_t id = node_id_of(state, node);
	int place = place_of(id);
	struct cached_fd_record *record = &state->arena->header->cached_fds[place];
	_cleanup_close_ int old = -1;
	int fd = node_fd_get(state, node);
	uint64_t known;

	if (fd >= 0) {
		*out = (struct cached_fd){.fd = fd, .slot = CACHED_FD_OF_NODE, .state = state};
		return 0;
	}
	if (fd != -1)
		return fd;
	if (use_record(record, place, id, out))
		return 0;

	fd = backing_open(state, node, O_PATH);
	if (fd < 0)
		return fd;
	*out = (struct cached_fd){.fd = fd, .slot = CACHED_FD_PRIVATE};
	known = atomic_load(&record->id);
	if (fd < state->max_fd && known != id && may_be_cached(node) && take_record(record, place, known)) {
		/* the id is written last, so that a record never names another node's descriptor */
		old = known ? record->fd : -1;
		record->fd = fd;
		atomic_fetch_add(&users[place], 1);
		atomic_store(&record->id, id);
		out->slot = place;
	}
	return 0;
}

int fd_cache_get_directory(struct state *state, const struct node_slot *node, struct cached_fd *out)
{
	return node->type == S_IFDIR >> 12 ? fd_cache_get(state, node, out) : -ENOTDIR;
}

void fd_cache_put(struct cached_fd *cached)
{
	if (cached->slot >= 0) {
		atomic_fetch_sub(&users[cached->slot], 1);
	} else if (cached->slot == CACHED_FD_OF_NODE) {
		node_fd_put(cached->state, cached->fd);
	} else if (cached->slot == CACHED_FD_PRIVATE && cached->fd >= 0) {
		close(cached->fd);
	}
	*cached = CACHED_FD_NONE;
}

/* Takes the descriptor of a record, unless it is in use. id: only if it is this node's; 0 = any. */
static int take_unused(struct cached_fd_record *record, int place, uint64_t id)
{
	uint64_t known = atomic_load(&record->id);
	int fd;

	if (!known || (id != 0 && known != id) || !take_record(record, place, known))
		return -1;
	fd = record->fd;
	atomic_store(&record->id, 0);
	return fd;
}

void fd_cache_drop(struct state *state, uint64_t id)
{
	int place = place_of(id);
	struct cached_fd_record *record = &state->arena->header->cached_fds[place];
	int fd = -1;

	/* 0 marks a free record */
	if (id != 0 && atomic_load(&record->id) == id)
		fd = take_unused(record, place, id);
	cleanup_close(&fd);
}

unsigned int fd_cache_clear(struct state *state)
{
	unsigned int n = 0;

	for (int place = 0; place < (int)places(); place++) {
		_cleanup_close_ int fd = take_unused(&state->arena->header->cached_fds[place], place, 0);

		n += fd >= 0;
	}
	return n;
}
