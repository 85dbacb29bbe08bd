// SPDX-License-Identifier: MIT
/*
 * The store: a directory tree of backing files that segfs owns. The mount mirrors it, so that each operation
 * is the system call of the same name, relative to a directory descriptor, never following links.
 */
#include "fs/source/backing.h"
#include "fs/source/fd_cache.h"
#include "fs/source/internal.h"
#include "fs/source/paths.h"
#include "fs/source/posix.h"
#include "fs/source/requester.h"
#include "fs/source/source.h"
#include "fs/source/store_facts.h"
#include "fs/source/store_make.h"
#include "fs/source/store_names.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define USER_PREFIX "user." /* of extended attributes */

/* A node's file: an O_PATH descriptor and its path for calls that take no descriptor. */
struct reached {
	struct cached_fd cached;
	char path[PROCFS_FD_MAX];
};

static void cleanup_reached(struct reached *reached)
{
	fd_cache_put(&reached->cached);
}

#define _cleanup_reached_ __attribute__((cleanup(cleanup_reached)))
#define REACHED_NONE      ((struct reached){.cached = CACHED_FD_NONE})

static int reach(struct state *state, const struct node_slot *node, struct reached *reached)
{
	int result = fd_cache_get(state, node, &reached->cached);

	if (result == 0)
		procfs_fd_name(reached->path, reached->cached.fd);
	return result;
}

static int store_find(struct state *state, const struct node_slot *dir, const char *name,
		      struct source_file *file)
{
	_cleanup_cached_fd_ struct cached_fd parent = CACHED_FD_NONE;
	int result = fd_cache_get_directory(state, dir, &parent);

	return result < 0 ? result : backing_identify(state, dir->store, parent.fd, name, file);
}

static int stat_descriptor(const struct node_slot *node, int fd, struct stat *stat)
{
	struct stat found;

	if (fstatat(fd, "", &found, AT_EMPTY_PATH) < 0)
		return -errno;
	found.st_ino = source_unique_inode(found.st_ino, node->store);
	*stat = found;
	return 0;
}

static int store_stat(struct state *state, const struct node_slot *node, struct stat *stat)
{
	_cleanup_cached_fd_ struct cached_fd cached = CACHED_FD_NONE;
	int result = fd_cache_get(state, node, &cached);

	return result < 0 ? result : stat_descriptor(node, cached.fd, stat);
}

/* Does not wait for the holder of a lease on an external file: EAGAIN. */
static int store_open(struct state *state, const struct node_slot *node, int flags)
{
	return backing_open(state, node,
			    node_is_external(node) && !(flags & O_PATH) ? flags | O_NONBLOCK : flags);
}

/* Opens the file that the handle refers to, so that repeated opens are of the same file. */
static int posix_open(struct state *state, const struct node_slot *node, int flags)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);

	if (result == 0)
		result = requester_assume_in(state, node->store, &self);
	return result < 0 ? result : procfs_fd_open(reached.cached.fd, flags | O_NONBLOCK);
}

static int posix_admit(struct state *state, const struct node_slot *node, int flags)
{
	static const int wanted[] = {
		[O_RDONLY] = R_OK, [O_WRONLY] = W_OK, [O_RDWR] = R_OK | W_OK, [O_ACCMODE] = R_OK | W_OK};
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int mode = flags & SOURCE_OPEN_TO_EXECUTE ? X_OK
						  : wanted[flags & O_ACCMODE] | (flags & O_TRUNC ? W_OK : 0);
	int result = reach(state, node, &reached);

	if (result == 0)
		result = requester_assume_in(state, node->store, &self);
	if (result < 0)
		return result;
	/* with effective ids and capabilities, as open(2) does */
	return syscall(SYS_faccessat2, reached.cached.fd, "", mode, AT_EMPTY_PATH | AT_EACCESS) < 0 ? -errno
												    : 0;
}

