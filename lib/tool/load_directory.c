// SPDX-License-Identifier: MIT
#include "lib/tool/load_directory.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/loading.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a file, and finds its entry. Returns a STATUS_*, after a message. */
static int verify_file(struct loading *loading, const struct manifest *manifest, const char *name, int fd,
		       struct manifest_entry **entry)
{
	struct checksum checksum;
	struct copying copying = {
		.from = fd, .to = -1, .checksum = &checksum, .progress = &loading->progress};
	uint64_t first = 0;
	struct stat found;
	bool is_target;
	int result = fstat(fd, &found) < 0 ? -errno : checksum_begin(&checksum);

	if (result < 0)
		return loading_complain_of_source(loading, name, result);
	copying.size = (uint64_t)found.st_size;
	result = copying_run(&copying, &is_target);
	*entry = result == 0 ? loading_find_entry(manifest, name, &checksum, &first) : NULL;
	checksum_free(&checksum);
	if (result < 0)
		return loading_complain_of_source(loading, name, result);
	return *entry ? STATUS_DONE : loading_complain_of_damage(loading, name, first);
}

/* Copies a file to the hidden one, and finds its entry. last: the one that it has if nothing was interrupted.
 */
static int copy_file(struct loading *loading, const struct manifest *manifest, int fd,
		     const struct landing *landing, const struct manifest_entry *last,
		     struct manifest_entry **entry)
{
	struct checksum checksum;
	struct copying copying = {
		.from = fd,
		.to = landing->fd,
		.may_have_data = landing->is_resumed,
		.checksum = &checksum,
		.progress = &loading->progress,
	};
	uint64_t first = 0;
	struct stat found;
	bool is_target = false;
	int result = fstat(fd, &found) < 0 ? -errno : checksum_begin(&checksum);

	if (result < 0)
		return loading_complain_of_source(loading, last->name, result);
	copying.size = (uint64_t)found.st_size;
	copying.known = copying.size == last->checksum.size ? &last->checksum : NULL;
	if (ftruncate(landing->fd, (off_t)copying.size) < 0) {
		result = -errno;
		is_target = true;
	}
	if (result == 0)
		result = copying_run(&copying, &is_target);
	*entry = result == 0 ? loading_find_entry(manifest, last->name, &checksum, &first) : NULL;
	checksum_free(&checksum);
	if (result < 0)
		return is_target ? loading_complain(loading, landing->name, result, NULL)
				 : loading_complain_of_source(loading, last->name, result);
	return *entry ? STATUS_DONE : loading_complain_of_damage(loading, last->name, first);
}

static int load_file(struct loading *loading, struct manifest *manifest, int fd,
		     const struct manifest_entry *last)
{
	struct manifest_entry *entry = NULL;
	struct landing landing = {.fd = -1};
	char target[PATH_MAX];
	int status, result = loading_target(loading, last->name, target);

	if (result == 0 && loading_is_complete(loading, target, last))
		return STATUS_DONE;
	if (result == 0)
		result = landing_begin(loading->tool, target, &loading->style, false, &landing);
	if (result < 0)
		status = loading_complain(loading, target, result, NULL);
	else if (landing.is_written)
		status = verify_file(loading, manifest, last->name, fd, &entry);
	else
		status = copy_file(loading, manifest, fd, &landing, last, &entry);
	if (status == STATUS_DONE)
		status = loading_publish(loading, manifest, entry, &landing, fd);
	landing_end(loading->tool, &landing);
	return status;
}

static int load_entry(struct loading *loading, struct depot *depot, const struct manifest_entry *last)
{
	_cleanup_close_ int fd = place_open_file(depot->dir_fd, last->name, O_RDONLY);
	struct manifest_entry *entry;
	int status;

	progress_name(&loading->progress, last->name);
	if (fd < 0)
		return loading_complain_of_source(loading, last->name, fd);
	if (!loading->verifies)
		return load_file(loading, &depot->manifest, fd, last);
	status = verify_file(loading, &depot->manifest, last->name, fd, &entry);
	loading->n += status == STATUS_DONE;
	return status;
}

/* Whether an entry, by its index in the order, is the last one of a segment that is wanted. */
static bool is_meant(struct loading *loading, const struct manifest *manifest, size_t index)
{
	const struct manifest_entry *entry = &manifest->entries[manifest->order[index]];

	if (index + 1 < manifest->n &&
	    strcmp(entry->name, manifest->entries[manifest->order[index + 1]].name) == 0)
		return false;
	return !entry->is_directory && loading_is_wanted(loading, entry->name);
}

static int load_entries(struct loading *loading, struct depot *depot)
{
	int status = STATUS_DONE;

	for (size_t i = 0; i < depot->manifest.n; i++) {
		const struct manifest_entry *entry = &depot->manifest.entries[depot->manifest.order[i]];
		int one;

		if (!is_meant(loading, &depot->manifest, i) || loading_is_left_out(loading, entry))
			continue;
		one = load_entry(loading, depot, entry);
		if (status == STATUS_DONE)
			status = one;
	}
	return status;
}

int load_directory(struct loading *loading)
{
	struct depot depot;
	int status = depot_open(loading->tool, loading->source, false, &depot);

	if (status == STATUS_DONE) {
		for (size_t i = 0; i < depot.manifest.n; i++)
			if (is_meant(loading, &depot.manifest, i))
				loading->progress.total +=
					depot.manifest.entries[depot.manifest.order[i]].checksum.n *
					CHECKSUM_BLOCK;
		status = load_entries(loading, &depot);
	}
	depot_close(&depot);
	return status;
}
