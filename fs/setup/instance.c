// SPDX-License-Identifier: MIT
#include "fs/setup/instance.h"
#include "fs/setup/holders.h"
#include "fs/setup/removal.h"
#include "fs/setup/tmpfs.h"
#include "lib/base/cleanup.h"
#include "lib/base/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#define PRIVILEGED_BASE    "/run/segfs"
#define MOUNT_TYPE         "fuse.segfs"
#define LOCK_NAME          "lock"
#define STORE_NAME         "store"
#define LOCK_PAUSE_NS      10000000 /* 10 ms between attempts */
#define LOCK_TRIES         500
#define DEFAULT_STORE_MODE 01777 /* like /dev/shm */

__attribute__((format(printf, 3, 4))) static int fail(int result, char error[INSTANCE_ERROR_MAX],
						      const char *format, ...)
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

static int fail_private(char error[INSTANCE_ERROR_MAX], const char *path)
{
	return fail(-EPERM, error, "%s is not a directory that only user %u owns and can write to; remove it",
		    path, geteuid());
}

/*
 * Opens a directory that only its owner can write to; in a shared directory another user may have created it,
 * or a link of that name. Returns an O_PATH descriptor, through which all further access goes. mode: to
 * create it with; 0 = do not create it.
 */
static int open_private(int parent_fd, const char *name, const char *path, mode_t mode,
			char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int fd = -1;
	struct stat stat;

	if (mode && mkdirat(parent_fd, name, mode) < 0 && errno != EEXIST)
		return fail_errno(errno, error, "making the directory", path);
	fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return fail_private(error, path);
	if (fd < 0 || fstat(fd, &stat) < 0)
		return fail_errno(errno, error, "the directory", path);
	if (stat.st_uid != geteuid() || stat.st_mode & (S_IWGRP | S_IWOTH))
		return fail_private(error, path);
	return take_fd(&fd);
}

/* Gets the parent directory of all instances. Returns 0 or a negative errno. */
static int base_directory(bool privileged, char *path, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int length;

	if (privileged)
		length = snprintf(path, size, PRIVILEGED_BASE);
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

/* The process that holds the lock. */
struct holder {
	int pid;                    /* of the supervisor; 0 = unknown */
	dev_t device;               /* of its mount; 0 = unknown */
	char mount_point[PATH_MAX]; /* "" = unknown */
};

/* Parses "PID MOUNTPOINT" and "MAJOR:MINOR" in a second line, as written by instance_write_holder(). */
static void read_holder(int lock_fd, struct holder *holder)
{
	char text[PATH_MAX + 64];
	ssize_t length = pread(lock_fd, text, sizeof(text) - 1, 0);
	unsigned int major_number;
	unsigned int minor_number;
	char *path;
	char *line;

	*holder = (struct holder){0};
	text[length > 0 ? length : 0] = '\0';
	path = strchr(text, ' ');
	line = strrchr(text, '\n');
	if (line && sscanf(line, "\n%u:%u", &major_number, &minor_number) == 2) {
		holder->device = makedev(major_number, minor_number);
		*line = '\0';
	}
	if (path && sscanf(text, "%d", &holder->pid) == 1)
		snprintf(holder->mount_point, sizeof(holder->mount_point), "%s", path + 1);
}

static bool is_mounted(const struct holder *holder)
{
	char type[32] = "";
	dev_t device;

	return *holder->mount_point && mounts_find(holder->mount_point, &device, type, sizeof(type)) == 0 &&
	       strcmp(type, MOUNT_TYPE) == 0;
}

static int fail_in_use(const struct instance *instance, const struct holder *holder,
		       char error[INSTANCE_ERROR_MAX])
{
	char holders[INSTANCE_ERROR_MAX / 2] = "";

	if (is_mounted(holder))
		return fail(-EBUSY, error,
			    "instance '%s' is in use by process %d; unmount it first, or choose another name "
			    "with --name; it is mounted on %s",
			    instance->name, holder->pid, holder->mount_point);
	if (holder->device)
		holders_describe(holder->device, holders, sizeof(holders));
	return fail(-EBUSY, error,
		    "instance '%s' is unmounted, but still in use by %s; end them, or end its daemon with "
		    "'kill %d', which makes their open files fail",
		    instance->name, *holders ? holders : "processes that are not visible", holder->pid);
}

/*
 * Opens the parent of the base directory, which the system or the user's environment provides. Returns an
 * O_PATH descriptor.
 */
static int open_parent(const char *base, char error[INSTANCE_ERROR_MAX])
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%.*s", (int)(strrchr(base, '/') - base), base);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? fail_errno(errno, error, "the directory", path) : fd;
}

