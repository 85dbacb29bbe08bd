// SPDX-License-Identifier: MIT
/*
 * The store: a directory tree of backing files that segfs owns. Its tree mirrors the mount's, so every operation is
 * the system call of the same name, relative to the descriptor of a directory and never following a link.
 */
#include "fs/source/backing.h"
#include "fs/source/kept.h"
#include "fs/source/paths.h"
#include "fs/source/posix.h"
#include "fs/source/source.h"
#include "fs/source/users.h"
#include "fs/state/handle.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

/* A node's file, reached by an O_PATH descriptor and by the path of that descriptor. */
struct reached {
	struct kept kept;
	char path[PROC_FD_MAX];
};

static void cleanup_reached(struct reached *reached)
{
	kept_put(&reached->kept);
}

#define _cleanup_reached_ __attribute__((cleanup(cleanup_reached)))
#define REACHED_NONE ((struct reached){.kept = KEPT_NONE})

static int reach(struct state *state, const struct node_slot *node, struct reached *reached)
{
	int result = kept_get(state, node, &reached->kept);

	if (result == 0)
		proc_fd_path(reached->path, reached->kept.fd);
	return result;
}

static int store_find(struct state *state, const struct node_slot *dir, const char *name, struct source_file *file)
{
	_cleanup_kept_ struct kept parent = KEPT_NONE;
	int result = kept_get_directory(state, dir, &parent);

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
	_cleanup_kept_ struct kept kept = KEPT_NONE;
	int result = kept_get(state, node, &kept);

	return result < 0 ? result : stat_descriptor(node, kept.fd, stat);
}

static int store_open(struct state *state, const struct node_slot *node, int flags)
{
	return backing_open(state, node, flags);
}

/* By opening it: right for every file system. */
static int try_to_open(const struct state *state, const struct node_slot *node, mode_t *mode)
{
	_cleanup_close_ int fd = backing_open(state, node, O_RDWR);
	struct stat stat;

	if (fd < 0)
		return fd;
	if (fstat(fd, &stat) < 0)
		return -errno;
	*mode = stat.st_mode;
	return 0;
}

