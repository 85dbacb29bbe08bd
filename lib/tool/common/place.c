// SPDX-License-Identifier: MIT
#include "lib/tool/common/place.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".part"
#define TRIES  10 /* to create a file that sweeping runs remove */

/* --- directories --- */

/*
 * Opens the deepest directory that there is of the first `length` bytes of a name, which end a component.
 * reached: receives how many of them that is.
 */
static int walk(int root_fd, const char *name, size_t length, size_t *reached)
{
	_cleanup_close_ int fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	*reached = 0;
	if (fd < 0)
		return -errno;
	for (size_t at = 0, n; at < length; at += n + 1) {
		char component[NAME_MAX + 1];
		int next;

		n = strcspn(name + at, "/");
		if (n > NAME_MAX)
			return -ENAMETOOLONG;
		snprintf(component, sizeof(component), "%.*s", (int)n, name + at);
		next = openat(fd, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return errno == ENOENT ? take_fd(&fd) : -errno;
		close(fd);
		fd = next;
		*reached = at + n;
	}
	return take_fd(&fd);
}

/* How much of a name is that of its directory. */
static size_t directory_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash ? (size_t)(slash - name) : 0;
}

int place_open_nearest(int root_fd, const char *name, size_t *length)
{
	return walk(root_fd, name, directory_of(name), length);
}

int place_open_part(int root_fd, const char *name, size_t length)
{
	size_t reached;
	_cleanup_close_ int fd = walk(root_fd, name, length, &reached);

	return fd < 0 || reached == length ? take_fd(&fd) : -ENOENT;
}

int place_open_directory(int root_fd, const char *name, const char **last)
{
	const char *slash = strrchr(name, '/');

	*last = slash ? slash + 1 : name;
	return place_open_part(root_fd, name, directory_of(name));
}

int place_open_file(int root_fd, const char *name, int flags)
{
	const char *last;
	_cleanup_close_ int dir_fd = place_open_directory(root_fd, name, &last);
	_cleanup_close_ int fd = -1;
	struct stat found;

	if (dir_fd < 0)
		return dir_fd;
	/* a fifo or a device is opened without waiting, found out, and closed again */
	fd = openat(dir_fd, last, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &found) < 0)
		return -errno;
	if (!S_ISREG(found.st_mode))
		return S_ISDIR(found.st_mode) ? -EISDIR : -EINVAL;
	/* otherwise reads and writes would not wait for mandatory locks */
	if (fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	return take_fd(&fd);
}

/* --- hidden names --- */

static void hide(const char *name, char text[PLACE_TEMPORARY_MAX])
{
	snprintf(text, PLACE_TEMPORARY_MAX, PLACE_PREFIX "%016llx" SUFFIX,
		 (unsigned long long)checksum_text(name, strlen(name)));
}

bool place_is_hidden(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strncmp(slash ? slash + 1 : name, PLACE_PREFIX, strlen(PLACE_PREFIX)) == 0;
}