/* Tests by opening, which is right on every file system. */
static int try_to_open(const struct state *state, const struct node_slot *node, mode_t *mode)
{
	_cleanup_close_ int fd =
		backing_open(state, node, node_is_external(node) ? O_RDWR | O_NONBLOCK : O_RDWR);
	struct stat stat;

	if (fd < 0)
		return fd;
	if (fstat(fd, &stat) < 0)
		return -errno;
	*mode = stat.st_mode;
	return 0;
}

/* On a memory file system only inode flags can refuse the open, and statx(2) reports these. */
static int store_writable(struct state *state, const struct node_slot *node, mode_t *mode)
{
	const uint64_t flags = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
	_cleanup_cached_fd_ struct cached_fd cached = CACHED_FD_NONE;
	struct statx found;
	int result;

	if (state->arena->header->stores[node->store].on_disk)
		return try_to_open(state, node, mode);
	result = fd_cache_get(state, node, &cached);
	if (result < 0)
		return result;
	if (statx(cached.fd, "", AT_EMPTY_PATH, STATX_MODE, &found) < 0)
		return -errno;
	if ((found.stx_attributes_mask & flags) != flags)
		return try_to_open(state, node, mode);
	if (found.stx_attributes & flags)
		return -EPERM;
	*mode = found.stx_mode;
	return 0;
}

static int store_list(struct state *state, const struct node_slot *dir)
{
	return backing_open(state, dir, O_RDONLY | O_DIRECTORY);
}

static int posix_list(struct state *state, const struct node_slot *dir)
{
	return posix_open(state, dir, O_RDONLY | O_DIRECTORY);
}

static int change_times(const struct reached *reached, const struct source_change *change)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

	if (change->what & SOURCE_SET_ATIME)
		times[0] = change->atime;
	if (change->what & SOURCE_SET_MTIME)
		times[1] = change->mtime;
	return utimensat(reached->cached.fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The kernel clears these bits only for callers without CAP_FSETID, which the daemon has. */
static int drop_set_id_bits(const struct reached *reached, bool keep_set_group_id)
{
	struct stat stat;
	mode_t mode;

	if (fstatat(reached->cached.fd, "", &stat, AT_EMPTY_PATH) < 0)
		return -errno;
	mode = stat.st_mode & 07777 & ~(mode_t)S_ISUID;
	if (stat.st_mode & S_IXGRP || !keep_set_group_id)
		mode &= ~(mode_t)S_ISGID;
	if (mode == (stat.st_mode & 07777) || S_ISDIR(stat.st_mode))
		return 0;
	return chmod(reached->path, mode) < 0 ? -errno : 0;
}

/*
 * truncate(2) waits for the holder of a lease, as does open(2) without O_NONBLOCK. Files of segfs's own
 * stores have no leases.
 */
static int change_size(const struct node_slot *node, const struct reached *reached,
		       const struct source_change *change)
{
	_cleanup_close_ int fd = -1;

	if (!(change->what & SOURCE_SET_SIZE))
		return 0;
	if (!node_is_external(node))
		return truncate(reached->path, change->size) < 0 ? -errno : 0;
	fd = procfs_fd_open(reached->cached.fd, O_WRONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	return ftruncate(fd, change->size) < 0 ? -errno : 0;
}

/* Owner before mode: chown(2) clears the set-id bits that the same request may set. */
static int apply_change(const struct reached *reached, const struct source_change *change)
{
	int result = 0;

	if (change->what & (SOURCE_SET_UID | SOURCE_SET_GID)) {
		uid_t uid = change->what & SOURCE_SET_UID ? change->uid : (uid_t)-1;
		gid_t gid = change->what & SOURCE_SET_GID ? change->gid : (gid_t)-1;

		if (fchownat(reached->cached.fd, "", uid, gid, AT_EMPTY_PATH) < 0)
			return -errno;
	}
	if (change->drop_privileges)
		result = drop_set_id_bits(reached, change->keep_set_group_id);
	if (result == 0 && change->what & SOURCE_SET_MODE && chmod(reached->path, change->mode & 07777) < 0)
		return -errno;
	if (result == 0 && change->what & (SOURCE_SET_ATIME | SOURCE_SET_MTIME))
		result = change_times(reached, change);
	return result;
}

static int store_change(struct state *state, const struct node_slot *node, const struct source_change *change,
			struct stat *stat)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result;

	result = reach(state, node, &reached);
	if (result == 0 && change->by_writer)
		result = change_size(node, &reached, change);
	/* a write clears these bits, whoever the owner is */
	if (result == 0 && change->by_writer && change->drop_privileges)
		result = drop_set_id_bits(&reached, change->keep_set_group_id);
	if (result == 0 && !change->by_daemon)
		result = requester_assume_in(state, node->store, &self);
	if (result == 0 && !change->by_writer)
		result = change_size(node, &reached, change);
	if (result == 0)
		result = apply_change(&reached, change);
	return result < 0 ? result : stat_descriptor(node, reached.cached.fd, stat);
}

static int store_readlink(struct state *state, const struct node_slot *node, char *target, size_t size)
{
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	ssize_t length;
	int result;

	result = reach(state, node, &reached);
	if (result < 0)
		return result;
	length = readlinkat(reached.cached.fd, "", target, size - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	return (int)length;
}

static int store_statfs(struct state *state, const struct node_slot *node, struct statvfs *out)
{
	return fstatvfs(state->arena->header->stores[node->store].root_fd, out) < 0 ? -errno : 0;
}

static ssize_t store_getxattr(struct state *state, const struct node_slot *node, const char *name,
			      void *value, size_t size)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);
	ssize_t length;

	/* the kernel requests ACLs for its own permission checks; user attributes need read permission */
	if (result == 0 && strncmp(name, USER_PREFIX, strlen(USER_PREFIX)) == 0)
		result = requester_assume_in(state, node->store, &self);
	if (result < 0)
		return result;
	length = getxattr(reached.path, name, value, size);
	return length < 0 ? -errno : length;
}

