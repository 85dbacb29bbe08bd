// SPDX-License-Identifier: MIT
#include "fs/state/descriptors.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	FD_NAMED = 1,
	FD_OPEN = 2,
};

struct table {
	unsigned char *fds; /* FD_* by descriptor */
	size_t n;
};

static void name_it(const struct table *table, int fd)
{
	if (fd >= 0 && (size_t)fd < table->n)
		table->fds[fd] |= FD_NAMED;
}

static void name_store(const struct table *table, const struct store_record *store)
{
	name_it(table, store->root_fd);
	name_it(table, store->ipc_fd);
}

/* Descriptors that stay open for the life of the mount. */
static void name_fixed(const struct arena *arena, const struct table *table)
{
	const struct arena_header *header = arena->header;

	name_it(table, arena->fd);
	name_it(table, header->fuse_fd);
	name_it(table, header->ready_fd);
	name_it(table, header->lock_fd);
	name_it(table, header->messages_fd);
	name_it(table, atomic_load(&header->config_fd));
	for (int i = 0; i < ARENA_STORES; i++)
		if (store_exists(&header->stores[i]))
			name_store(table, &header->stores[i]);
}

typedef void visit_fn(const struct table *table, _Atomic int32_t *fd, const char *what, uint32_t which);

/*
 * Visits all slots with descriptors. A descriptor may be moving from a request to a node, which then refers
 * to it already; so requests come last.
 */
static void each_slot(const struct arena *arena, const struct table *table, visit_fn *visit)
{
	struct arena_header *header = arena->header;

	for (uint32_t i = 0; i < ARENA_CACHED_FDS; i++)
		if (atomic_load(&header->cached_fds[i].id))
			visit(table, &header->cached_fds[i].fd, "kept file", i);
	for (uint32_t i = 1; i < header->nodes_high; i++)
		if (atomic_load(&arena->nodes[i].state) == SLOT_LIVE)
			visit(table, &arena->nodes[i].fd, "node", i);
	for (uint32_t i = 1; i < header->handles_high; i++)
		if (atomic_load(&arena->handles[i].state) == SLOT_LIVE)
			visit(table, &arena->handles[i].fd, "handle", i);
	for (uint32_t i = 0; i < ARENA_JOURNAL; i++)
		if (atomic_load(&header->journal[i].state) != JOURNAL_FREE)
			visit(table, &header->journal[i].fd, NULL, i);
}

static void name_slot(const struct table *table, _Atomic int32_t *fd, const char *what, uint32_t which)
{
	(void)what;
	(void)which;
	name_it(table, atomic_load(fd));
}

/* The first slot keeps a descriptor that several refer to. */
static void claim(const struct table *table, _Atomic int32_t *fd, const char *what, uint32_t which)
{
	int claimed = atomic_load(fd);

	if (claimed < 0)
		return;
	if ((size_t)claimed < table->n && table->fds[claimed] == FD_OPEN) {
		table->fds[claimed] |= FD_NAMED;
		return;
	}
	atomic_store(fd, -1);
	if (what)
		log_error("internal error: %s %u: descriptor %d is %s", what, which, claimed,
			  (size_t)claimed < table->n && table->fds[claimed] ? "another's" : "not open");
}

/*
 * Gets the next open descriptor, except the directory's own. Returns 1; 0 at the end; the negative errno of
 * readdir(3).
 */
static int next_open(DIR *dir, int *fd)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return -errno;
		*fd = atoi(entry->d_name);
	} while (entry->d_name[0] == '.' || *fd < 0 || *fd == dirfd(dir));
	return 1;
}

static int note_open(struct table *table, size_t fd)
{
	size_t n = 2 * fd + 64;
	unsigned char *fds;

	if (!table->fds || fd >= table->n) {
		fds = realloc(table->fds, n);
		if (!fds)
			return -ENOMEM;
		memset(fds + table->n, 0, n - table->n);
		*table = (struct table){.fds = fds, .n = n};
	}
	table->fds[fd] = FD_OPEN;
	return 0;
}

/* Makes a table of all open descriptors. The caller frees table->fds, also on failure. */
static int make_table(struct table *table)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	int fd = -1;
	int result;

	table->fds = NULL;
	table->n = 0;
	if (!dir)
		return -errno;
	while ((result = next_open(dir, &fd)) > 0) {
		result = note_open(table, (size_t)fd);
		if (result < 0)
			break;
	}
	return result;
}

/* Like make_table(), with those marked that workers must not close. */
static int make_worker_table(const struct arena *arena, struct table *table)
{
	const struct arena_header *header = arena->header;
	int result = make_table(table);

	if (result < 0)
		return result;
	name_fixed(arena, table);
	for (uint32_t i = 0; i < header->n_base_fds; i++)
		name_it(table, header->base_fds[i]);
	return 0;
}

int descriptors_note_base(const struct arena *arena)
{
	struct arena_header *header = arena->header;
	_cleanup_free_ unsigned char *fds = NULL;
	struct table table;
	int result = make_table(&table);

	fds = table.fds;
	if (result < 0)
		return result;
	name_fixed(arena, &table);
	each_slot(arena, &table, name_slot);
	header->n_base_fds = 0;
	for (size_t fd = 0; fd < table.n; fd++) {
		if (table.fds[fd] != FD_OPEN)
			continue;
		if (header->n_base_fds == ARENA_BASE_FDS)
			return -EMFILE;
		header->base_fds[header->n_base_fds++] = (int32_t)fd;
	}
	return 0;
}

int descriptors_check(const struct arena *arena)
{
	_cleanup_free_ unsigned char *fds = NULL;
	struct table table;
	int result = arena_check(arena);

	if (result < 0)
		return result;
	result = make_worker_table(arena, &table);
	fds = table.fds;
	if (result == 0)
		each_slot(arena, &table, claim);
	return result;
}

int descriptors_close_strays(const struct arena *arena)
{
	_cleanup_free_ unsigned char *fds = NULL;
	struct table table;
	int result = make_worker_table(arena, &table);
	int closed = 0;

	fds = table.fds;
	if (result < 0)
		return result;
	each_slot(arena, &table, name_slot);
	for (size_t fd = 0; fd < table.n; fd++)
		if (table.fds[fd] == FD_OPEN && close((int)fd) == 0)
			closed++;
	return closed;
}

int descriptors_name(const struct arena *arena, unsigned char **named)
{
	struct table table;
	int result = make_table(&table);

	*named = table.fds;
	if (result < 0)
		return result;
	name_fixed(arena, &table);
	each_slot(arena, &table, name_slot);
	for (size_t fd = 0; fd < table.n; fd++)
		table.fds[fd] &= FD_NAMED;
	return (int)table.n;
}
