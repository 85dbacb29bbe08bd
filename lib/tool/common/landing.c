// SPDX-License-Identifier: MIT
#include "lib/tool/common/landing.h"
#include "lib/base/cleanup.h"
#include "lib/client/internal.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/filelock.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- beginning --- */

static bool has_source(int dir_fd, const char *source)
{
	char value[32];

	return attribute_get(dir_fd, "source", value, sizeof(value)) > 0 && strcmp(value, source) == 0;
}

/* A name that sysv/ can create: that of a key. */
static bool is_key(const char *name)
{
	return strlen(name) == 10 && strncmp(name, "0x", 2) == 0 && strspn(name + 2, "0123456789abcdef") == 8;
}

static int make_memory(void)
{
	const int fd = memfd_create("segctl-load", MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * A run that began before the directory of a segment was created has its file further up. dir_fd: of the
 * directory; replaced by the one that has the file, if that is to be continued. Otherwise it is removed.
 */
static void look_above(const struct tool *tool, const struct landing_style *style, struct landing *landing,
		       int *dir_fd)
{
	size_t above = landing->above;

	while (above > 0 && !(style->resume && place_has_left(*dir_fd, landing->name))) {
		int fd;

		while (above > 0 && landing->name[--above] != '/')
			;
		fd = place_open_part(tool->mount_fd, landing->name, above);
		if (fd < 0)
			return;
		if (!style->resume)
			place_discard(fd, landing->name);
		else if (place_has_left(fd, landing->name)) {
			close(*dir_fd);
			*dir_fd = take_fd(&fd);
			landing->above = above;
		}
		if (fd >= 0)
			close(fd);
	}
}

static int begin_hidden(const struct tool *tool, int *dir_fd, const struct landing_style *style,
			struct landing *landing)
{
	if (!style->resume)
		place_sweep(*dir_fd, style->swept);
	look_above(tool, style, landing, dir_fd);
	landing->fd = place_create(*dir_fd, landing->name, style->resume, &landing->is_resumed);
	if (landing->fd < 0)
		return landing->fd;
	/* what it has got from the directory could fix its size, or commit memory */
	return properties_clear(landing->fd);
}

int landing_begin(const struct tool *tool, const char *name, const struct landing_style *style,
		  bool needs_memory, struct landing *landing)
{
	_cleanup_close_ int dir_fd = -1;
	struct stat found;
	const char *last;
	bool exists;

	*landing = (struct landing){.fd = -1};
	snprintf(landing->name, sizeof(landing->name), "%s", name);
	dir_fd = place_open_nearest(tool->mount_fd, name, &landing->above);
	if (dir_fd < 0)
		return dir_fd;
	last = name + landing->above + (landing->above > 0);
	/* otherwise its directory does not exist */
	exists = !strchr(last, '/') && fstatat(dir_fd, last, &found, AT_SYMLINK_NOFOLLOW) == 0;
	if (exists && !S_ISREG(found.st_mode))
		return S_ISDIR(found.st_mode) ? -EISDIR : -EINVAL;
	if (has_source(dir_fd, "process") && !(exists && style->in_place))
		return -EROFS;
	if (exists && !style->replace && !style->in_place)
		return -EEXIST;
	landing->is_new = !exists;
	landing->is_written = (exists && style->in_place) || has_source(dir_fd, "sysv");
	if (!landing->is_written)
		return begin_hidden(tool, &dir_fd, style, landing);
	/* nothing can be renamed in sysv/ */
	if (exists && !style->in_place)
		return -EXDEV;
	if (!exists && !is_key(last))
		return -ENOTSUP;
	if (needs_memory)
		landing->fd = make_memory();
	return needs_memory && landing->fd < 0 ? landing->fd : 0;
}

/* --- what is left out --- */

/* Elsewhere policies are attributes without a meaning. */
static unsigned int flags_of(const struct tool *tool, const struct landing_style *style)
{
	return style->no_policy || !tool->is_segfs ? PROPERTIES_NO_POLICY : 0;
}

/* --- directories --- */

static int make_directory(int dir_fd, const char *component, const struct manifest_entry *entry,
			  unsigned int flags)
{
	const char *what;
	struct stat found;
	int fd, result = 0;

	if (mkdirat(dir_fd, component, entry ? 0700 : 0777) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (!entry)
		return 0;
	fd = openat(dir_fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* where others may rename, it could be one of theirs by now, which stays as it is */
	if (fstat(fd, &found) < 0)
		result = -errno;
	else if (found.st_uid == geteuid())
		result = properties_set(fd, &entry->properties, flags, &what);
	close(fd);
	return result;
}

static const struct manifest_entry *find_directory(const struct manifest *manifest, const char *name)
{
	size_t n;
	const size_t *found = manifest_find(manifest, name, &n);

	while (found && n > 0)
		if (manifest->entries[found[--n]].is_directory)
			return &manifest->entries[found[n]];
	return NULL;
}

int landing_make_directories(const struct tool *tool, const char *name, size_t skip,
			     const struct manifest *manifest, const struct landing_style *style)
{
	const unsigned int flags = flags_of(tool, style);
	int result = 0;

	for (const char *slash = strchr(name, '/'); slash && result == 0; slash = strchr(slash + 1, '/')) {
		const size_t length = (size_t)(slash - name);
		_cleanup_close_ int dir_fd = -1;
		const char *last;
		char directory[PATH_MAX];

		snprintf(directory, sizeof(directory), "%.*s", (int)length, name);
		dir_fd = place_open_directory(tool->mount_fd, directory, &last);
		if (dir_fd < 0)
			return dir_fd;
		result = make_directory(dir_fd, last,
					length > skip ? find_directory(manifest, directory + skip) : NULL,
					flags);
	}
	return result;
}

/* --- publishing --- */

/* Locks a segment that is to be replaced, if only against those who change it. */
static int lock_present(const struct tool *tool, const char *name, uint64_t timeout)
{
	bool exclusive = true;
	int fd = place_open_file(tool->mount_fd, name, O_RDWR);
	int result;

	if (fd == -EACCES || fd == -EBUSY || fd == -EPERM) {
		exclusive = false;
		fd = place_open_file(tool->mount_fd, name, O_RDONLY);
	}
	/* it cannot be locked by one who may not open it, but the directory may be his */
	if (fd < 0)
		return fd;
	result = filelock_take_all(fd, exclusive, timeout);
	if (result < 0)
		close(fd);
	return result < 0 ? result : fd;
}

static int publish_hidden(const struct tool *tool, struct landing *landing,
			  const struct manifest_entry *entry, const struct landing_style *style,
			  const char **what)
{
	const unsigned int flags = flags_of(tool, style) | PROPERTIES_NO_BRIEF;
	_cleanup_close_ int present = -1;
	_cleanup_close_ int from_fd = -1;
	_cleanup_close_ int to_fd = -1;
	const char *last;
	int result;

	if (style->replace) {
		present = lock_present(tool, landing->name, style->timeout);
		if (present == -EAGAIN)
			return present;
	}
	from_fd = place_open_part(tool->mount_fd, landing->name, landing->above);
	to_fd = place_open_directory(tool->mount_fd, landing->name, &last);
	if (from_fd < 0 || to_fd < 0)
		return from_fd < 0 ? from_fd : to_fd;
	/* a policy is refused while there is a lock */
	flock(landing->fd, LOCK_UN);
	result = properties_set(landing->fd, &entry->properties, flags, what);
	if (result < 0)
		return result;
	*what = NULL;
	result = place_publish(from_fd, landing->name, to_fd, last, style->replace);
	if (result == 0) {
		close(landing->fd);
		landing->fd = -1;
	}
	return result;
}

/* Writes the bytes into a segment that is there. */
static int overwrite(int fd, const struct manifest_entry *entry, int content, struct progress *progress)
{
	struct checksum checksum;
	const struct copying copying = {
		.from = content,
		.to = fd,
		.size = entry->checksum.size,
		.may_have_data = true,
		.checksum = &checksum,
		.progress = progress,
	};
	struct stat found;
	uint64_t first;
	bool is_target;
	int result = fstat(fd, &found) < 0 ? -errno : 0;

	if (result == 0 && (uint64_t)found.st_size != copying.size && ftruncate(fd, (off_t)copying.size) < 0)
		result = -errno;
	if (result < 0)
		return result;
	result = checksum_begin(&checksum);
	if (result == 0)
		result = copying_run(&copying, &is_target);
	if (result == 0 && !checksum_equals(&checksum, &entry->checksum, &first))
		result = -EBADMSG;
	checksum_free(&checksum);
	return result;
}

static int write_present(const struct tool *tool, const struct landing *landing,
			 const struct manifest_entry *entry, int content, const struct landing_style *style,
			 struct progress *progress)
{
	_cleanup_close_ int fd = place_open_file(tool->mount_fd, landing->name, O_RDWR);
	int result;

	if (fd < 0)
		return fd;
	result = filelock_take_all(fd, true, style->timeout);
	return result < 0 ? result : overwrite(fd, entry, content, progress);
}

/* A segment of System V has its name at once: until it is complete nobody else may open it. */
static int write_new(const struct tool *tool, const struct landing *landing,
		     const struct manifest_entry *entry, int content, struct progress *progress,
		     const char **what)
{
	struct properties properties = entry->properties;
	_cleanup_close_ int dir_fd = -1;
	_cleanup_close_ int fd = -1;
	const char *last;
	int result;

	dir_fd = place_open_directory(tool->mount_fd, landing->name, &last);
	if (dir_fd < 0)
		return dir_fd;
	fd = openat(dir_fd, last, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	result = ftruncate(fd, (off_t)entry->checksum.size) < 0 ? -errno : 0;
	if (result == 0)
		result = overwrite(fd, entry, content, progress);
	/* it has neither attributes nor times of its own */
	properties.n = 0;
	properties.mode &= 0777;
	if (result == 0)
		result = properties_set(fd, &properties, PROPERTIES_ONLY_FILES, what);
	if (result < 0)
		unlinkat(dir_fd, last, 0);
	else
		*what = NULL;
	return result;
}

int landing_publish(const struct tool *tool, struct landing *landing, const struct manifest_entry *entry,
		    int content, const struct landing_style *style, struct progress *progress,
		    const char **what)
{
	*what = NULL;
	if (!landing->is_written)
		return publish_hidden(tool, landing, entry, style, what);
	if (landing->is_new)
		return write_new(tool, landing, entry, content, progress, what);
	return write_present(tool, landing, entry, content, style, progress);
}

/* --- what is there already --- */

int landing_has_properties(const struct tool *tool, int fd, const struct manifest_entry *entry,
			   const struct landing_style *style)
{
	struct properties wanted = entry->properties;
	struct properties found;
	int result;

	if (style->in_place)
		return 1;
	/* see write_new() */
	if (has_source(fd, "sysv")) {
		wanted.n = 0;
		wanted.mode &= 0777;
	}
	result = properties_get(fd, &found);
	if (result == 0)
		result = properties_match(&found, &wanted, flags_of(tool, style) | PROPERTIES_NO_BRIEF);
	properties_free(&found);
	return result;
}

int landing_is_complete(const struct tool *tool, const char *name, const struct manifest_entry *entry,
			const struct landing_style *style, struct progress *progress)
{
	_cleanup_close_ int fd = place_open_file(tool->mount_fd, name, O_RDONLY);
	struct checksum checksum;
	struct copying copying = {
		.from = fd,
		.to = -1,
		.size = entry->checksum.size,
		.checksum = &checksum,
		.progress = progress,
	};
	struct stat found;
	uint64_t first;
	bool is_target;
	int result;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &found) < 0)
		return -errno;
	if ((uint64_t)found.st_size != copying.size)
		return 0;
	result = landing_has_properties(tool, fd, entry, style);
	if (result <= 0)
		return result;
	result = checksum_begin(&checksum);
	if (result == 0)
		result = copying_run(&copying, &is_target);
	if (result == 0)
		result = checksum_equals(&checksum, &entry->checksum, &first);
	checksum_free(&checksum);
	return result == -ENODATA ? 0 : result;
}

void landing_keep(struct landing *landing)
{
	if (landing->fd >= 0)
		close(landing->fd);
	landing->fd = -1;
}

void landing_end(const struct tool *tool, struct landing *landing)
{
	if (landing->fd >= 0 && !landing->is_written) {
		const int dir_fd = place_open_part(tool->mount_fd, landing->name, landing->above);

		if (dir_fd >= 0) {
			place_remove(dir_fd, landing->name);
			close(dir_fd);
		}
	}
	if (landing->fd >= 0)
		close(landing->fd);
	landing->fd = -1;
}
