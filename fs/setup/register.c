// SPDX-License-Identifier: MIT
/*
 * Records of stores and other sources in the arena. A record is complete before it is live, and live before
 * anything refers to it.
 */
#include "fs/setup/register.h"
#include "fs/setup/place.h"
#include "fs/source/paths.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

static int mount_id_of(int fd, int *mount_id)
{
	struct statx found;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &found) < 0)
		return -errno;
	*mount_id = (int)found.stx_mnt_id;
	return 0;
}

/* Whether this process can open files of the store by file handle. */
static bool handles_work(int root_fd)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} buffer = {.handle.handle_bytes = MAX_HANDLE_SZ};
	int mount_id;
	int fd;

	if (name_to_handle_at(root_fd, "", &buffer.handle, &mount_id, AT_EMPTY_PATH) < 0)
		return false;
	fd = open_by_handle_at(root_fd, &buffer.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int free_place(const struct arena_header *header)
{
	for (int i = 0; i < ARENA_STORES; i++)
		if (!store_exists(&header->stores[i]))
			return i;
	return -ENFILE;
}

int apply_register_virtual(struct state *state, const char *path, enum source_kind source, int root_fd)
{
	struct arena_header *header = state->arena->header;
	int index = free_place(header);
	struct store_record *place;

	if (index < 0)
		return index;
	place = &header->stores[index];
	place->source = source;
	place->mount_id = -1;
	place->root_fd = root_fd;
	place->ipc_fd = -1;
	place->no_handles = true;
	place->on_disk = false;
	snprintf(place->path, sizeof(place->path), "%s", path);
	atomic_store(&place->state, SLOT_LIVE);
	return index;
}

int apply_registered(const struct state *state, enum source_kind source, int fd)
{
	const struct arena_header *header = state->arena->header;
	int mount_id = -1;
	int result = mount_id_of(fd, &mount_id);

	if (result < 0)
		return result;
	for (int i = 0; i < ARENA_STORES; i++)
		if (store_exists(&header->stores[i]) && header->stores[i].mount_id == mount_id &&
		    header->stores[i].source == source)
			return i;
	return -ENOENT;
}

int apply_register_hidden(struct state *state, const char *path, enum source_kind source, int root_fd,
			  int ipc_fd)
{
	struct arena_header *header = state->arena->header;
	struct store_record *place;
	struct statfs found;
	int mount_id = -1;
	int index = free_place(header);
	int result;

	if (index < 0)
		return index;
	result = mount_id_of(root_fd, &mount_id);
	if (result < 0)
		return result;
	if (fstatfs(root_fd, &found) < 0)
		return -errno;
	/* the path may name another file system than when the configuration was checked */
	if (found.f_type != TMPFS_MAGIC && header->syncs_nothing)
		return -EOPNOTSUPP;
	place = &header->stores[index];
	place->source = source;
	place->mount_id = mount_id;
	place->ipc_fd = ipc_fd;
	place->no_handles = !handles_work(root_fd);
	place->on_disk = found.f_type != TMPFS_MAGIC;
	snprintf(place->path, sizeof(place->path), "%s", path);
	place->root_fd = root_fd;
	atomic_store(&place->state, SLOT_HIDDEN);
	return index;
}

void apply_publish(struct state *state, int index)
{
	atomic_store(&state->arena->header->stores[index].state, SLOT_LIVE);
}

int apply_register(struct state *state, const char *path, enum source_kind source, int root_fd, int ipc_fd)
{
	int index = apply_register_hidden(state, path, source, root_fd, ipc_fd);

	if (index >= 0)
		apply_publish(state, index);
	return index;
}

void apply_unregister(struct state *state, int index)
{
	struct store_record *place = &state->arena->header->stores[index];
	int ipc_fd = place->ipc_fd;
	int root_fd = place->root_fd;

	atomic_store(&place->state, SLOT_FREE);
	cleanup_close(&ipc_fd);
	cleanup_close(&root_fd);
}

void apply_settle(struct state *state)
{
	struct arena_header *header = state->arena->header;

	for (int i = 1; i < ARENA_STORES; i++) {
		struct store_record *place = &header->stores[i];
		char path[ARENA_STORE_PATH];

		if (atomic_load(&place->state) != SLOT_HIDDEN)
			continue;
		if (paths_below(header->stores[0].root_fd, place->root_fd, path, sizeof(path)) > 0)
			apply_publish(state, i);
		else
			apply_unregister(state, i);
	}
}
