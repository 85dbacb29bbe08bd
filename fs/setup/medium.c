// SPDX-License-Identifier: MIT
/*
 * Directories that are mounts: media of stores, and views of other sources. A new mount is created detached,
 * gets its limits, owner, mode, policy and namespace, is registered, and is attached last: a refused one
 * never becomes visible.
 */
#include "fs/setup/medium.h"
#include "fs/setup/application.h"
#include "fs/setup/instance.h"
#include "fs/setup/place.h"
#include "fs/setup/register.h"
#include "fs/setup/segment.h"
#include "fs/setup/sources.h"
#include "fs/setup/tmpfs.h"
#include "fs/setup/undo.h"
#include "fs/source/paths.h"
#include "fs/source/posix.h"
#include "lib/base/cleanup.h"
#include "lib/base/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SOURCE_SIZE 4096 /* bytes of the tmpfs that is the mount point of a virtual source */

/* A directory to be mounted on. */
struct medium {
	const struct application *application;
	const struct config_directory *directory;
	const char *path;          /* of the directory to show; NULL = a tmpfs */
	struct config_store store; /* limits of the tmpfs */
	int ipc_fd;                /* the IPC namespace to show, or -1 */
};

static int fail_medium(const struct medium *medium, int result, const char *why)
{
	return apply_fail(medium->application, result, medium->directory->line, "directory '%s': %s",
			  medium->directory->name, why);
}

static int fail_with(const struct medium *medium, int result, const char *what)
{
	return apply_fail(medium->application, result, medium->directory->line, "%s of directory '%s': %s",
			  what, medium->directory->name, strerror(-result));
}

static int fail_other_medium(const struct medium *medium)
{
	return fail_medium(medium, -EBUSY,
			   "it has another medium from an earlier start; remove that with --purge first");
}

static int fail_path(const struct medium *medium, int result)
{
	return apply_fail(medium->application, result, medium->directory->line,
			  "the medium %s of directory '%s': %s; name an existing directory", medium->path,
			  medium->directory->name, strerror(-result));
}

/* Returns -ENOTEMPTY if there are entries; the negative errno of reading the directory. */
static int check_empty(int dir_fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *entry;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		int result = -errno;

		close(fd);
		return result;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return -ENOTEMPTY;
	return 0;
}

static bool is_same_directory(int fd, const char *path)
{
	struct stat there;
	struct stat here;

	return stat(path, &there) == 0 && fstat(fd, &here) == 0 && there.st_dev == here.st_dev &&
	       there.st_ino == here.st_ino;
}

struct own_tmpfs {
	char path[PATH_MAX];
	bool is_own;
};

static int compare_mount(const struct mount_entry *entry, void *context)
{
	struct own_tmpfs *wanted = context;

	if (strcmp(entry->path, wanted->path) == 0)
		wanted->is_own = strcmp(entry->type, "tmpfs") == 0 && strcmp(entry->source, TMPFS_NAME) == 0;
	return 0;
}

/* Our limits must not be applied to a foreign tmpfs shown here. */
static bool is_own_tmpfs(int fd)
{
	struct own_tmpfs wanted = {.is_own = false};

	return paths_of_descriptor(fd, wanted.path, sizeof(wanted.path)) == 0 &&
	       mounts_walk(compare_mount, &wanted) == 0 && wanted.is_own;
}

/* Whether the existing mount with root `fd` matches the configuration. */
static int check_mounted(const struct medium *medium, int fd)
{
	struct stat found_path;
	int result;

	if (medium->path) {
		if (stat(medium->path, &found_path) < 0)
			return fail_path(medium, -errno);
		return is_same_directory(fd, medium->path) ? 0 : fail_other_medium(medium);
	}
	if (!is_own_tmpfs(fd))
		return fail_other_medium(medium);
	if (medium->directory->source == SOURCE_STORE)
		return 0;
	/* the mount point of a source has no files */
	result = check_empty(fd);
	return result < 0 ? fail_other_medium(medium) : 0;
}

static int set_mode_and_owner(const struct medium *medium, int fd)
{
	int result = apply_mode_and_owner(fd, &medium->directory->store);

	return result < 0 ? fail_with(medium, result, "mode and owner") : 0;
}

/* The limits come last: they cannot be undone. */
static int change_policy_and_limits(const struct medium *medium, int fd)
{
	const struct config_directory *directory = medium->directory;
	char why[TMPFS_ERROR_MAX];
	int result = apply_policy(medium->application, fd, &directory->store.policy);

	if (result < 0)
		return fail_with(medium, result, "the policy");
	result = set_mode_and_owner(medium, fd);
	if (result < 0 || medium->path)
		return result;
	result = tmpfs_change(fd, &directory->store, why);
	return result < 0 ? fail_medium(medium, result, why) : 0;
}

static int change_store(const struct medium *medium, int fd)
{
	struct undo undo;
	int result = undo_note(medium->application, fd, &undo);

	if (result < 0)
		return fail_with(medium, result, "the root");
	result = change_policy_and_limits(medium, fd);
	if (result < 0)
		undo_change(medium->application, fd, &undo, &medium->directory->store.policy);
	apply_notify(medium->application, fd);
	return result;
}