static int open_base(const struct instance *instance, const char *base, bool make,
		     char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int parent = open_parent(base, error);
	mode_t mode = instance->privileged ? 0755 : 0700;

	return parent < 0 ? parent
			  : open_private(parent, strrchr(base, '/') + 1, base, make ? mode : 0, error);
}

/* A holder without a mount is about to exit, since umount(8) returns before the daemon does; wait for it. */
static int take_lock(struct instance *instance, int directory_fd, char error[INSTANCE_ERROR_MAX])
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	_cleanup_close_ int fd = -1;
	struct holder holder;
	char path[PATH_MAX + 8];
	struct stat named;
	struct stat held;

	snprintf(path, sizeof(path), "%s/" LOCK_NAME, instance->directory);
	fd = openat(directory_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return fail_errno(errno, error, "the lock", path);
	for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return fail_errno(errno, error, "the lock", path);
		read_holder(fd, &holder);
		if (is_mounted(&holder) || tries == LOCK_TRIES)
			return fail_in_use(instance, &holder, error);
		nanosleep(&pause, NULL);
	}
	/* the previous holder may have purged the instance including the lock file */
	if (fstatat(directory_fd, LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) < 0 || fstat(fd, &held) < 0 ||
	    named.st_ino != held.st_ino)
		return fail(-ENOENT, error, "there is no instance '%s': it was purged just now",
			    instance->name);
	instance->lock_fd = take_fd(&fd);
	return 0;
}