static ssize_t store_listxattr(struct state *state, const struct node_slot *node, char *list, size_t size)
{
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);
	ssize_t length;

	if (result < 0)
		return result;
	length = listxattr(reached.path, list, size);
	return length < 0 ? -errno : length;
}

static int store_setxattr(struct state *state, const struct node_slot *node, const char *name,
			  const void *value, size_t size, int flags)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);

	if (result == 0)
		result = requester_assume_in(state, node->store, &self);
	if (result < 0)
		return result;
	return setxattr(reached.path, name, value, size, flags) < 0 ? -errno : 0;
}

static int store_removexattr(struct state *state, const struct node_slot *node, const char *name)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);

	if (result == 0)
		result = requester_assume_in(state, node->store, &self);
	if (result < 0)
		return result;
	return removexattr(reached.path, name) < 0 ? -errno : 0;
}

#define STORE_FUNCTIONS                                                                                      \
	.find = store_find, .stat = store_stat, .open = store_open, .writable = store_writable,              \
	.create = store_create, .make = store_make, .link = store_link, .remove = store_remove,              \
	.rename = store_rename, .change = store_change, .readlink = store_readlink, .statfs = store_statfs,  \
	.getxattr = store_getxattr, .listxattr = store_listxattr, .setxattr = store_setxattr,                \
	.removexattr = store_removexattr

const struct source store_source = {
	.name = "store",
	.facts = store_facts,
	.before_resize = store_before_resize,
	STORE_FUNCTIONS,
	.list = store_list,
	.path = paths_find,
	.end = store_end,
};

/* Not a store of segfs, but supports the same operations, with the requester's credentials. */
const struct source posix_source = {
	.name = "posix",
	.facts = posix_facts,
	STORE_FUNCTIONS,
	.as_requester = true,
	.admit = posix_admit,
	.open_as_requester = posix_open,
	.list = posix_list,
	.path = posix_path,
};
