// SPDX-License-Identifier: MIT
#include "fs/apply_internal.h"
#include "fs/ops/lifetime.h"
#include "fs/ops/policy.h"
#include "fs/source/source.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

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
static int set_size(const struct application *application, const struct config_segment *segment,
		    const struct policy *policy, int fd, off_t present)
{
	off_t size = (off_t)segment->size;

	if (!segment->has_size)
		size = present;
	if (size < present) {
		log_notice("%s:%u: segment '%s' has %lld bytes and stays so; truncate it to make it smaller",
			   application->file, segment->line, segment->name, (long long)present);
		size = present;
	}
	if (size > present && present > 0 && policy->fixed_size) {
		log_notice("%s:%u: segment '%s' has %lld bytes, which is fixed, and stays so", application->file,
			   segment->line, segment->name, (long long)present);
		size = present;
	}
	if (size > present && ftruncate(fd, size) < 0)
		return fail_segment(application, segment, -errno, "setting its size");
	if (policy->commit && size > 0 && fallocate(fd, 0, 0, size) < 0)
		return fail_segment(application, segment, -errno, "reserving its memory");
	return 0;
}

/* The policy that a file or directory has, by what is stored with it. */
static int read_policy(const struct application *application, int fd, struct policy *policy)
{
	char text[POLICY_TEXT_MAX];
	ssize_t length = fgetxattr(fd, source_policy_attribute(application->state), text, sizeof(text));

	*policy = (struct policy){0};
	if (length < 0)
		return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
	policy_load(policy, text, (size_t)length);
	return 0;
}

/* The default of its directory, and what the configuration says. No process has made it. */
static int new_policy(const struct application *application, const struct config_segment *segment, int dir_fd,
		      struct policy *policy)
{
	int result = read_policy(application, dir_fd, policy);

	if (policy->lifetime == LIFETIME_OWNER)
		policy->lifetime = LIFETIME_PERSISTENT;
	for (int field = 0; field < POLICY_FIELDS; field++)
		if (segment->policy.given[field])
			policy_copy(policy, (enum policy_field)field, &segment->policy.policy);
	return result;
}

static int store_policy(const struct application *application, int fd, const struct policy *policy)
{
	char text[POLICY_TEXT_MAX];
	int length = policy_store(policy, text);

	if (length == 0)
		return 0;
	return fsetxattr(fd, source_policy_attribute(application->state), text, (size_t)length, 0) < 0 ? -errno : 0;
}

/* Of a new one, which has a mode in any case. */
static int set_owner_and_mode(const struct application *application, const struct config_segment *segment, int fd)
{
	if (segment->has_owner && fchown(fd, segment->owner, segment->group) < 0)
		return fail_segment(application, segment, -errno, "setting its owner");
	if (fchmod(fd, segment->mode) < 0)
		return fail_segment(application, segment, -errno, "setting its mode");
	return 0;
}

/* Has the end of a segment watched over that is new. */
static void watch(const struct application *application, int fd)
{
	uint64_t id;

	if (apply_reference(application, fd, &id) < 0)
		return;
	policy_word(application->state, node_get(application->state, id));
	lifetime_changed(id);
	apply_forget(application, id);
}

/* Without a name until it is all that the configuration says, so that nobody sees it half made. */
static int make_segment(const struct application *application, const struct config_segment *segment, int dir_fd,
			const char *name)
{
	_cleanup_close_ int fd = openat(dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_close_ int load = -1;
	struct policy policy;
	char path[PROCFS_FD_MAX];
	off_t length = 0;
	int result;

	if (fd < 0)
		return fail_segment(application, segment, -errno, "making it");
	result = new_policy(application, segment, dir_fd, &policy);
	if (result == 0)
		result = store_policy(application, fd, &policy);
	if (result < 0)
		return fail_segment(application, segment, result, "its policy");
	if (segment->load) {
		load = open_load(application, segment, &length);
		if (load < 0)
			return load;
		result = copy_bytes(load, fd);
		if (result < 0)
			return fail_segment(application, segment, result, "loading its bytes");
	}
	result = set_size(application, segment, &policy, fd, length);
	if (result == 0)
		result = set_owner_and_mode(application, segment, fd);
	if (result < 0)
		return result;
	adopt_mark(application, fd, segment->name);
	procfs_fd_path(path, fd);
	if (linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0)
		return fail_segment(application, segment, -errno, "giving it its name");
	if (policy.lifetime != LIFETIME_PERSISTENT)
		watch(application, fd);
	return 0;
}

/* found: an O_PATH descriptor of the file, which is the one that is looked at and changed, whatever becomes of its name. */
static int adjust_segment(const struct application *application, const struct config_segment *segment, int found)
{
	_cleanup_close_ int fd = -1;
	struct policy policy = {0};
	struct adoption adoption;
	int result = adopt_segment(application, segment, found, &adoption);

	if (result < 0)
		return result;
	fd = procfs_fd_open(found, O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return fail_segment(application, segment, fd, "opening the one that exists");
	result = apply_policy(application, fd, &segment->policy);
	if (result == -EBUSY)
		return apply_fail(application, result, segment->line,
				  "segment '%s': it is open in a way that its new policy does not allow; close it first",
				  segment->name);
	if (result == 0)
		result = read_policy(application, fd, &policy);
	if (result < 0)
		return fail_segment(application, segment, result, "its policy");
	result = set_size(application, segment, &policy, fd, adoption.stat.st_size);
	if (result < 0)
		return result;
	/* else it would be open for writing by ourselves */
	cleanup_close(&fd);
	fd = -1;
	result = adopt_finish(application, segment, found, &adoption);
	if (result < 0)
		return result;
	adopt_mark(application, found, segment->name);
	apply_tell(application, found);
	return 0;
}

int apply_segment(const struct application *application, const struct config_segment *segment)
{
	const struct claim claim = {"segment", segment->name, segment->line, segment->has_owner, segment->owner};
	const char *slash = strrchr(segment->name, '/');
	const char *name = slash ? slash + 1 : segment->name;
	_cleanup_close_ int dir_fd = -1;
	_cleanup_close_ int fd = -1;
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - segment->name) : 0, segment->name);
	dir_fd = open_directory_path(application, &claim, parent);
	if (dir_fd < 0)
		return dir_fd;
	fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return make_segment(application, segment, dir_fd, name);
	if (fd < 0)
		return fail_segment(application, segment, -errno, "opening the one that exists");
	return adjust_segment(application, segment, fd);
}
