// SPDX-License-Identifier: MIT
#include "fs/instance.h"
#include "fs/mounts.h"
#include "fs/tmpfs.h"
#include "lib/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#define PRIVILEGED_BASE "/run/segfs"
#define MOUNT_TYPE "fuse.segfs"
#define LOCK_PAUSE_NS 10000000 /* 10 ms between two tries */
#define LOCK_TRIES 500
#define DEFAULT_STORE_MODE 01777 /* like /dev/shm */

__attribute__((format(printf, 3, 4))) static int fail(int result, char error[INSTANCE_ERROR_MAX], const char *format,
						      ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, INSTANCE_ERROR_MAX, format, arguments);
	va_end(arguments);
	return result;
}

static int fail_errno(int number, char error[INSTANCE_ERROR_MAX], const char *what, const char *path)
{
	return fail(-number, error, "%s %s: %s", what, path, strerror(number));
}

/* A directory that only its owner may use; one that somebody else made in a shared place is refused. */
static int make_private(const char *path, mode_t mode, char error[INSTANCE_ERROR_MAX])
{
	struct stat stat;

	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return fail_errno(errno, error, "making the directory", path);
	if (lstat(path, &stat) < 0)
		return fail_errno(errno, error, "the directory", path);
	if (!S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() || stat.st_mode & (S_IWGRP | S_IWOTH))
		return fail(-EPERM, error,
			    "%s is not a directory that only its owner, user %u, can write to; remove it", path,
			    geteuid());
	return 0;
}

/* The directory in which instances are, or a negative errno. */
static int base_directory(bool privileged, char *path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int length;

	if (privileged)
		length = snprintf(path, size, "%s", PRIVILEGED_BASE);
	else if (runtime && runtime[0] == '/')
		length = snprintf(path, size, "%s/segfs", runtime);
	else
		length = snprintf(path, size, "/dev/shm/segfs-%u", geteuid());
	return (size_t)length >= size ? -ENAMETOOLONG : 0;
}

static int set_paths(struct instance *instance, const char *name, bool privileged, char base[PATH_MAX])
{
	int result = base_directory(privileged, base, PATH_MAX);

	if (result < 0)
		return result;
	instance->privileged = privileged;
	instance->made = false;
	instance->lock_fd = -1;
	snprintf(instance->name, sizeof(instance->name), "%s", name);
	if ((size_t)snprintf(instance->directory, PATH_MAX, "%s/%s", base, name) >= PATH_MAX ||
	    (size_t)snprintf(instance->store, PATH_MAX, "%s/%s/store", base, name) >= PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}

/* "PID MOUNTPOINT", as instance_tell_holder() wrote it. */
static bool holder_is_mounted(int lock_fd, char holder[PATH_MAX + 32])
{
	ssize_t length = pread(lock_fd, holder, PATH_MAX + 31, 0);
	char type[32] = "";
	char *mount_point;
	dev_t device;

	holder[length > 0 ? length : 0] = '\0';
	mount_point = strchr(holder, ' ');
	return mount_point && mounts_find(mount_point + 1, &device, type, sizeof(type)) == 0 &&
	       strcmp(type, MOUNT_TYPE) == 0;
}

/* Whoever holds the lock without a mount is about to end: umount(8) returns a moment before the daemon does. */
static int take_lock(struct instance *instance, char error[INSTANCE_ERROR_MAX])
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	_cleanup_close_ int fd = -1;
	char holder[PATH_MAX + 32];
	char path[PATH_MAX + 8];
	struct stat named;
	struct stat held;

	snprintf(path, sizeof(path), "%s/lock", instance->directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail_errno(errno, error, "the lock", path);
	for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail_errno(errno, error, "the lock", path);
		if (holder_is_mounted(fd, holder) || tries == LOCK_TRIES)
			return fail(-EBUSY, error,
				    "instance '%s' is in use (process and mount point: %s); unmount it first, or choose "
				    "another name with --name",
				    instance->name, holder);
		nanosleep(&pause, NULL);
	}
	/* who had the lock may have purged the instance, and the lock with it */
	if (stat(path, &named) < 0 || fstat(fd, &held) < 0 || named.st_ino != held.st_ino)
		return fail(-ENOENT, error, "there is no instance '%s': it was purged just now", instance->name);
	instance->lock_fd = take_fd(&fd);
	return 0;
}

static int make_and_lock(struct instance *instance, const char *base, char error[INSTANCE_ERROR_MAX])
{
	int result = make_private(base, instance->privileged ? 0755 : 0700, error);
	bool existed = access(instance->directory, F_OK) == 0;

	if (result == 0)
		result = make_private(instance->directory, 0700, error);
	if (result == 0)
		result = take_lock(instance, error);
	instance->made = result == 0 && !existed;
	return result;
}

