// SPDX-License-Identifier: MIT
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/client/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 100 /* to open or create a name that others create and remove all the time */

/* --- opening --- */

/* A fifo or a device is opened without waiting, found out, and closed again. */
static int open_path(const char *path, bool writable, uint64_t *size)
{
	_cleanup_close_ int fd =
		open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct statx found;

	if (fd < 0)
		return -errno;
	/* what a file is never changes: no file system need be asked for that again */
	if (statx(fd, "", AT_EMPTY_PATH | (size ? 0 : AT_STATX_DONT_SYNC),
		  STATX_TYPE | (size ? STATX_SIZE : 0), &found) < 0)
		return -errno;
	if (!S_ISREG(found.stx_mode))
		return S_ISDIR(found.stx_mode) ? -EISDIR : -ENXIO;
	if (size)
		*size = found.stx_size;
	/* otherwise reads and writes would not wait for mandatory locks */
	if (fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	return take_fd(&fd);
}

int segfs_open(const char *name, unsigned int flags, uint64_t size, struct segfs_segment **segment)
{
	_cleanup_close_ int fd = -1;
	const bool asks_size = flags & (SEGFS_SIZE_EXACT | SEGFS_SIZE_AT_LEAST);
	struct segfs_segment *made;
	uint64_t found = 0;
	char path[PATH_MAX];
	int result;

	if (flags & ~(SEGFS_WRITE | SEGFS_SIZE_EXACT | SEGFS_SIZE_AT_LEAST) ||
	    (flags & SEGFS_SIZE_EXACT && flags & SEGFS_SIZE_AT_LEAST))
		return -EINVAL;
	result = name_resolve(name, false, path);
	if (result < 0)
		return result;
	fd = open_path(path, flags & SEGFS_WRITE, asks_size ? &found : NULL);
	if (fd < 0)
		return fd;
	if ((flags & SEGFS_SIZE_EXACT && found != size) || (flags & SEGFS_SIZE_AT_LEAST && found < size))
		return -ERANGE;
	made = malloc(sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = (struct segfs_segment){.fd = take_fd(&fd), .writable = flags & SEGFS_WRITE};
	*segment = made;
	return 0;
}

/* --- creating --- */

static int check_creation(const struct segfs_creation *creation)
{
	if (creation->mode & ~07777u || creation->flags & ~SEGFS_OPEN_EXISTING)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(creation->reserved) / sizeof(creation->reserved[0]); i++)
		if (creation->reserved[i])
			return -EINVAL;
	return creation->size > INT64_MAX ? -EFBIG : 0;
}

/* Those that apply to the growth come first, the others when the size is set. */
static int set_attributes(int fd, const struct segfs_creation *creation, bool of_growth)
{
	int result = 0;

	for (uint32_t i = 0; i < creation->n_attributes && result == 0; i++) {
		const struct segfs_attribute *attribute = &creation->attributes[i];

		if (attribute->name && (strcmp(attribute->name, "commit") == 0) == of_growth)
			result = attribute_set(fd, attribute->name, attribute->value);
		else if (!attribute->name)
			result = -EINVAL;
	}
	return result;
}

/* What is to be created, and whether it cannot be, wherever and however its file is made. */
struct making {
	const struct segfs_creation *creation;
	const struct segment_filling *filling; /* NULL = zeroes */
	bool is_refused;
};

/* Makes the file what the segment is to be. */
static int complete(int fd, struct making *making)
{
	const struct segfs_creation *creation = making->creation;
	int result = set_attributes(fd, creation, true);

	if (result == 0 && ftruncate(fd, (off_t)creation->size) < 0)
		result = -errno;
	if (result == 0 && making->filling)
		result = making->filling->fill(fd, making->filling->context);
	/* a write or another owner would clear set-id bits */
	if (result == 0 && fchmod(fd, creation->mode) < 0)
		result = -errno;
	if (result == 0)
		result = set_attributes(fd, creation, false);
	making->is_refused = result < 0;
	return result;
}

/* A file without a name gets one. Returns its descriptor; -EEXIST. */
static int create_unnamed(const char *directory, const char *path, struct making *making)
{
	_cleanup_close_ int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char self[PROCFS_FD_MAX];
	int result;

	if (fd < 0)
		return -errno;
	result = complete(fd, making);
	if (result < 0)
		return result;
	procfs_fd_path(self, fd);
	if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	return take_fd(&fd);
}

/* A file with a hidden name gets its own. */
static int create_hidden(const char *directory, const char *path, struct making *making)
{
	_cleanup_close_ int fd = -1;
	char hidden[PATH_MAX];
	uint64_t number;
	int result;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EAGAIN;
	if (snprintf(hidden, sizeof(hidden), "%s/.segfs-%016llx", directory, (unsigned long long)number) >=
	    (int)sizeof(hidden))
		return -ENAMETOOLONG;
	fd = open(hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	result = complete(fd, making);
	if (result == 0 && renameat2(AT_FDCWD, hidden, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		result = -errno;
	if (result < 0) {
		unlink(hidden);
		return result;
	}
	return take_fd(&fd);
}

/* Where files have no other names: in sysv/. */
static int create_in_place(const char *path, struct making *making)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int result;

	if (fd < 0)
		return -errno;
	result = complete(fd, making);
	if (result < 0) {
		unlink(path);
		return result;
	}
	return take_fd(&fd);
}

/* Whether the file system cannot do it this way, so that another one is tried. */
static bool lacks(const struct making *making, int result)
{
	if (making->is_refused)
		return false;
	return result == -EOPNOTSUPP || result == -EISDIR || result == -EPERM || result == -EINVAL ||
	       result == -ENOSYS || result == -ENOENT || result == -EXDEV;
}

/* The errno of what is wrong whichever way is taken; 0. */
static int check_place(const char *path, const char *directory)
{
	struct stat found;

	if (lstat(path, &found) == 0)
		return -EEXIST;
	if (errno != ENOENT)
		return -errno;
	return stat(directory, &found) < 0 ? -errno : S_ISDIR(found.st_mode) ? 0 : -ENOTDIR;
}

/* Returns the descriptor of a new file; -EEXIST if the name exists. */
static int create_path(const char *path, struct making *making)
{
	char directory[PATH_MAX];
	char *slash;
	int result;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (!slash || !slash[1])
		return -EISDIR;
	/* the root directory is "/" */
	slash[slash == directory ? 1 : 0] = '\0';
	result = check_place(path, directory);
	if (result < 0)
		return result;
	result = create_unnamed(directory, path, making);
	if (result < 0 && lacks(making, result))
		result = create_hidden(directory, path, making);
	if (result < 0 && lacks(making, result))
		result = create_in_place(path, making);
	return result;
}

/* Whether a symbolic link that leads nowhere has the name. */
static bool is_dangling(const char *path)
{
	struct stat found;

	return lstat(path, &found) == 0 && S_ISLNK(found.st_mode) && stat(path, &found) < 0 &&
	       errno == ENOENT;
}

/* Opens or creates. Returns a descriptor; *existed tells which. */
static int obtain(const char *path, struct making *making, bool *existed)
{
	const bool may_exist = making->creation->flags & SEGFS_OPEN_EXISTING;

	for (int tries = 0; tries < TRIES; tries++) {
		int fd = may_exist ? open_path(path, true, NULL) : -ENOENT;

		*existed = fd != -ENOENT;
		if (fd == -ENOENT)
			fd = create_path(path, making);
		if (fd != -EEXIST || !may_exist || is_dangling(path))
			return fd;
	}
	return -EAGAIN;
}

int segment_create(const char *name, const struct segfs_creation *creation,
		   const struct segment_filling *filling, struct segfs_segment **segment)
{
	struct making making = {.creation = creation, .filling = filling};
	int result = check_creation(creation);
	struct segfs_segment *made;
	char path[PATH_MAX];
	bool existed;
	int fd;

	if (result == 0)
		result = name_resolve(name, false, path);
	if (result < 0)
		return result;
	made = malloc(sizeof(*made));
	if (!made)
		return -ENOMEM;
	fd = obtain(path, &making, &existed);
	if (fd < 0) {
		free(made);
		return fd;
	}
	*made = (struct segfs_segment){.fd = fd, .writable = true};
	*segment = made;
	return existed;
}

void segment_forget(const char *name, const struct segfs_segment *segment)
{
	struct stat made, found;
	char path[PATH_MAX];

	if (name_resolve(name, false, path) == 0 && fstat(segment->fd, &made) == 0 &&
	    lstat(path, &found) == 0 && found.st_dev == made.st_dev && found.st_ino == made.st_ino)
		unlink(path);
}

int segfs_create(const char *name, const struct segfs_creation *creation, struct segfs_segment **segment)
{
	return segment_create(name, creation, NULL, segment);
}

/* --- using --- */

void segfs_close(struct segfs_segment *segment)
{
	if (!segment)
		return;
	close(segment->fd);
	free(segment);
}

int segfs_fd(const struct segfs_segment *segment)
{
	return segment->fd;
}

int segfs_size(const struct segfs_segment *segment, uint64_t *size)
{
	struct stat found;

	if (fstat(segment->fd, &found) < 0)
		return -errno;
	*size = (uint64_t)found.st_size;
	return 0;
}

int segfs_resize(struct segfs_segment *segment, uint64_t size)
{
	if (!segment->writable)
		return -EBADF;
	if (size > INT64_MAX)
		return -EFBIG;
	return ftruncate(segment->fd, (off_t)size) < 0 ? -errno : 0;
}

int segfs_remove(const char *name)
{
	char path[PATH_MAX];
	int result = name_resolve(name, false, path);

	if (result < 0)
		return result;
	return unlink(path) < 0 ? -errno : 0;
}
