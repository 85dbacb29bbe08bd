/* SPDX-License-Identifier: MIT */
/*
 * For unit tests of the sources: a store in a directory of its own, set up as by fs/setup/apply.c, with the
 * nodes that operations would create. On a private tmpfs if mount(2) is permitted, else in TMPDIR.
 */
#ifndef SEGFS_TESTS_UNIT_STORE_H
#define SEGFS_TESTS_UNIT_STORE_H

#include "tests/lib/own_mounts.h"
#include "tests/unit/features.h"
#include "tests/unit/slots.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fs/source/backing.h"
#include "fs/source/fd_cache.h"
#include "fs/source/internal.h"
#include "fs/source/source.h"
#include "fs/state/recover.h"

struct store {
	struct slots slots;
	char path[PATH_MAX];
	bool mounted;
};

static bool store_without_handles; /* stores of this run have no file handles, so nodes hold descriptors */

/* Moves this process into a private mount namespace. Returns whether that is permitted. */
static inline bool store_may_mount(void)
{
	static int may = -1;

	if (may < 0) {
		may = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
		if (may)
			own_mounts_only();
	}
	return may;
}

static inline int store_mount(const char *path)
{
	return store_may_mount() ? mount("test", path, "tmpfs", 0, "size=256m,mode=0755") : -1;
}

/* Registers the directory as the arena's store `index`. */
static inline void store_register(struct slots *slots, int index, const char *path)
{
	struct store_record *record = &slots->arena.header->stores[index];
	struct statx found;

	record->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(record->root_fd >= 0);
	assert_int_equal(statx(record->root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found), 0);
	record->mount_id = (int)found.stx_mnt_id;
	record->source = SOURCE_STORE;
	record->no_handles = store_without_handles;
	atomic_store(&record->state, SLOT_LIVE);
}

static inline void store_end(struct store *store)
{
	for (int i = 0; i < ARENA_STORES; i++)
		if (store->slots.arena.header->stores[i].state == SLOT_LIVE)
			close(store->slots.arena.header->stores[i].root_fd);
	for (int i = 0; i < ARENA_CACHED_FDS; i++)
		if (store->slots.arena.header->cached_fds[i].id)
			close(store->slots.arena.header->cached_fds[i].fd);
	for (uint32_t i = 1; i < store->slots.arena.header->nodes_high; i++)
		if (store->slots.arena.nodes[i].state == SLOT_LIVE && store->slots.arena.nodes[i].fd >= 0)
			close(store->slots.arena.nodes[i].fd);
	slots_close(&store->slots);
	if (store->mounted)
		umount2(store->path, MNT_DETACH);
}

/* Skips the case if the store should use file handles but cannot. */
static inline void store_begin(struct store *store)
{
	const char *parent = getenv("TMPDIR");
	struct source_file root = {.fd = -1};
	struct node_slot *node;
	int fd;

	need_mount_ids();
	snprintf(store->path, sizeof(store->path), "%s/store.XXXXXX", parent ? parent : "/tmp");
	assert_non_null(mkdtemp(store->path));
	store->mounted = store_mount(store->path) == 0;
	assert_int_equal(arena_create(&store->slots.arena, 256, 16, 16), 0);
	store->slots.arena.header->limit_hot = SLOTS_HOT;
	assert_int_equal(state_recover(&store->slots.state, &store->slots.arena, 8), 0);
	store_register(&store->slots, 0, store->path);
	assert_int_equal(backing_identify_root(&store->slots.state, &root), 0);
	assert_int_equal(
		node_add_fixed(&store->slots.state, NODE_ROOT, &root.key, root.stat.st_mode, 0, root.fd), 0);
	node = node_get(&store->slots.state, NODE_ROOT);
	assert_ptr_equal(source_of(&store->slots.state, node), &store_source);
	fd = backing_open(&store->slots.state, node, O_RDONLY);
	if (fd < 0) {
		store_end(store);
		skip_missing("open_by_handle_at(2)");
	}
	close(fd);
}

static inline struct node_slot *slot_of(struct store *store, uint64_t id)
{
	return node_get(&store->slots.state, id);
}

static inline struct node_slot *root_of(struct store *store)
{
	return slot_of(store, NODE_ROOT);
}

/* Creates the node of a file found or created, referenced by the kernel, as operations do. Returns its id. */
static inline uint64_t node_of(struct store *store, struct source_file *file)
{
	uint64_t id = 0;

	assert_int_equal(node_reference(&store->slots.state, &file->key, file->stat.st_mode, file->flags,
					&file->fd, &id),
			 0);
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	return id;
}

/* Looks up an existing name. */
static inline uint64_t look_up(struct store *store, struct node_slot *dir, const char *name)
{
	struct source_file file = {.fd = -1};

	assert_int_equal(store_source.find(&store->slots.state, dir, name, &file), 0);
	return node_of(store, &file);
}

/* Returns the result of a lookup. */
static inline int try_to_find(struct store *store, struct node_slot *dir, const char *name)
{
	struct source_file file = {.fd = -1};
	int result = store_source.find(&store->slots.state, dir, name, &file);

	if (file.fd >= 0)
		close(file.fd);
	return result;
}

/* Creates a file with this content, and its node. */
static inline uint64_t make_file(struct store *store, struct node_slot *dir, const char *name,
				 const char *text)
{
	struct source_file file = {.fd = -1};
	int fd = store_source.create(&store->slots.state, NULL, dir, name, 0640, O_RDWR, "", &file);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return node_of(store, &file);
}

static inline uint64_t make_directory(struct store *store, struct node_slot *dir, const char *name)
{
	struct source_file file = {.fd = -1};

	assert_int_equal(
		store_source.make(&store->slots.state, NULL, dir, name, S_IFDIR | 0755, 0, NULL, "", &file),
		0);
	return node_of(store, &file);
}

/* Checks the content of the node's file. */
static inline void expect_text(struct store *store, uint64_t id, const char *text)
{
	char found[64] = "";
	int fd = store_source.open(&store->slots.state, slot_of(store, id), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, found, sizeof(found) - 1), strlen(text));
	assert_string_equal(found, text);
	close(fd);
}

static inline struct stat stat_of(struct store *store, uint64_t id)
{
	struct stat stat;

	assert_int_equal(store_source.stat(&store->slots.state, slot_of(store, id), &stat), 0);
	return stat;
}

/* Drops all references, and closes what entry_forget() closes. */
static inline void forget_node(struct store *store, uint64_t id)
{
	int backing_id;

	node_forget(&store->slots.state, id, UINT64_MAX, &backing_id);
	if (backing_id)
		handle_backing_closed(&store->slots.state, backing_id);
	fd_cache_drop(&store->slots.state, id);
}

/* Runs a group of cases on a store with file handles, and on one without. */
#define run_on_both_stores(tests)                                                                            \
	__extension__({                                                                                      \
		int failed_ = cmocka_run_group_tests_name("by file handle", tests, NULL, NULL);              \
		store_without_handles = true;                                                                \
		failed_ + cmocka_run_group_tests_name("by kept descriptor", tests, NULL, NULL);              \
	})

#endif