/* In memory nothing but the inode flags can be in the way, and these come with the attributes. */
static int store_writable(struct state *state, const struct node_slot *node, mode_t *mode)
{
	const uint64_t flags = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
	_cleanup_kept_ struct kept kept = KEPT_NONE;
	struct statx found;
	int result;

	if (state->arena->header->stores[node->store].on_disk)
		return try_to_open(state, node, mode);
	result = kept_get(state, node, &kept);
	if (result < 0)
		return result;
	if (statx(kept.fd, "", AT_EMPTY_PATH, STATX_MODE, &found) < 0)
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

/* A user's own file that the user must not write takes an attribute only while it may be written. */
static int set_policy(const struct state *state, int fd, const char *policy)
{
	const char *name = source_policy_attribute(state);
	char path[PROC_FD_MAX];
	struct stat found;
	int result;

	proc_fd_path(path, fd);
	if (setxattr(path, name, policy, strlen(policy), 0) == 0)
		return 0;
	if (errno != EACCES || stat(path, &found) < 0 || chmod(path, (found.st_mode & 07777) | S_IWUSR) < 0)
		return -errno;
	result = setxattr(path, name, policy, strlen(policy), 0) < 0 ? -errno : 0;
	return chmod(path, found.st_mode & 07777) < 0 ? -errno : result;
}

/*
 * O_EXCL always: that a name exists is the kernel's to find out, with its checks of who may open it. A file with a policy gets
 * its name last, so that nobody sees it without. Returns a descriptor.
 */
static int create_file(const struct state *state, int dir_fd, const char *name, mode_t mode, int flags, const char *policy)
{
	_cleanup_close_ int fd = -1;
	char path[PROC_FD_MAX];
	int result = 0;

	if (name && !*policy) {
		fd = openat(dir_fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		return fd < 0 ? -errno : take_fd(&fd);
	}
	if ((flags & O_ACCMODE) == O_RDONLY)
		flags |= O_RDWR; /* a file without a name can't be opened to be read only */
	fd = openat(dir_fd, ".", flags | O_TMPFILE | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	if (*policy)
		result = set_policy(state, fd, policy);
	proc_fd_path(path, fd);
	if (result == 0 && name && linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
		result = -errno;
	return result < 0 ? result : take_fd(&fd);
}

static int store_create(struct state *state, const struct node_slot *dir, const char *name, mode_t mode, int flags,
			const char *policy, struct source_file *file)
{
	_cleanup_kept_ struct kept parent = KEPT_NONE;
	_cleanup_close_ int fd = -1;
	int result;

	result = kept_get_directory(state, dir, &parent);
	if (result < 0)
		return result;
	fd = create_file(state, parent.fd, name, mode & 07777, flags, policy);
	if (fd < 0)
		return fd;
	result = backing_identify(state, dir->store, fd, "", file);
	if (result < 0)
		return result;
	if (!name) {
		/* no name leads to it: it is reached by descriptor until it gets one or goes */
		char path[PROC_FD_MAX];

		file->flags |= NODE_UNLINKED | NODE_SLOW_END;
		/* one that is no open: nobody must take it for a view that somebody has */
		proc_fd_path(path, fd);
		if (file->fd < 0)
			file->fd = open(path, O_PATH | O_CLOEXEC);
		if (file->fd < 0)
			return -errno;
	}
	return take_fd(&fd);
}

static int make_directory(const struct state *state, int dir_fd, const char *name, mode_t mode, const char *policy)
{
	_cleanup_close_ int fd = -1;
	int result;

	if (mkdirat(dir_fd, name, mode) < 0)
		return -errno;
	if (!*policy)
		return 0;
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	result = fd < 0 ? -errno : set_policy(state, fd, policy);
	if (result < 0)
		unlinkat(dir_fd, name, AT_REMOVEDIR);
	return result;
}

static int make_file(const struct state *state, int dir_fd, const char *name, mode_t mode, const char *policy)
{
	int fd = create_file(state, dir_fd, name, mode, O_RDWR, policy);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int make_node(const struct state *state, int dir_fd, const char *name, mode_t mode, const char *target,
		     const char *policy)
{
	int result;

	switch (mode & S_IFMT) {
	case S_IFDIR:
		return make_directory(state, dir_fd, name, mode & 07777, policy);
	case S_IFLNK:
		result = symlinkat(target, dir_fd, name);
		break;
	case S_IFREG:
		return make_file(state, dir_fd, name, mode & 07777, policy);
	case S_IFIFO:
	case S_IFSOCK:
		result = mknodat(dir_fd, name, mode, 0);
		break;
	default: /* a device would be a way around the kernel's checks; the mount is nodev anyway */
		return -EPERM;
	}
	return result < 0 ? -errno : 0;
}

static int store_make(struct state *state, const struct node_slot *dir, const char *name, mode_t mode,
		      const char *target, const char *policy, struct source_file *file)
{
	_cleanup_kept_ struct kept parent = KEPT_NONE;
	int result;

	result = kept_get_directory(state, dir, &parent);
	if (result == 0)
		result = make_node(state, parent.fd, name, mode, target, policy);
	return result < 0 ? result : backing_identify(state, dir->store, parent.fd, name, file);
}

static int store_link(struct state *state, const struct node_slot *node, const struct node_slot *dir,
		      const char *name, struct source_file *file)
{
	_cleanup_kept_ struct kept parent = KEPT_NONE;
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result;

	result = kept_get_directory(state, dir, &parent);
	if (result == 0)
		result = reach(state, node, &reached);
	if (result < 0)
		return result;
	if (linkat(AT_FDCWD, reached.path, parent.fd, name, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return backing_identify(state, dir->store, parent.fd, name, file);
}

/* A file that is about to lose a name. */
struct victim {
	bool last_name;
	bool slow;           /* it has much memory */
	bool known;          /* by inode number: `node` is set, else `key` */
	uint64_t node;
	struct node_key key;
	int fd;              /* O_PATH; -1 where the node holds the file, or there is nothing to do */
};

static void cleanup_victim(struct victim *victim)
{
	cleanup_close(&victim->fd);
}

#define _cleanup_victim_ __attribute__((cleanup(cleanup_victim)))

/* The name may have come to mean another file since its inode number was looked at; false where that is so. */
static bool has_inode(int fd, ino_t inode)
{
	struct stat stat;

	return fstatat(fd, "", &stat, AT_EMPTY_PATH) == 0 && stat.st_ino == inode;
}

/* Whoever refers to the file by then is to go on with it. */
static int find_victim(struct state *state, uint16_t store, int dir_fd, const char *name, struct victim *victim)
{
	struct source_file file = {.fd = -1};
	struct stat stat;
	bool held;

	if (fstatat(dir_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	victim->last_name = S_ISDIR(stat.st_mode) || stat.st_nlink <= 1;
	if (!victim->last_name)
		return 0;
	victim->slow = stat.st_blocks >= SOURCE_SLOW_BLOCKS;
	victim->node = node_hold(state, store, stat.st_ino, &held);
	victim->known = victim->node != 0;
	if (held)
		return 0;
	victim->fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (victim->fd < 0)
		return -errno;
	victim->known = victim->known && has_inode(victim->fd, stat.st_ino);
	if (!victim->known) {
		victim->last_name = backing_identify(state, store, victim->fd, "", &file) == 0;
		cleanup_close(&file.fd);
		victim->key = file.key;
	}
	return 0;
}

static void victim_is_gone(struct state *state, struct victim *victim)
{
	uint64_t node;

	if (!victim->last_name)
		return;
	node = victim->known ? victim->node : node_find(state, &victim->key);
	if (node)
		node_unlinked(state, node, victim->slow ? NODE_SLOW_END : 0, &victim->fd);
}

/* The name is still there. Returns what removing it failed with. */
static int victim_stays(struct state *state, const struct victim *victim, int error)
{
	if (victim->node)
		node_unhold(state, victim->node);
	return -error;
}

/* Held for writing by the end of a segment, while its name must not come to mean another file; a leaf but for state.lock. */
static pthread_rwlock_t names = PTHREAD_RWLOCK_INITIALIZER;

static int remove_name(struct state *state, uint16_t store, int dir_fd, const char *name, int flags)
{
	_cleanup_victim_ struct victim victim = {.fd = -1};
	int result = find_victim(state, store, dir_fd, name, &victim);

	if (result < 0)
		return result;
	if (unlinkat(dir_fd, name, flags) < 0)
		return victim_stays(state, &victim, errno);
	victim_is_gone(state, &victim);
	return 0;
}

static int store_remove(struct state *state, const struct node_slot *dir, const char *name, int flags)
{
	_cleanup_kept_ struct kept parent = KEPT_NONE;
	int result = kept_get_directory(state, dir, &parent);

	if (result < 0)
		return result;
	pthread_rwlock_rdlock(&names);
	result = remove_name(state, dir->store, parent.fd, name, flags);
	pthread_rwlock_unlock(&names);
	return result;
}

static int store_end(struct state *state, const struct node_slot *node, struct source_name *gone)
{
	_cleanup_close_ int dir_fd = -1;
	struct source_file dir = {.fd = -1};
	char path[PATH_MAX];
	char *slash;
	struct stat stat;
	int result = paths_find(state, node, path, sizeof(path));

	if (result < 0)
		return result;
	slash = strrchr(path, '/');
	snprintf(gone->name, sizeof(gone->name), "%.*s", NAME_MAX, slash ? slash + 1 : path);
	if (slash)
		*slash = 0;
	dir_fd = paths_open_directory(state, slash ? path : "");
	if (dir_fd < 0)
		return dir_fd;
	result = backing_identify(state, 0, dir_fd, "", &dir);
	cleanup_close(&dir.fd);
	if (result < 0)
		return result;
	gone->dir = dir.key;
	/* the name may mean another file by now, but from here on it doesn't change */
	pthread_rwlock_wrlock(&names);
	if (fstatat(dir_fd, gone->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
		result = -errno;
	else if (stat.st_ino != node->inode)
		result = -ESTALE;
	else
		result = remove_name(state, node->store, dir_fd, gone->name, 0);
	pthread_rwlock_unlock(&names);
	return result;
}

static int store_rename(struct state *state, const struct node_slot *dir, const char *name,
			const struct node_slot *new_dir, const char *new_name, unsigned int flags)
{
	_cleanup_kept_ struct kept from = KEPT_NONE;
	_cleanup_kept_ struct kept to = KEPT_NONE;
	_cleanup_victim_ struct victim victim = {.fd = -1};
	int result;

	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	result = kept_get_directory(state, dir, &from);
	if (result == 0)
		result = kept_get_directory(state, new_dir, &to);
	if (result < 0)
		return result;
	pthread_rwlock_rdlock(&names);
	result = flags == 0 ? find_victim(state, new_dir->store, to.fd, new_name, &victim) : 0;
	if (result == 0 || result == -ENOENT) {
		result = 0;
		if (renameat2(from.fd, name, to.fd, new_name, flags) < 0)
			result = victim_stays(state, &victim, errno);
		else
			/* a file with one name that was renamed onto itself would have been left alone by the kernel that asks us */
			victim_is_gone(state, &victim);
	}
	pthread_rwlock_unlock(&names);
	return result;
}

static int change_times(const struct reached *reached, const struct source_change *change)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};

	if (change->what & SOURCE_SET_ATIME)
		times[0] = change->atime;
	if (change->what & SOURCE_SET_MTIME)
		times[1] = change->mtime;
	return utimensat(reached->kept.fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The kernel takes the bits away for a caller without CAP_FSETID, which the daemon is not. */
static int drop_set_id_bits(const struct reached *reached)
{
	struct stat stat;
	mode_t mode;

	if (fstatat(reached->kept.fd, "", &stat, AT_EMPTY_PATH) < 0)
		return -errno;
	mode = stat.st_mode & 07777 & ~(mode_t)S_ISUID;
	if (stat.st_mode & S_IXGRP)
		mode &= ~(mode_t)S_ISGID;
	if (mode == (stat.st_mode & 07777) || S_ISDIR(stat.st_mode))
		return 0;
	return chmod(reached->path, mode) < 0 ? -errno : 0;
}

/* Owner before mode: chown(2) clears the set-id bits that a mode given with it asks for. */
static int apply_change(const struct reached *reached, const struct source_change *change)
{
	int result = 0;

	if (change->what & SOURCE_SET_SIZE && truncate(reached->path, change->size) < 0)
		return -errno;
	if (change->what & (SOURCE_SET_UID | SOURCE_SET_GID)) {
		uid_t uid = change->what & SOURCE_SET_UID ? change->uid : (uid_t)-1;
		gid_t gid = change->what & SOURCE_SET_GID ? change->gid : (gid_t)-1;

		if (fchownat(reached->kept.fd, "", uid, gid, AT_EMPTY_PATH) < 0)
			return -errno;
	}
	if (change->drop_privileges)
		result = drop_set_id_bits(reached);
	if (result == 0 && change->what & SOURCE_SET_MODE && chmod(reached->path, change->mode & 07777) < 0)
		return -errno;
	if (result == 0 && change->what & (SOURCE_SET_ATIME | SOURCE_SET_MTIME))
		result = change_times(reached, change);
	return result;
}

static int store_change(struct state *state, const struct node_slot *node, const struct source_change *change,
			struct stat *stat)
{
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result;

	result = reach(state, node, &reached);
	if (result == 0)
		result = apply_change(&reached, change);
	return result < 0 ? result : stat_descriptor(node, reached.kept.fd, stat);
}

static int store_readlink(struct state *state, const struct node_slot *node, char *target, size_t size)
{
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	ssize_t length;
	int result;

	result = reach(state, node, &reached);
	if (result < 0)
		return result;
	length = readlinkat(reached.kept.fd, "", target, size - 1);
	if (length < 0)
		return -errno;
	target[length] = '\0';
	return (int)length;
}

static int store_statfs(struct state *state, const struct node_slot *node, struct statvfs *out)
{
	return fstatvfs(state->arena->header->stores[node->store].root_fd, out) < 0 ? -errno : 0;
}

static ssize_t store_getxattr(struct state *state, const struct node_slot *node, const char *name, void *value,
			      size_t size)
{
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);
	ssize_t length;

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

static int store_setxattr(struct state *state, const struct node_slot *node, const char *name, const void *value,
			  size_t size, int flags)
{
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);

	if (result < 0)
		return result;
	return setxattr(reached.path, name, value, size, flags) < 0 ? -errno : 0;
}

static int store_removexattr(struct state *state, const struct node_slot *node, const char *name)
{
	_cleanup_reached_ struct reached reached = REACHED_NONE;
	int result = reach(state, node, &reached);

	if (result < 0)
		return result;
	return removexattr(reached.path, name) < 0 ? -errno : 0;
}

#define STORE_FUNCTIONS \
	.find = store_find, .stat = store_stat, .open = store_open, .writable = store_writable, .list = store_list,     \
	.create = store_create, .make = store_make, .link = store_link, .remove = store_remove, .rename = store_rename, \
	.change = store_change, .readlink = store_readlink, .statfs = store_statfs, .getxattr = store_getxattr,         \
	.listxattr = store_listxattr, .setxattr = store_setxattr, .removexattr = store_removexattr

static bool was_closed(struct state *state, const struct node_slot *node)
{
	uint32_t writers;

	return atomic_load(&node->closed_at) && handle_count(state, node_id_of(state, node), &writers) == 0;
}

/* Since its last close, as long as segfs remembers it. */
static ssize_t idle_since(struct state *state, const struct node_slot *node, char *value, size_t size)
{
	const uint64_t ago = boottime_nanoseconds() - atomic_load(&node->closed_at);

	if (!was_closed(state, node))
		return -ENODATA;
	return fact_time((long long)((realtime_nanoseconds() - ago) / 1000000000), value, size);
}

static const struct source_fact store_facts[] = {
	{.name = "orphan", .value = users_print_orphan},
	{.name = "idle-since", .applies = was_closed, .value = idle_since},
	{.name = NULL},
};

const struct source store_source = {
	.name = "store",
	.facts = store_facts,
	STORE_FUNCTIONS,
	.path = paths_find,
	.end = store_end,
};

/* No store of segfs, but all that can be done there is the same. */
const struct source posix_source = {
	.name = "posix",
	.facts = posix_facts,
	STORE_FUNCTIONS,
	.path = posix_path,
};
