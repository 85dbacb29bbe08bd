// SPDX-License-Identifier: MIT
#include "fs/source/backing.h"
#include "fs/source/peek.h"
#include "fs/state/node_fd.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* Buffer for name_to_handle_at(2), large enough for any handle. */
union handle_buffer {
	struct file_handle handle;
	char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

/* Maps a mount id to a store; -1: none. `near` has precedence, since two stores can be on one mount. */
static int store_of_mount_id(const struct state *state, uint16_t near, int mount_id)
{
	const struct arena_header *header = state->arena->header;

	if (store_exists(&header->stores[near]) && header->stores[near].mount_id == mount_id)
		return near;
	for (int i = 0; i < ARENA_STORES; i++)
		if (store_exists(&header->stores[i]) && header->stores[i].mount_id == mount_id)
			return i;
	return -1;
}

/* Reopens the file of an O_PATH descriptor. */
static int reopen_node_fd(int node_fd, int flags)
{
	int fd;

	if (!(flags & O_PATH))
		return procfs_fd_open(node_fd, flags);
	fd = fcntl(node_fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

int backing_open(const struct state *state, const struct node_slot *node, int flags)
{
	const struct store_record *store = &state->arena->header->stores[node->store];
	union handle_buffer buffer;
	struct state *pinned_in = (struct state *)(uintptr_t)state;
	int node_fd = node_fd_get(pinned_in, node);
	int fd;

	if (node_fd >= 0) {
		fd = reopen_node_fd(node_fd, flags);
		node_fd_put(pinned_in, node_fd);
		return fd;
	}
	if (node_fd != -1)
		return node_fd;
	/* the node has no file handle, and another thread has just removed its descriptor */
	if (node->handle_type < 0)
		return -ESTALE;
	buffer.handle.handle_bytes = node->handle_bytes;
	buffer.handle.handle_type = node->handle_type;
	memcpy(buffer.handle.f_handle, node->handle, node->handle_bytes);
	fd = open_by_handle_at(store->root_fd, &buffer.handle, flags | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Copies a file handle into a node key; false if it is too long for a slot. */
static bool key_from_handle(struct node_key *key, const struct file_handle *handle)
{
	if (handle->handle_bytes > sizeof(key->handle))
		return false;
	key->handle_type = handle->handle_type;
	key->handle_bytes = (uint8_t)handle->handle_bytes;
	memcpy(key->handle, handle->f_handle, handle->handle_bytes);
	return true;
}

/* Node flags of files in a store. */
static uint32_t flags_of_store(const struct state *state, int store)
{
	return state->arena->header->stores[store].source == SOURCE_STORE ? 0 : NODE_EXTERNAL;
}

/* Without usable file handles the inode number identifies a file, while a descriptor keeps the file alive. */
static void key_from_inode(struct node_key *key, ino_t inode)
{
	uint64_t number = inode;

	key->handle_type = NODE_HANDLE_INODE;
	key->handle_bytes = sizeof(number);
	memcpy(key->handle, &number, sizeof(number));
}

/*
 * A name is resolved twice, for handle and for attributes, and may change its file in between. Nearly all
 * handles contain the inode number, which detects this without another system call.
 */
static bool handle_has_inode(const struct file_handle *handle, ino_t inode)
{
	uint32_t low = (uint32_t)inode;

	for (size_t at = 0; at + sizeof(low) <= handle->handle_bytes; at += sizeof(low))
		if (memcmp(handle->f_handle + at, &low, sizeof(low)) == 0)
			return true;
	return false;
}

static int handle_of(int dir_fd, const char *name, union handle_buffer *buffer, int *mount_id)
{
	buffer->handle.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(dir_fd, name, &buffer->handle, mount_id, *name ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

/* Identifies a file by a descriptor, so that handle and attributes are of the same file. */
static int identify_by_descriptor(const struct state *state, uint16_t near, int dir_fd, const char *name,
				  struct source_file *file)
{
	_cleanup_close_ int fd = -1;
	union handle_buffer buffer;
	bool has_handle;
	int mount_id;
	int result;
	int store;

	if (*name)
		fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	else
		fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	result = handle_of(fd, "", &buffer, &mount_id);
	has_handle = result == 0;
	/* without file handles there is no mount id, either */
	if (result == -EOPNOTSUPP)
		result = peek(fd, "", &file->stat, &mount_id);
	if (result < 0)
		return result;
	/* a file system mounted on the name is not a store of ours, and must not be queried */
	store = store_of_mount_id(state, near, mount_id);
	if (store < 0)
		return -EXDEV;
	if (fstatat(fd, "", &file->stat, AT_EMPTY_PATH) < 0)
		return -errno;
	file->key.store = (uint16_t)store;
	file->key.inode = file->stat.st_ino;
	file->flags = flags_of_store(state, store);
	file->fd = -1;
	if (!has_handle || !key_from_handle(&file->key, &buffer.handle)) {
		key_from_inode(&file->key, file->stat.st_ino);
		file->flags |= NODE_NEEDS_FD;
	}
	if (state->arena->header->stores[store].no_handles)
		file->flags |= NODE_NEEDS_FD;
	if (file->flags & NODE_NEEDS_FD)
		file->fd = take_fd(&fd);
	file->stat.st_ino = source_unique_inode(file->stat.st_ino, file->key.store);
	return 0;
}

int backing_identify(const struct state *state, uint16_t near, int dir_fd, const char *name,
		     struct source_file *file)
{
	struct source_file found = {.fd = -1};
	union handle_buffer buffer;
	int mount_id;
	int result;
	int store;

	result = handle_of(dir_fd, name, &buffer, &mount_id);
	if (result < 0 && result != -EOPNOTSUPP)
		return result;
	store = result == 0 ? store_of_mount_id(state, near, mount_id) : -1;
	if (store < 0 || state->arena->header->stores[store].no_handles ||
	    !key_from_handle(&found.key, &buffer.handle))
		goto by_descriptor;
	result = peek_in_store(state, near, dir_fd, name, &found.stat);
	if (result < 0)
		return result;
	if (*name && !handle_has_inode(&buffer.handle, found.stat.st_ino))
		goto by_descriptor;
	found.key.store = (uint16_t)store;
	found.key.inode = found.stat.st_ino;
	found.flags = flags_of_store(state, store);
	found.stat.st_ino = source_unique_inode(found.stat.st_ino, found.key.store);
	*file = found;
	return 0;

by_descriptor:
	result = identify_by_descriptor(state, near, dir_fd, name, &found);
	if (result == 0)
		*file = found;
	return result;
}

int backing_identify_root(struct state *state, struct source_file *file)
{
	return backing_identify(state, 0, state->arena->header->stores[0].root_fd, "", file);
}