static int make_and_lock(struct instance *instance, const char *base, char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int base_fd = open_base(instance, base, true, error);
	_cleanup_close_ int fd = -1;
	bool existed;
	int result;

	if (base_fd < 0)
		return base_fd;
	existed = faccessat(base_fd, instance->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	fd = open_private(base_fd, instance->name, instance->directory, 0700, error);
	if (fd < 0)
		return fd;
	result = take_lock(instance, fd, error);
	instance->made = result == 0 && !existed;
	return result;
}

int instance_open(struct instance *instance, const char *name, bool privileged,
		  char error[INSTANCE_ERROR_MAX])
{
	char base[PATH_MAX];
	int result;

	result = set_paths(instance, name, privileged, base);
	if (result < 0)
		return fail(result, error, "the path of instance '%s' is too long", name);
	/* an existing directory may be purged at any moment */
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

/* Opens the directory of an existing instance. Returns an O_PATH descriptor. */
static int open_directory(const struct instance *instance, int base_fd, char error[INSTANCE_ERROR_MAX])
{
	return open_private(base_fd, instance->name, instance->directory, 0, error);
}

static int reach_directory(const struct instance *instance, char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int base_fd = -1;
	char base[PATH_MAX];
	int result = base_directory(instance->privileged, base, sizeof(base));

	if (result < 0)
		return fail(result, error, "the path of instance '%s' is too long", instance->name);
	base_fd = open_base(instance, base, false, error);
	return base_fd < 0 ? base_fd : open_directory(instance, base_fd, error);
}

/* Mounts the store's tmpfs on its directory `fd`, or changes the limits of an existing one. */
static int mount_default_store(struct instance *instance, const struct config_store *root, int fd,
			       char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int made = -1;
	int result;

	if (is_mount_root(fd))
		return tmpfs_change(fd, root, error);
	instance->made = true;
	made = tmpfs_make(root, DEFAULT_STORE_MODE, error);
	if (made < 0)
		return made;
	result = mount_attach(made, fd);
	return result < 0 ? fail_errno(-result, error, "mounting the store", instance->store) : 0;
}

/*
 * Opens or creates the directory of the store, which is ours; the root of the tmpfs mounted on it belongs to
 * the configured owner. Returns an O_PATH descriptor.
 */
static int make_store(const struct instance *instance, int directory_fd, char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int fd = -1;

	if (instance->privileged)
		fd = openat(directory_fd, STORE_NAME, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && is_mount_root(fd))
		return take_fd(&fd);
	return open_private(directory_fd, STORE_NAME, instance->store, 0700, error);
}

int instance_open_store(struct instance *instance, const struct config_store *root,
			char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int directory_fd = reach_directory(instance, error);
	_cleanup_close_ int store_fd = -1;
	_cleanup_close_ int fd = -1;
	int result = 0;

	if (directory_fd < 0)
		return directory_fd;
	store_fd = make_store(instance, directory_fd, error);
	if (store_fd < 0)
		return store_fd;
	if (instance->privileged)
		result = mount_default_store(instance, root, store_fd, error);
	if (result < 0)
		return result;
	/* reopen: store_fd refers to the directory below the new mount */
	fd = openat(directory_fd, STORE_NAME, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail_errno(errno, error, "the store", instance->store);
	result = apply_mode_and_owner(fd, root);
	if (result < 0)
		return fail_errno(-result, error, "mode and owner of the store", instance->store);
	return take_fd(&fd);
}

static int remove_all(const struct instance *instance, int base_fd, int directory_fd,
		      char error[INSTANCE_ERROR_MAX])
{
	int result = instance->privileged ? unmount_all(directory_fd) : 0;

	if (result < 0)
		return fail_errno(-result, error, "unmounting what is below", instance->directory);
	result = remove_tree(base_fd, instance->name);
	return result < 0 ? fail_errno(-result, error, "removing", instance->directory) : 0;
}

void instance_write_holder(const struct instance *instance, const char *mount_point, dev_t device)
{
	if (ftruncate(instance->lock_fd, 0) == 0 && lseek(instance->lock_fd, 0, SEEK_SET) == 0)
		dprintf(instance->lock_fd, "%d %s\n%u:%u", getpid(), mount_point, major(device),
			minor(device));
}

/* Undoes a failed start. */
static void undo(const struct instance *instance)
{
	_cleanup_close_ int base_fd = -1;
	_cleanup_close_ int directory_fd = -1;
	char ignored[INSTANCE_ERROR_MAX];
	char base[PATH_MAX];

	if (base_directory(instance->privileged, base, sizeof(base)) < 0)
		return;
	base_fd = open_base(instance, base, false, ignored);
	if (base_fd < 0)
		return;
	directory_fd = open_directory(instance, base_fd, ignored);
	if (directory_fd >= 0)
		remove_all(instance, base_fd, directory_fd, ignored);
}

void instance_close(struct instance *instance, bool failed)
{
	if (failed && instance->made)
		undo(instance);
	cleanup_close(&instance->lock_fd);
	instance->lock_fd = -1;
}

static int purge_in(struct instance *instance, int base_fd, char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int fd = open_directory(instance, base_fd, error);
	int result;

	if (fd < 0)
		return fd;
	result = take_lock(instance, fd, error);
	if (result == 0)
		result = remove_all(instance, base_fd, fd, error);
	cleanup_close(&instance->lock_fd);
	instance->lock_fd = -1;
	return result;
}

int instance_purge(const char *name, bool privileged, char error[INSTANCE_ERROR_MAX])
{
	_cleanup_close_ int base_fd = -1;
	struct instance instance;
	char base[PATH_MAX];
	int result;

	result = set_paths(&instance, name, privileged, base);
	if (result < 0)
		return fail(result, error, "the path of instance '%s' is too long", name);
	base_fd = open_base(&instance, base, false, error);
	result = base_fd < 0 ? base_fd : purge_in(&instance, base_fd, error);
	if (result == -ENOENT)
		return fail(-ENOENT, error, "there is no instance '%s': %s does not exist", name,
			    instance.directory);
	/* succeeds with the last instance only */
	if (result == 0)
		rmdir(base);
	return result;
}
