// SPDX-License-Identifier: MIT
#include "fs/source/fd_cache.h"
#include "fs/source/backing.h"
#include "fs/state/node_fd.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

static pthread_mutex_t table_lock =
	PTHREAD_MUTEX_INITIALIZER;           /* guards the records and `users`; a leaf lock */
static unsigned int users[ARENA_CACHED_FDS]; /* uses of a record's descriptor in this process */

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

/* The id is cleared first and written last, so that a record never names another node's descriptor. */
static int replace(struct cached_fd_record *record, uint64_t id, int fd)
{
	int old = atomic_load(&record->id) ? record->fd : -1;

	atomic_store(&record->id, 0);
	record->fd = fd;
	atomic_store(&record->id, id);
	return old;
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

	if (fd >= 0) {
		*out = (struct cached_fd){.fd = fd, .slot = CACHED_FD_OF_NODE, .state = state};
		return 0;
	}
	if (fd != -1)
		return fd;
	pthread_mutex_lock(&table_lock);
	if (atomic_load(&record->id) == id) {
		users[place]++;
		*out = (struct cached_fd){.fd = record->fd, .slot = place};
		pthread_mutex_unlock(&table_lock);
		return 0;
	}
	pthread_mutex_unlock(&table_lock);

	fd = backing_open(state, node, O_PATH);
	if (fd < 0)
		return fd;
	*out = (struct cached_fd){.fd = fd, .slot = CACHED_FD_PRIVATE};
	pthread_mutex_lock(&table_lock);
	if (fd < state->max_fd && users[place] == 0 && atomic_load(&record->id) != id &&
	    may_be_cached(node)) {
		old = replace(record, id, fd);
		users[place] = 1;
		out->slot = place;
	}
	pthread_mutex_unlock(&table_lock);
	return 0;
}

int fd_cache_get_directory(struct state *state, const struct node_slot *node, struct cached_fd *out)
{
	return node->type == S_IFDIR >> 12 ? fd_cache_get(state, node, out) : -ENOTDIR;
}

void fd_cache_put(struct cached_fd *cached)
{
	if (cached->slot >= 0) {
		pthread_mutex_lock(&table_lock);
		users[cached->slot]--;
		pthread_mutex_unlock(&table_lock);
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
	int fd = -1;

	pthread_mutex_lock(&table_lock);
	if (users[place] == 0 && atomic_load(&record->id) && (id == 0 || atomic_load(&record->id) == id)) {
		fd = record->fd;
		atomic_store(&record->id, 0);
	}
	pthread_mutex_unlock(&table_lock);
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