/* Whether a descriptor is that of a name still. */
static bool has_name(int dir_fd, const char *name, int fd)
{
	struct stat here, there;

	return fstat(fd, &here) == 0 && fstatat(dir_fd, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

/*
 * Opens one that a run has left, and takes it over. is_partial: whether it can be continued. A run that was
 * killed just before it gave a file its name has given that the owner and mode of the segment already.
 */
static int open_left(int dir_fd, const char *hidden, bool *is_partial)
{
	const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	_cleanup_close_ int fd = openat(dir_fd, hidden, flags | O_RDWR);
	const bool is_writable = fd >= 0;
	struct stat found;

	if (fd < 0 && errno == EACCES)
		fd = openat(dir_fd, hidden, flags | O_RDONLY);
	if (fd < 0 || fstat(fd, &found) < 0)
		return -errno;
	if (!S_ISREG(found.st_mode) || (found.st_uid != geteuid() && geteuid() != 0))
		return -EPERM;
	if (fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!has_name(dir_fd, hidden, fd))
		return -ENOENT;
	/* another user could change it while it is filled */
	*is_partial = is_writable && found.st_uid == geteuid();
	return take_fd(&fd);
}

static int create_new(int dir_fd, const char *hidden)
{
	_cleanup_close_ int fd =
		openat(dir_fd, hidden, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno != EWOULDBLOCK)
		return -errno;
	/* a run that sweeps may have been faster */
	return has_name(dir_fd, hidden, fd) ? take_fd(&fd) : -EAGAIN;
}

int place_create(int dir_fd, const char *name, bool resumes, bool *is_resumed)
{
	char hidden[PLACE_TEMPORARY_MAX];
	bool is_partial;
	int result = -EAGAIN;

	hide(name, hidden);
	*is_resumed = false;
	for (int i = 0; i < TRIES && (result == -EAGAIN || result == -ENOENT); i++) {
		result = create_new(dir_fd, hidden);
		if (result != -EEXIST)
			continue;
		result = open_left(dir_fd, hidden, &is_partial);
		if (result >= 0 && resumes && is_partial) {
			*is_resumed = true;
		} else if (result >= 0) {
			unlinkat(dir_fd, hidden, 0);
			close(result);
			result = -EAGAIN;
		}
	}
	return result;
}

void place_remove(int dir_fd, const char *name)
{
	char hidden[PLACE_TEMPORARY_MAX];

	hide(name, hidden);
	unlinkat(dir_fd, hidden, 0);
}

int place_publish(int dir_fd, const char *name, int to_fd, const char *last, bool replaces)
{
	char hidden[PLACE_TEMPORARY_MAX];

	hide(name, hidden);
	if (renameat2(dir_fd, hidden, to_fd, last, replaces ? 0 : RENAME_NOREPLACE) == 0)
		return 0;
	if (replaces || errno != EINVAL)
		return -errno;
	/* a file system without that flag */
	if (linkat(dir_fd, hidden, to_fd, last, 0) < 0)
		return -errno;
	unlinkat(dir_fd, hidden, 0);
	return 0;
}

/* Removes a file that a run has left; one on which another run works stays. */
static void discard(int dir_fd, const char *hidden)
{
	bool is_partial;
	const int left = open_left(dir_fd, hidden, &is_partial);

	if (left < 0)
		return;
	unlinkat(dir_fd, hidden, 0);
	close(left);
}

bool place_has_left(int dir_fd, const char *name)
{
	char hidden[PLACE_TEMPORARY_MAX];
	struct stat found;

	hide(name, hidden);
	return fstatat(dir_fd, hidden, &found, AT_SYMLINK_NOFOLLOW) == 0;
}

void place_discard(int dir_fd, const char *name)
{
	char hidden[PLACE_TEMPORARY_MAX];

	hide(name, hidden);
	discard(dir_fd, hidden);
}

struct directory {
	dev_t dev;
	ino_t ino;
};

static int compare_directories(const void *a, const void *b)
{
	const struct directory *one = a;
	const struct directory *other = b;

	if (one->dev != other->dev)
		return one->dev < other->dev ? -1 : 1;
	return one->ino < other->ino ? -1 : one->ino > other->ino;
}

/* Whether a directory was swept; it is from now on. */
static bool was_swept(int dir_fd, struct place_swept *swept)
{
	struct directory *directory = malloc(sizeof(*directory));
	struct directory *const *known;
	struct stat found;

	if (!directory || fstat(dir_fd, &found) < 0) {
		free(directory);
		return false;
	}
	*directory = (struct directory){.dev = found.st_dev, .ino = found.st_ino};
	known = tsearch(directory, &swept->tree, compare_directories);
	if (known && *known == directory)
		return false;
	free(directory);
	return known;
}

void place_swept_free(struct place_swept *swept)
{
	tdestroy(swept->tree, free);
	swept->tree = NULL;
}

/* Looks at all names of a directory. */
static void sweep(int dir_fd)
{
	const int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		const size_t length = strlen(entry->d_name);

		if (strncmp(entry->d_name, PLACE_PREFIX, strlen(PLACE_PREFIX)) != 0 ||
		    length < strlen(SUFFIX) || strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) != 0)
			continue;
		discard(dir_fd, entry->d_name);
	}
}

void place_sweep(int dir_fd, struct place_swept *swept)
{
	if (!was_swept(dir_fd, swept))
		sweep(dir_fd);
}
