// SPDX-License-Identifier: MIT
#include "fs/setup/segment.h"
#include "fs/segment/lifetime.h"
#include "fs/segment/policy.h"
#include "fs/setup/adopt.h"
#include "fs/setup/application.h"
#include "fs/setup/place.h"
#include "fs/setup/undo.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_PART (1024u * 1024u) /* bytes loaded at a time */

static int fail_segment(const struct application *application, const struct config_segment *segment,
			int result, const char *what)
{
	return apply_fail(application, result, segment->line, "segment '%s': %s: %s", segment->name, what,
			  strerror(-result));
}

static struct claim claim_of_segment(const struct config_segment *segment)
{
	return (struct claim){"segment", segment->name, segment->line, segment->has_owner, segment->owner};
}

static int open_load(const struct application *application, const struct config_segment *segment,
		     off_t *length)
{
	_cleanup_close_ int fd = open(segment->load, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return apply_fail(application, -errno, segment->line, "segment '%s': load = %s: %s",
				  segment->name, segment->load, strerror(errno));
	if (!S_ISREG(stat.st_mode))
		return apply_fail(application, -EINVAL, segment->line,
				  "segment '%s': load = %s is not a regular file; name a regular file",
				  segment->name, segment->load);
	if (segment->has_size && (uint64_t)stat.st_size > segment->size)
		return apply_fail(
			application, -EFBIG, segment->line,
			"segment '%s': load = %s has %lld bytes, more than size = %llu; increase 'size'",
			segment->name, segment->load, (long long)stat.st_size,
			(unsigned long long)segment->size);
	*length = stat.st_size;
	return take_fd(&fd);
}

static int copy_bytes(int from, int to)
{
	for (;;) {
		ssize_t copied = copy_file_range(from, NULL, to, NULL, COPY_PART, 0);

		/* unsupported between these file systems; copy by read and write */
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

/* Sets size and reserves memory; never shrinks a segment. */
static int set_size(const struct application *application, const struct config_segment *segment,
		    const struct policy *policy, int fd, off_t present)
{
	off_t size = (off_t)segment->size;

	if (!segment->has_size)
		size = present;
	if (size < present) {
		log_notice("%s:%u: segment '%s' keeps its %lld bytes; truncate it to shrink it",
			   application->file, segment->line, segment->name, (long long)present);
		size = present;
	}
	if (size > present && present > 0 && policy->fixed_size) {
		log_notice("%s:%u: segment '%s' keeps its %lld bytes, since its size is fixed",
			   application->file, segment->line, segment->name, (long long)present);
		size = present;
	}
	if (size > present && ftruncate(fd, size) < 0)
		return fail_segment(application, segment, -errno, "setting its size");
	if (policy->commit && size > 0 && fallocate(fd, 0, 0, size) < 0)
		return fail_segment(application, segment, -errno, "reserving its memory");
	return 0;
}

/* For a new segment, which always has a mode. */
static int set_owner_and_mode(const struct application *application, const struct config_segment *segment,
			      int fd)
{
	if (segment->has_owner && fchown(fd, segment->owner, segment->group) < 0)
		return fail_segment(application, segment, -errno, "setting its owner");
	if (fchmod(fd, segment->mode) < 0)
		return fail_segment(application, segment, -errno, "setting its mode");
	return 0;
}

/* Starts watching the lifetime of a new segment. */
static void watch(const struct application *application, int fd)
{
	uint64_t id;

	if (apply_reference(application, fd, &id) < 0)
		return;
	policy_word(application->state, node_get(application->state, id));
	lifetime_changed(id);
	apply_forget(application, id);
}

/*
 * Combines the default policy of an existing parent directory with the configured one. `owner` cannot be
 * inherited, since no process creates the segment.
 */
static int new_policy(const struct application *application, const struct config_segment *segment,
		      const struct place *place, int fd, struct policy *policy)
{
	int result = 0;

	*policy = (struct policy){0};
	if (!*place->rest)
		result = apply_read_policy(application, place->fd, policy);
	if (policy->lifetime == LIFETIME_OWNER)
		policy->lifetime = LIFETIME_PERSISTENT;
	return result < 0 ? result : apply_store_policy(application, fd, policy, &segment->policy);
}

static int load_bytes(const struct application *application, const struct config_segment *segment, int fd,
		      off_t *length)
{
	_cleanup_close_ int load = open_load(application, segment, length);
	int result = load < 0 ? load : copy_bytes(load, fd);

	return load >= 0 && result < 0 ? fail_segment(application, segment, result, "loading its bytes")
				       : result;
}

/* Links the file; missing directories are created only now. */
static int give_name(const struct application *application, const struct config_segment *segment,
		     struct place *place, int fd, const char *name)
{
	const struct claim claim = claim_of_segment(segment);
	_cleanup_close_ int dir_fd = place_create(application, &claim, place, APPLY_DIRECTORY_MODE);
	char path[PROCFS_FD_MAX];
	int result;

	if (dir_fd < 0)
		return dir_fd;
	procfs_fd_path(path, fd);
	if (linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	result = -errno;
	place_remove(place);
	return fail_segment(application, segment, result, "giving it its name");
}

/* The file has no name until it is complete, so that nobody sees it half-made. */
static int make_segment(const struct application *application, const struct config_segment *segment,
			struct place *place, const char *name)
{
	_cleanup_close_ int fd = openat(place->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct policy policy;
	off_t length = 0;
	int result;

	if (fd < 0)
		return fail_segment(application, segment, -errno, "creating it");
	result = new_policy(application, segment, place, fd, &policy);
	if (result < 0)
		return fail_segment(application, segment, result, "its policy");
	if (segment->load)
		result = load_bytes(application, segment, fd, &length);
	if (result == 0)
		result = set_size(application, segment, &policy, fd, length);
	if (result == 0)
		result = set_owner_and_mode(application, segment, fd);
	if (result < 0)
		return result;
	adopt_mark(application, fd, segment->name);
	result = give_name(application, segment, place, fd, name);
	if (result == 0 && policy.lifetime != LIFETIME_PERSISTENT)
		watch(application, fd);
	return result;
}

/* Reserving memory is most likely to fail, so it comes before any visible change. */
static int reserve(const struct config_segment *segment, const struct policy *policy, int fd)
{
	if (!policy->commit || !segment->has_size)
		return 0;
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)segment->size) < 0 ? -errno : 0;
}

/* Before any visible change: what may be refused for want of memory. undo: receives the file as it is. */
static int prepare_change(const struct application *application, const struct config_segment *segment,
			  int found, struct undo *undo)
{
	_cleanup_close_ int fd = procfs_fd_open(found, O_RDWR | O_NONBLOCK);
	struct policy policy;
	int result;

	if (fd < 0)
		return fail_segment(application, segment, fd, "opening the existing one");
	result = undo_note(application, fd, undo);
	policy = undo->policy;
	apply_merge_policy(&policy, &segment->policy);
	if (result == 0)
		result = reserve(segment, &policy, fd);
	return result < 0 ? fail_segment(application, segment, result, "reserving its memory") : 0;
}

static int change_policy(const struct application *application, const struct config_segment *segment,
			 int found)
{
	int result = apply_policy(application, found, &segment->policy);

	if (result == -EBUSY)
		return apply_fail(
			application, result, segment->line,
			"segment '%s': it is open in a mode that its new policy excludes; close it first",
			segment->name);
	return result < 0 ? fail_segment(application, segment, result, "its policy") : 0;
}

static int change_size(const struct application *application, const struct config_segment *segment, int found,
		       const struct undo *undo)
{
	_cleanup_close_ int fd = procfs_fd_open(found, O_RDWR | O_NONBLOCK);
	struct policy policy = undo->policy;

	if (fd < 0)
		return fail_segment(application, segment, fd, "opening the existing one");
	apply_merge_policy(&policy, &segment->policy);
	return set_size(application, segment, &policy, fd, undo->stat.st_size);
}

/*
 * found: O_PATH descriptor of the file, which is checked and changed whatever happens to its name. No
 * descriptor of ours is open for writing while it changes hands: it would conflict.
 */
static int adjust_segment(const struct application *application, const struct config_segment *segment,
			  int found)
{
	struct adoption adoption;
	struct undo undo = {0};
	int result = adopt_segment(application, segment, found, &adoption);

	if (result == 0)
		result = prepare_change(application, segment, found, &undo);
	if (result == 0)
		result = change_policy(application, segment, found);
	if (result < 0)
		return result;
	result = adopt_finish(application, segment, found, &adoption);
	/* last, since it cannot be undone */
	if (result == 0)
		result = change_size(application, segment, found, &undo);
	if (result == 0)
		adopt_mark(application, found, segment->name);
	else
		undo_change(application, found, &undo, &segment->policy);
	apply_notify(application, found);
	return result;
}

int apply_segment(const struct application *application, const struct config_segment *segment)
{
	const struct claim claim = claim_of_segment(segment);
	const char *slash = strrchr(segment->name, '/');
	const char *name = slash ? slash + 1 : segment->name;
	_cleanup_close_ int fd = -1;
	char parent[PATH_MAX];
	struct place place;
	int result;

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - segment->name) : 0, segment->name);
	result = place_find(application, &claim, parent, &place);
	if (result < 0)
		return result;
	if (!*place.rest)
		fd = openat(place.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		result = adjust_segment(application, segment, fd);
	else if (*place.rest || errno == ENOENT)
		result = make_segment(application, segment, &place, name);
	else
		result = fail_segment(application, segment, -errno, "opening the existing one");
	place_close(&place);
	return result;
}