int instance_open(struct instance *instance, const char *name, bool privileged, char error[INSTANCE_ERROR_MAX])
{
	char base[PATH_MAX];
	int result;

	result = set_paths(instance, name, privileged, base);
	if (result < 0)
		return fail(result, error, "the path of instance '%s' is too long", name);
	/* a directory that is there at one moment may be purged at the next */
	for (int tries = 0; tries < 3; tries++) {
		result = make_and_lock(instance, base, error);
		if (result != -ENOENT)
			break;
	}
	return result;
}

int instance_adopt(struct instance *instance, const char *name, bool privileged, int lock_fd)
{
	char base[PATH_MAX];
	int result = set_paths(instance, name, privileged, base);

	instance->lock_fd = lock_fd;
	return result;
}

bool is_mount_root(int fd)
{
	struct statx found;

	return statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &found) == 0 &&
	       found.stx_attributes & found.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT;
}

int apply_mode_and_owner(int fd, const struct config_store *store)
{
	if (store->has_owner && fchown(fd, store->owner, store->group) < 0)
		return -errno;
	if (store->has_mode && fchmod(fd, store->mode) < 0)
		return -errno;
	return 0;
}

static int mount_default_store(struct instance *instance, const struct config_store *root, char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int fd = open(instance->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int result;

	if (fd < 0)
		return fail_errno(errno, error, "the store", instance->store);
	if (!instance->privileged)
		return take_fd(&fd);
	if (is_mount_root(fd)) {
		result = tmpfs_change(fd, root, error);
	} else {
		_cleanup_close_ int made = tmpfs_make(root, DEFAULT_STORE_MODE, error);

		instance->made = true;
		result = made < 0 ? made : mount_attach(made, fd);
		if (made >= 0 && result < 0)
			return fail_errno(-result, error, "mounting the store", instance->store);
	}
	if (result < 0)
		return result;
	/* the descriptor is of the directory below the mount that was just made */
	cleanup_close(&fd);
	fd = open(instance->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_errno(errno, error, "the store", instance->store);
	return take_fd(&fd);
}

int instance_open_store(struct instance *instance, const struct config_store *root, char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int fd = -1;
	int result;

	result = make_private(instance->store, 0700, error);
	/* the root of the mount belongs to whom the configuration says, the directory below it to us */
	if (result == -EPERM && instance->privileged)
		result = 0;
	if (result < 0)
		return result;
	fd = mount_default_store(instance, root, error);
	if (fd < 0)
		return fd;
	result = apply_mode_and_owner(fd, root);
	if (result < 0)
		return fail_errno(-result, error, "mode and owner of the store", instance->store);
	return take_fd(&fd);
}

/* Paths of the mounts below a directory, the latest first. */
struct mount_list {
	const char *directory;
	char paths[128][512];
	unsigned int n;
};

static int collect(const struct mount_entry *entry, void *context)
{
	struct mount_list *list = context;
	size_t length = strlen(list->directory);

	if (strncmp(entry->path, list->directory, length) == 0 && entry->path[length] == '/' &&
	    list->n < sizeof(list->paths) / sizeof(list->paths[0]))
		snprintf(list->paths[list->n++], sizeof(list->paths[0]), "%s", entry->path);
	return 0;
}

/* Detached, so that a process that still maps a segment keeps it to its end. */
static int unmount_all(const char *directory, char error[INSTANCE_ERROR_MAX])
{
	for (;;) {
		struct mount_list list = {.directory = directory};
		int result = mounts_walk(collect, &list);

		if (result < 0 || list.n == 0)
			return result;
		while (list.n > 0)
			if (umount2(list.paths[--list.n], MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
				return fail_errno(errno, error, "unmounting", list.paths[list.n]);
	}
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
	(void)stat;
	(void)type;
	(void)place;
	return remove(path);
}

static int remove_all(const struct instance *instance, char error[INSTANCE_ERROR_MAX])
{
	int result = instance->privileged ? unmount_all(instance->directory, error) : 0;

	if (result < 0)
		return result;
	if (nftw(instance->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
		return fail_errno(errno, error, "removing", instance->directory);
	return 0;
}

void instance_tell_holder(const struct instance *instance, const char *mount_point)
{
	if (ftruncate(instance->lock_fd, 0) == 0)
		dprintf(instance->lock_fd, "%d %s", getpid(), mount_point);
}

void instance_close(struct instance *instance, bool undo)
{
	char ignored[INSTANCE_ERROR_MAX];

	if (undo && instance->made)
		remove_all(instance, ignored);
	cleanup_close(&instance->lock_fd);
	instance->lock_fd = -1;
}

int instance_purge(const char *name, bool privileged, char error[INSTANCE_ERROR_MAX])
{
	struct instance instance;
	char base[PATH_MAX];
	int result;

	result = set_paths(&instance, name, privileged, base);
	if (result < 0 || access(instance.directory, F_OK) < 0)
		return fail(-ENOENT, error, "there is no instance '%s': %s does not exist", name, instance.directory);
	result = take_lock(&instance, error);
	if (result == 0)
		result = remove_all(&instance, error);
	cleanup_close(&instance.lock_fd);
	/* the last instance takes the directory of all with it */
	if (result == 0)
		rmdir(base);
	return result;
}