/* Adjusts a mount attached by an earlier start or reload. */
static int change_mounted(struct medium *medium, int fd)
{
	const struct config_directory *directory = medium->directory;
	struct state *state = medium->application->state;
	enum source_kind source = (enum source_kind)directory->source;
	int result = check_mounted(medium, fd);
	int index;

	if (result < 0)
		return result;
	index = apply_registered(state, source, fd);
	if (index >= 0 && source == SOURCE_SYSV &&
	    !is_same_file(state->arena->header->stores[index].ipc_fd, medium->ipc_fd))
		return fail_medium(medium, -EBUSY,
				   "it shows another IPC namespace, which cannot change while mounted; "
				   "unmount and start again");
	if (index == -ENOENT) {
		_cleanup_close_ int root_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

		index = root_fd < 0 ? -errno
				    : apply_register(state, directory->name, source, root_fd, medium->ipc_fd);
		if (index >= 0) {
			take_fd(&root_fd);
			take_fd(&medium->ipc_fd);
		}
	}
	if (index < 0)
		return fail_with(medium, index, "the store");
	return source == SOURCE_STORE ? change_store(medium, fd) : 0;
}

/* Returns an O_PATH descriptor of a detached mount, which lasts as long as the descriptor. */
static int make_mount(const struct medium *medium)
{
	char why[TMPFS_ERROR_MAX];
	struct stat found;
	int fd;

	if (!medium->path) {
		fd = tmpfs_make(&medium->store, APPLY_DIRECTORY_MODE, why);
		return fd < 0 ? fail_medium(medium, fd, why) : fd;
	}
	if (stat(medium->path, &found) < 0)
		return fail_path(medium, -errno);
	if (!S_ISDIR(found.st_mode))
		return fail_path(medium, -ENOTDIR);
	fd = open_tree(AT_FDCWD, medium->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? fail_path(medium, -errno) : fd;
}

/* Nobody can have opened anything on this detached mount, so only the stored policy needs to change. */
static int set_policy(const struct medium *medium, int fd, const struct undo *undo)
{
	struct policy policy = undo->policy;
	int result = apply_store_policy(medium->application, fd, &policy, &medium->directory->store.policy);

	return result < 0 ? fail_with(medium, result, "the policy") : 0;
}

static int attach(struct medium *medium, struct place *place, int mount_fd)
{
	const struct claim claim = claim_of_directory(medium->directory);
	_cleanup_close_ int target = place_create(medium->application, &claim, place, 0700);
	int result;

	if (target < 0)
		return target;
	result = mount_attach(mount_fd, target);
	if (result == 0)
		return 0;
	place_remove(place);
	return fail_with(medium, result, "the mount");
}

static int register_and_attach(struct medium *medium, struct place *place, int mount_fd, int *root_fd)
{
	struct state *state = medium->application->state;
	int index =
		apply_register_hidden(state, medium->directory->name,
				      (enum source_kind)medium->directory->source, *root_fd, medium->ipc_fd);
	int result;

	if (index < 0)
		return fail_with(medium, index, "the store");
	/* owned by the record from here on */
	take_fd(root_fd);
	take_fd(&medium->ipc_fd);
	result = attach(medium, place, mount_fd);
	if (result < 0)
		apply_unregister(state, index);
	else
		apply_publish(state, index);
	return result;
}

static int add_mount(struct medium *medium, struct place *place)
{
	_cleanup_close_ int mount_fd = -1;
	_cleanup_close_ int root_fd = -1;
	_cleanup_close_ int kept_fd = -1;
	struct undo undo;
	int result = *place->rest ? 0 : check_empty(place->fd);

	if (result == -ENOTEMPTY)
		return fail_medium(medium, result,
				   "it is not empty, and a medium would hide its entries; empty it first");
	if (result < 0)
		return fail_medium(medium, result, strerror(-result));
	mount_fd = make_mount(medium);
	if (mount_fd < 0)
		return mount_fd;
	root_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* a refused change is undone by this one */
	kept_fd = root_fd < 0 ? -1 : fcntl(root_fd, F_DUPFD_CLOEXEC, 0);
	if (kept_fd < 0)
		return fail_with(medium, -errno, "the root");
	if (medium->directory->source != SOURCE_STORE)
		return register_and_attach(medium, place, mount_fd, &root_fd);
	result = undo_note(medium->application, root_fd, &undo);
	if (result < 0)
		return fail_with(medium, result, "the root");
	result = set_policy(medium, root_fd, &undo);
	if (result == 0)
		result = set_mode_and_owner(medium, root_fd);
	if (result == 0)
		result = register_and_attach(medium, place, mount_fd, &root_fd);
	if (result < 0)
		undo_detached(medium->application, kept_fd, &undo);
	return result;
}

int apply_medium(const struct application *application, const struct config_directory *directory,
		 struct place *place)
{
	struct medium medium = {application, directory, directory->store.path, directory->store, -1};
	int result = 0;

	if (!application->state->arena->header->privileged)
		return fail_medium(&medium, -EPERM, "only root can mount a medium; remove 'medium'");
	/* a path must fit into the record, uncut */
	if (strlen(directory->name) >= ARENA_STORE_PATH)
		return fail_medium(&medium, -ENAMETOOLONG, strerror(ENAMETOOLONG));
	if (directory->source == SOURCE_POSIX) {
		medium.path = directory->source_path ? directory->source_path : POSIX_DIRECTORY;
	} else if (directory->source == SOURCE_SYSV) {
		medium.store.size = SOURCE_SIZE;
		medium.ipc_fd = apply_open_namespace(application, directory);
		result = medium.ipc_fd < 0 ? medium.ipc_fd : 0;
	}
	if (result == 0)
		result = !*place->rest && is_mount_root(place->fd) ? change_mounted(&medium, place->fd)
								   : add_mount(&medium, place);
	cleanup_close(&medium.ipc_fd);
	return result;
}
