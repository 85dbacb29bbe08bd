// SPDX-License-Identifier: MIT
#include "fs/source/store_make.h"
#include "fs/source/backing.h"
#include "fs/source/fd_cache.h"
#include "fs/source/requester.h"
#include "fs/source/store_names.h"
#include "fs/state/journal.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

/*
 * Whether an existing name was created by a worker that died during this request. The kernel holds the
 * directory and believes the name to be free, so else it was created outside of the mount; such a file is
 * older, of another user, or of another type.
 */
static bool was_made(const struct state *state, const struct journal_entry *entry, int dir_fd,
		     const char *name, mode_t mode)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC | (*name ? 0 : AT_EMPTY_PATH);
	uint64_t since = journal_since(entry);
	struct statx found;

	if (!journal_is_replay(entry) ||
	    statx(dir_fd, name, flags, STATX_BASIC_STATS | STATX_BTIME, &found) < 0 ||
	    (found.stx_mode & S_IFMT) != (mode & S_IFMT))
		return false;
	if (state->arena->header->privileged && found.stx_uid != journal_uid(entry))
		return false;
	return !(found.stx_mask & STATX_BTIME) ||
	       (uint64_t)found.stx_btime.tv_sec * 1000000000u + found.stx_btime.tv_nsec >= since;
}

/*
 * Without privileges, setting the attribute of a file that its owner may not write needs a temporary change
 * of its mode.
 */
static int set_policy(const struct state *state, int fd, const char *policy)
{
	const char *name = source_policy_attribute(state);
	char path[PROCFS_FD_MAX];
	struct stat found;
	int result;

	procfs_fd_path(path, fd);
	if (setxattr(path, name, policy, strlen(policy), 0) == 0)
		return 0;
	if (errno != EACCES || stat(path, &found) < 0 || chmod(path, (found.st_mode & 07777) | S_IWUSR) < 0)
		return -errno;
	result = setxattr(path, name, policy, strlen(policy), 0) < 0 ? -errno : 0;
	return chmod(path, found.st_mode & 07777) < 0 ? -errno : result;
}

/*
 * Always O_EXCL: for an existing name the kernel must look up and check permissions itself. A file with a
 * policy is linked last, so that it is never visible without it. Returns a descriptor.
 */
