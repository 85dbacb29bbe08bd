// SPDX-License-Identifier: MIT
#include "fs/source/directory.h"
#include "fs/source/backing.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the table's records and `users`; a leaf */
static unsigned int users[ARENA_DIRECTORIES];                  /* of a record's descriptor, in this process */

static uint64_t id_of(const struct state *state, const struct node_slot *node)
{
	return node_id(state, (uint32_t)(node - state->arena->nodes));
}

/* The id goes first and comes last, so that no record ever names a descriptor that is not its directory's. */
static int replace(struct directory_record *record, uint64_t id, int fd)
{
	int old = atomic_load(&record->id) ? record->fd : -1;

	atomic_store(&record->id, 0);
	record->fd = fd;
	atomic_store(&record->id, id);
	return old;
}

int directory_get(struct state *state, const struct node_slot *node, struct directory *out)
{
	uint64_t id = id_of(state, node);
	int place = (int)(node_index_of(id) % ARENA_DIRECTORIES);
	struct directory_record *record = &state->arena->header->directories[place];
	_cleanup_close_ int old = -1;
	int fd;

	if (node->type != S_IFDIR >> 12)
		return -ENOTDIR;
	pthread_mutex_lock(&table_lock);
	if (atomic_load(&record->id) == id) {
		users[place]++;
		*out = (struct directory){.fd = record->fd, .slot = place};
		pthread_mutex_unlock(&table_lock);
		return 0;
	}
	pthread_mutex_unlock(&table_lock);

	fd = backing_open(state, node, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return fd;
	*out = (struct directory){.fd = fd, .slot = -1};
	pthread_mutex_lock(&table_lock);
	if (users[place] == 0 && atomic_load(&record->id) != id) {
		old = replace(record, id, fd);
		users[place] = 1;
		out->slot = place;
	}
	pthread_mutex_unlock(&table_lock);
	return 0;
}

void directory_put(struct directory *directory)
{
	if (directory->slot >= 0) {
		pthread_mutex_lock(&table_lock);
		users[directory->slot]--;
		pthread_mutex_unlock(&table_lock);
	} else if (directory->fd >= 0) {
		close(directory->fd);
	}
	*directory = DIRECTORY_NONE;
}

void directory_drop(struct state *state, uint64_t id)
{
	int place = (int)(node_index_of(id) % ARENA_DIRECTORIES);
	struct directory_record *record = &state->arena->header->directories[place];
	_cleanup_close_ int old = -1;

	if (atomic_load(&record->id) != id)
		return;
	pthread_mutex_lock(&table_lock);
	if (users[place] == 0 && atomic_load(&record->id) == id) {
		old = record->fd;
		atomic_store(&record->id, 0);
	}
	pthread_mutex_unlock(&table_lock);
}
