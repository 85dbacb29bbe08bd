// SPDX-License-Identifier: MIT
#include "lib/tool/save_directory.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory that is saved to. */
struct directory {
	struct depot depot;
	struct place_swept swept;
};

static struct directory *directory_of(const struct saving *saving)
{
	return saving->target->context;
}

static struct depot *depot_of(const struct saving *saving)
{
	return &directory_of(saving)->depot;
}

static int complain(struct saving *saving, const char *name, int error)
{
	progress_clear(&saving->progress);
	saving->is_broken = error == -ENOSPC || error == -EDQUOT;
	return depot_report(saving->tool, saving->path, name, error);
}

/* --- what is there --- */

/* Whether the file of a name is one that the manifest describes. Returns 1, 0 or a negative errno. */
static int is_complete(struct saving *saving, const char *name)
{
	const struct manifest *manifest = &depot_of(saving)->manifest;
	_cleanup_close_ int fd = place_open_file(depot_of(saving)->dir_fd, name, O_RDONLY);
	struct checksum checksum;
	struct stat found;
	struct copying copying = {.to = -1, .checksum = &checksum, .progress = &saving->progress};
	uint64_t first;
	bool is_target;
	size_t n = 0;
	const size_t *known = manifest_find(manifest, name, &n);
	int result;

	if (fd < 0 || !known)
		return fd < 0 && fd != -ENOENT ? fd : 0;
	if (fstat(fd, &found) < 0)
		return -errno;
	copying.from = fd;
	copying.size = (uint64_t)found.st_size;
	result = checksum_begin(&checksum);
	if (result == 0)
		result = copying_run(&copying, &is_target);
	while (result == 0 && n > 0) {
		const struct manifest_entry *entry = &manifest->entries[known[--n]];

		result = !entry->is_directory && checksum_equals(&checksum, &entry->checksum, &first);
	}
	checksum_free(&checksum);
	return result;
}

static int look(struct saving *saving, const char *name)
{
	struct stat found;
	int result;

	if (saving->style.resume) {
		result = is_complete(saving, name);
		if (result != 0)
			return result;
	}
	if (fstatat(depot_of(saving)->dir_fd, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	return saving->style.replace ? 0 : -EEXIST;
}

/* --- directories --- */

/* Whether the last line of a directory is the same. */
static bool is_known(const struct depot *depot, const struct manifest_entry *entry)
{
	size_t n;
	const size_t *known = manifest_find(&depot->manifest, entry->name, &n);
	_cleanup_free_ char *line = NULL;
	_cleanup_free_ char *before = NULL;

	if (!known)
		return false;
	line = manifest_line(entry);
	before = manifest_line(&depot->manifest.entries[known[n - 1]]);
	return line && before && strcmp(line, before) == 0;
}

/* Its owner can use it, whatever mode that of the mount has: the manifest has all of it. */
static int add_directory(struct saving *saving, const struct manifest_entry *entry)
{
	struct depot *depot = depot_of(saving);
	const char *last;
	_cleanup_close_ int dir_fd = place_open_directory(depot->dir_fd, entry->name, &last);

	if (dir_fd < 0)
		return dir_fd;
	if (mkdirat(dir_fd, last, (entry->properties.mode & 0777) | 0700) < 0 && errno != EEXIST)
		return -errno;
	return is_known(depot, entry) ? 0 : depot_append(depot, entry);
}

/* --- segments --- */

/* As with directories. */
static int complete_file(int fd, const struct properties *properties)
{
	struct properties kept = *properties;
	const char *what;

	kept.mode = (kept.mode & 0777) | 0400;
	return properties_set(fd, &kept, PROPERTIES_NO_POLICY | PROPERTIES_ONLY_FILES, &what);
}

/* Fills the file, and gives it its name; first the manifest learns of it. Returns a STATUS_*. */
static int fill(struct saving *saving, struct saving_source *source, int dir_fd, int fd, bool is_resumed)
{
	const char *name = source->entry.name;
	const char *last = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	const struct copying copying = {
		.from = source->fd,
		.to = fd,
		.size = source->entry.checksum.size,
		.may_have_data = is_resumed,
		.checksum = &source->entry.checksum,
		.progress = &saving->progress,
	};
	bool is_target;
	int result = ftruncate(fd, (off_t)copying.size) < 0 ? -errno : 0;

	if (result < 0)
		return complain(saving, name, result);
	result = copying_run(&copying, &is_target);
	if (result < 0)
		return is_target ? complain(saving, name, result) : saving_complain(saving, name, result);
	result = complete_file(fd, &source->entry.properties);
	if (result == 0)
		result = depot_append(depot_of(saving), &source->entry);
	if (result == 0)
		result = place_publish(dir_fd, name, dir_fd, last, saving->style.replace);
	return result < 0 ? complain(saving, name, result) : STATUS_DONE;
}

static int add_file(struct saving *saving, struct saving_source *source)
{
	const char *name = source->entry.name;
	const char *last;
	_cleanup_close_ int dir_fd = place_open_directory(depot_of(saving)->dir_fd, name, &last);
	_cleanup_close_ int fd = -1;
	bool is_resumed = false;
	int status;

	if (dir_fd >= 0) {
		if (!saving->style.resume)
			place_sweep(dir_fd, &directory_of(saving)->swept);
		fd = place_create(dir_fd, name, saving->style.resume, &is_resumed);
	}
	if (dir_fd < 0 || fd < 0)
		return complain(saving, name, dir_fd < 0 ? dir_fd : fd);
	status = fill(saving, source, dir_fd, fd, is_resumed);
	if (status != STATUS_DONE)
		place_remove(dir_fd, name);
	return status;
}

/* --- the end --- */

static bool was_saved(const char *name, const void *context)
{
	const struct saving *saving = context;
	size_t low = 0, high = saving->survey->n;

	while (low < high) {
		const size_t middle = (low + high) / 2;
		const int order = strcmp(saving->survey->subjects[middle].name, name);

		if (order == 0)
			return saving->is_saved[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* What runs that were killed have left in the directories of this one; what they began was resumed. */
static void sweep(struct saving *saving)
{
	for (size_t i = 0; i < saving->survey->n; i++) {
		const char *last;
		const int dir_fd = place_open_directory(depot_of(saving)->dir_fd,
							saving->survey->subjects[i].name, &last);

		if (dir_fd < 0)
			continue;
		place_sweep(dir_fd, &directory_of(saving)->swept);
		close(dir_fd);
	}
}

int save_directory(struct saving *saving)
{
	struct directory directory = {0};
	struct depot *depot = &directory.depot;
	const struct saving_target target = {
		.look = look,
		.save_directory = add_directory,
		.save = add_file,
		.complain = complain,
		.context = &directory,
	};
	int status = depot_open(saving->tool, saving->path, true, depot);
	int result;

	if (status == STATUS_DONE) {
		status = saving_run(saving, &target);
		if (saving->style.resume && status == STATUS_DONE)
			sweep(saving);
		result = depot_compact(depot, was_saved, saving);
		if (result == 0 && syncfs(depot->manifest_fd) < 0)
			result = -errno;
		if (result < 0 && status == STATUS_DONE)
			status = complain(saving, MANIFEST_NAME, result);
	}
	place_swept_free(&directory.swept);
	depot_close(depot);
	return status;
}