static int create_file(const struct state *state, int dir_fd, const char *name, mode_t mode, int flags,
		       const char *policy)
{
	_cleanup_close_ int fd = -1;
	char path[PROCFS_FD_MAX];
	int result = 0;

	if (name && !*policy) {
		fd = openat(dir_fd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		return fd < 0 ? -errno : take_fd(&fd);
	}
	if ((flags & O_ACCMODE) == O_RDONLY)
		flags |= O_RDWR; /* O_TMPFILE requires write access */
	fd = openat(dir_fd, ".", flags | O_TMPFILE | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	if (*policy)
		result = set_policy(state, fd, policy);
	procfs_fd_path(path, fd);
	if (result == 0 && name && linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
		result = -errno;
	return result < 0 ? result : take_fd(&fd);
}

/* Removes a name whose creation is not reported, if it is still the requester's. */
static void undo_make(const struct state *state, uint16_t store, int dir_fd, const char *name, int flags)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;

	if (requester_assume_in(state, store, &self) == 0)
		unlinkat(dir_fd, name, flags);
}

static int identify_made(struct state *state, uint16_t store, int dir_fd, const char *name, int flags,
			 struct source_file *file)
{
	int result = backing_identify(state, store, dir_fd, name, file);

	if (result < 0)
		undo_make(state, store, dir_fd, name, flags);
	return result;
}

/*
 * Opens the file created by a worker that died during this request. Its mode may deny its owner what a new
 * file may be opened for, so the daemon opens it. Returns a descriptor; -ENOENT if there is none.
 */
static int open_made(const struct state *state, const struct journal_entry *entry, int dir_fd,
		     const char *name, int flags)
{
	_cleanup_close_ int fd = -1;

	if (!name || !journal_is_replay(entry))
		return -ENOENT;
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return was_made(state, entry, fd, "", S_IFREG) ? procfs_fd_open(fd, flags | O_NONBLOCK) : -ENOENT;
}

/* create_file() with the requester's permissions. */
static int create_for_requester(const struct state *state, const struct journal_entry *entry, uint16_t store,
				int dir_fd, const char *name, mode_t mode, int flags, const char *policy)
{
	_cleanup_credentials_self_ struct credentials_self self = CREDENTIALS_SELF;
	int result = open_made(state, entry, dir_fd, name, flags);

	if (result != -ENOENT)
		return result;
	result = requester_assume_in(state, store, &self);
	return result < 0 ? result : create_file(state, dir_fd, name, mode, flags, policy);
}

int store_create(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
		 const char *name, mode_t mode, int flags, const char *policy, struct source_file *file)
{
	_cleanup_cached_fd_ struct cached_fd parent = CACHED_FD_NONE;
	_cleanup_close_ int fd = -1;
	int result;

	result = fd_cache_get_directory(state, dir, &parent);
	if (result < 0)
		return result;
	fd = create_for_requester(state, entry, dir->store, parent.fd, name, mode & 07777, flags, policy);
	if (fd < 0)
		return fd;
	result = backing_identify(state, dir->store, fd, "", file);
	if (result < 0) {
		if (name)
			undo_make(state, dir->store, parent.fd, name, 0);
		return result;
	}
	if (!name) {
		/* without a name, the file is reached by descriptor until it is linked or ends */
		file->flags |= NODE_UNLINKED | NODE_SLOW_END;
		/* O_PATH, so that it does not count as a view of somebody */
		if (file->fd < 0)
			file->fd = procfs_fd_open(fd, O_PATH);
		if (file->fd < 0)
			return file->fd;
	}
	return take_fd(&fd);
}

static int make_directory(const struct state *state, const struct journal_entry *entry, int dir_fd,
			  const char *name, mode_t mode, const char *policy)
{
	_cleanup_close_ int fd = -1;
	int result;

	if (mkdirat(dir_fd, name, mode) < 0 &&
	    (errno != EEXIST || !was_made(state, entry, dir_fd, name, S_IFDIR)))
		return -errno;
	if (!*policy)
		return 0;
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
	result = fd < 0 ? -errno : set_policy(state, fd, policy);
	if (result < 0)
		unlinkat(dir_fd, name, AT_REMOVEDIR);
	return result;
}

static int make_file(const struct state *state, const struct journal_entry *entry, int dir_fd,
		     const char *name, mode_t mode, const char *policy)
{
	int fd = create_file(state, dir_fd, name, mode, O_RDWR, policy);

	if (fd < 0)
		return fd == -EEXIST && was_made(state, entry, dir_fd, name, S_IFREG) ? 0 : fd;
	close(fd);
	return 0;
}

static bool leads_to(int dir_fd, const char *name, const char *target)
{
	char found[PATH_MAX];
	ssize_t length = readlinkat(dir_fd, name, found, sizeof(found));

	return length >= 0 && (size_t)length == strlen(target) && memcmp(found, target, (size_t)length) == 0;
}

static int make_node(const struct state *state, const struct journal_entry *entry, int dir_fd,
		     const char *name, mode_t mode, dev_t device, const char *target, const char *policy)
{
	int result;

	switch (mode & S_IFMT) {
	case S_IFDIR:
		return make_directory(state, entry, dir_fd, name, mode & 07777, policy);
	case S_IFLNK:
		result = symlinkat(target, dir_fd, name);
		break;
	case S_IFREG:
		return make_file(state, entry, dir_fd, name, mode & 07777, policy);
	case S_IFIFO:
	case S_IFSOCK:
		result = mknodat(dir_fd, name, mode, 0);
		break;
	case S_IFCHR:
	case S_IFBLK:
		result = mknodat(dir_fd, name, mode, device);
		break;
	default:
		return -EPERM;
	}
	if (result == 0)
		return 0;
	result = -errno;
	if (result == -EEXIST && was_made(state, entry, dir_fd, name, mode) &&
	    (!S_ISLNK(mode) || leads_to(dir_fd, name, target)))
		result = 0;
	return result;
}

int store_make(struct state *state, struct journal_entry *entry, const struct node_slot *dir,
	       const char *name, mode_t mode, dev_t device, const char *target, const char *policy,
	       struct source_file *file)
{
	struct credentials_self self = CREDENTIALS_SELF;
	_cleanup_cached_fd_ struct cached_fd parent = CACHED_FD_NONE;
	int result;

	result = fd_cache_get_directory(state, dir, &parent);
	if (result == 0)
		result = requester_assume_in(state, dir->store, &self);
	if (result == 0)
		result = make_node(state, entry, parent.fd, name, mode, device, target, policy);
	credentials_restore(&self);
	if (result < 0)
		return result;
	return identify_made(state, dir->store, parent.fd, name, S_ISDIR(mode) ? AT_REMOVEDIR : 0, file);
}

int store_link(struct state *state, struct journal_entry *entry, const struct node_slot *node,
	       const struct node_slot *dir, const char *name, struct source_file *file)
{
	_cleanup_cached_fd_ struct cached_fd parent = CACHED_FD_NONE;
	_cleanup_cached_fd_ struct cached_fd cached = CACHED_FD_NONE;
	struct credentials_self self = CREDENTIALS_SELF;
	char path[PROCFS_FD_MAX];
	int result;

	result = fd_cache_get_directory(state, dir, &parent);
	if (result == 0)
		result = fd_cache_get(state, node, &cached);
	if (result == 0)
		result = requester_assume_in(state, dir->store, &self);
	if (result < 0)
		return result;
	procfs_fd_path(path, cached.fd);
	result = linkat(AT_FDCWD, path, parent.fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
	credentials_restore(&self);
	if (result < 0) {
		if (result != -EEXIST || !journal_is_replay(entry) ||
		    store_inode_of(parent.fd, name) != node->inode)
			return result;
	}
	return identify_made(state, dir->store, parent.fd, name, 0, file);
}
