// SPDX-License-Identifier: MIT
#include "fs/apply_internal.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_PART (1024u * 1024u) /* bytes loaded at a time */

static int fail_segment(const struct application *application, const struct config_segment *segment, int result,
			const char *what)
{
	return apply_fail(application, result, segment->line, "segment '%s': %s: %s", segment->name, what,
			  strerror(-result));
}

static int open_load(const struct application *application, const struct config_segment *segment, off_t *length)
{
	_cleanup_close_ int fd = open(segment->load, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return apply_fail(application, -errno, segment->line, "segment '%s': load = %s: %s", segment->name,
				  segment->load, strerror(errno));
	if (!S_ISREG(stat.st_mode))
		return apply_fail(application, -EINVAL, segment->line,
				  "segment '%s': load = %s is not a regular file; name one", segment->name,
				  segment->load);
	if (segment->has_size && (uint64_t)stat.st_size > segment->size)
		return apply_fail(application, -EFBIG, segment->line,
				  "segment '%s': load = %s has %lld bytes, more than size = %llu; make 'size' larger",
				  segment->name, segment->load, (long long)stat.st_size,
				  (unsigned long long)segment->size);
	*length = stat.st_size;
	return take_fd(&fd);
}

static int copy_bytes(int from, int to)
{
	for (;;) {
		ssize_t copied = copy_file_range(from, NULL, to, NULL, COPY_PART, 0);

		/* between file systems that can't do it, the kernel's other way */
		if (copied < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL))
			break;
		if (copied <= 0)
			return copied < 0 ? -errno : 0;
	}
	for (;;) {
		char part[16384];
		ssize_t length = read(from, part, sizeof(part));

		if (length <= 0)
			return length < 0 ? -errno : 0;
		for (ssize_t at = 0; at < length;) {
			ssize_t written = write(to, part + at, (size_t)(length - at));

			if (written < 0)
				return -errno;
			at += written;
		}
	}
}

/* Size and memory; a segment never gets smaller. */
static int set_size(const struct application *application, const struct config_segment *segment, int fd, off_t present)
{
	off_t size = (off_t)segment->size;

	if (!segment->has_size)
		size = present;
	if (size < present) {
		log_notice("%s:%u: segment '%s' has %lld bytes and stays so; truncate it to make it smaller",
			   application->file, segment->line, segment->name, (long long)present);
		size = present;
	}
	if (size > present && ftruncate(fd, size) < 0)
		return fail_segment(application, segment, -errno, "setting its size");
	if (segment->commit && size > 0 && fallocate(fd, 0, 0, size) < 0)
		return fail_segment(application, segment, -errno, "reserving its memory");
	return 0;
}

static int set_owner_and_mode(const struct application *application, const struct config_segment *segment, int fd,
			      bool is_new)
{
	if (segment->has_owner && fchown(fd, segment->owner, segment->group) < 0)
		return fail_segment(application, segment, -errno, "setting its owner");
	if ((segment->has_mode || is_new) && fchmod(fd, segment->mode) < 0)
		return fail_segment(application, segment, -errno, "setting its mode");
	return 0;
}

/* Without a name until it is all that the configuration says, so that nobody sees it half made. */
static int make_segment(const struct application *application, const struct config_segment *segment, int dir_fd,
			const char *name)
{
	_cleanup_close_ int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_close_ int load = -1;
	char path[32];
	off_t length = 0;
	int result = 0;

	if (fd < 0)
		return fail_segment(application, segment, -errno, "making it");
	if (segment->load) {
		load = open_load(application, segment, &length);
		if (load < 0)
			return load;
		result = copy_bytes(load, fd);
		if (result < 0)
			return fail_segment(application, segment, result, "loading its bytes");
	}
	result = set_size(application, segment, fd, length);
	if (result == 0)
		result = set_owner_and_mode(application, segment, fd, true);
	if (result < 0)
		return result;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
		return fail_segment(application, segment, -errno, "giving it its name");
	return 0;
}

static int adjust_segment(const struct application *application, const struct config_segment *segment, int fd)
{
	struct stat stat;
	int result;

	if (fstat(fd, &stat) < 0)
		return fail_segment(application, segment, -errno, "its attributes");
	if (!S_ISREG(stat.st_mode))
		return apply_fail(application, -EEXIST, segment->line,
				  "segment '%s': something else than a regular file has this name; remove that",
				  segment->name);
	result = set_size(application, segment, fd, stat.st_size);
	return result < 0 ? result : set_owner_and_mode(application, segment, fd, false);
}

int apply_segment(const struct application *application, const struct config_segment *segment)
{
	const char *slash = strrchr(segment->name, '/');
	const char *name = slash ? slash + 1 : segment->name;
	_cleanup_close_ int dir_fd = -1;
	_cleanup_close_ int fd = -1;
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - segment->name) : 0, segment->name);
	dir_fd = open_directory_path(application, parent);
	if (dir_fd < 0)
		return fail_segment(application, segment, dir_fd, "its directory");
	/* O_NONBLOCK: it may be a fifo of somebody's */
	fd = openat(dir_fd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return make_segment(application, segment, dir_fd, name);
	if (fd < 0)
		return fail_segment(application, segment, -errno, "opening the one that exists");
	return adjust_segment(application, segment, fd);
}
