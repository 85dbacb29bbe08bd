// SPDX-License-Identifier: MIT
#include "lib/tool/load_member.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/copying.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/loading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int member_init(struct member *member, const char *name)
{
	*member = (struct member){.name = strdup(name), .present_fd = -1};
	return member->name && checksum_begin(&member->checksum) == 0 ? 0 : -ENOMEM;
}

static void close_present(struct member *member)
{
	if (member->present_fd >= 0)
		close(member->present_fd);
	member->present_fd = -1;
}

void member_free(const struct loading *loading, struct member *member)
{
	if (member->landing)
		landing_end(loading->tool, member->landing);
	free(member->landing);
	close_present(member);
	free(member->name);
	checksum_free(&member->checksum);
}

/* --- a hidden file --- */

/* Returns 0; the error of landing_begin(). */
static int begin_landing(struct loading *loading, struct member *member, uint64_t size)
{
	char target[PATH_MAX];
	int result = loading_target(loading, member->name, target);

	if (result < 0)
		return result;
	member->landing = malloc(sizeof(*member->landing));
	if (!member->landing)
		return -ENOMEM;
	result = landing_begin(loading->tool, target, &loading->style, true, member->landing);
	if (result == 0 && ftruncate(member->landing->fd, (off_t)size) < 0)
		result = -errno;
	return result;
}

/* Whether the hidden file has all of the member already; then its sum is that of the member. */
static bool has_all(struct loading *loading, struct member *member, const struct manifest_entry *entry)
{
	const struct copying copying = {
		.from = member->landing->fd,
		.to = -1,
		.size = entry->checksum.size,
		.checksum = &member->checksum,
		.progress = &loading->progress,
	};
	uint64_t first;
	bool is_target;

	if (copying_run(&copying, &is_target) == 0 &&
	    checksum_equals(&member->checksum, &entry->checksum, &first))
		return true;
	checksum_free(&member->checksum);
	return false;
}

/* --- a segment of the mount that may be the same --- */

static int open_present(const struct loading *loading, const struct member *member, uint64_t size)
{
	char target[PATH_MAX];
	_cleanup_close_ int fd = -1;
	struct stat found;

	if (loading_target(loading, member->name, target) < 0)
		return -1;
	fd = place_open_file(loading->tool->mount_fd, target, O_RDONLY);
	return fd >= 0 && fstat(fd, &found) == 0 && (uint64_t)found.st_size == size ? take_fd(&fd) : -1;
}

/*
 * The segment of the mount is another one: a hidden file gets the data so far, which was equal, and receives
 * the rest. Returns 0; the error of landing_begin(); a negative errno.
 */
static int leave_present(struct loading *loading, struct member *member, uint64_t size, uint64_t equal)
{
	struct progress none = {0};
	struct checksum checksum;
	struct copying copying = {
		.from = member->present_fd,
		.size = equal,
		.checksum = &checksum,
		.progress = &none,
	};
	bool is_target;
	int result = begin_landing(loading, member, size);

	if (result < 0)
		return result;
	copying.to = member->landing->fd;
	copying.may_have_data = member->landing->is_resumed;
	result = checksum_begin(&checksum);
	if (result == 0)
		result = copying_run(&copying, &is_target);
	checksum_free(&checksum);
	close_present(member);
	return result;
}

/* --- reading --- */

struct receiving {
	struct loading *loading;
	struct member *member;
	uint64_t size;
};

/* Data that a file of an earlier run has is not written again. */
static int take_data(void *context, uint64_t offset, const void *data, size_t length)
{
	const struct receiving *receiving = context;
	struct member *member = receiving->member;
	int result = 0;

	if (member->present_fd >= 0) {
		result = copying_compare(member->present_fd, data, length, offset);
		if (result > 0)
			return 0;
		if (result == 0)
			result = leave_present(receiving->loading, member, receiving->size, offset);
	}
	if (result == 0 && member->landing->is_resumed)
		result = copying_compare(member->landing->fd, data, length, offset);
	if (result == 0)
		result = copying_write(member->landing->fd, data, length, offset);
	return result < 0 ? result : 0;
}

static int take_hole(void *context, uint64_t from, uint64_t end)
{
	const struct receiving *receiving = context;
	struct member *member = receiving->member;
	int result = 0;

	if (member->present_fd >= 0) {
		result = copying_is_zero(member->present_fd, from, end);
		if (result > 0)
			return 0;
		if (result == 0)
			result = leave_present(receiving->loading, member, receiving->size, from);
	}
	if (result == 0 && member->landing->is_resumed)
		result = copying_clear(member->landing->fd, from, end);
	return result;
}

/* Chooses what receives the data. is_read: nothing needs to. Returns 0; a negative errno. */
static int begin(struct loading *loading, struct member *member, uint64_t size,
		 const struct manifest_entry *entry, bool *is_read)
{
	char target[PATH_MAX];
	int result = loading_target(loading, member->name, target);

	*is_read = false;
	if (result < 0 || loading->verifies)
		return result;
	if (entry && loading_is_complete(loading, target, entry)) {
		*is_read = member->is_complete = true;
		return 0;
	}
	if (!entry && loading->style.resume)
		member->present_fd = open_present(loading, member, size);
	if (member->present_fd >= 0)
		return 0;
	result = begin_landing(loading, member, size);
	if (result == 0 && entry && member->landing->is_resumed && entry->checksum.size == size) {
		*is_read = has_all(loading, member, entry);
		if (!*is_read)
			result = checksum_begin(&member->checksum);
	}
	return result;
}

/* A segment that cannot be loaded does not keep others from it. */
static int fail(struct loading *loading, struct member *member, int error)
{
	char target[PATH_MAX];

	member->is_failed = true;
	if (member->landing)
		landing_end(loading->tool, member->landing);
	close_present(member);
	return loading_complain(loading,
				loading_target(loading, member->name, target) < 0 ? member->name : target,
				error, NULL);
}

int member_read(struct loading *loading, struct member *member, struct tar *tar,
		const struct tar_member *found, const struct manifest_entry *entry, int *error)
{
	struct receiving receiving = {.loading = loading, .member = member, .size = found->size};
	const struct tar_receiver receiver = {
		.take_data = take_data, .take_hole = take_hole, .context = &receiving};
	bool is_read, is_target = true;
	int result = begin(loading, member, found->size, entry, &is_read);

	*error = 0;
	if (result == 0 && !is_read)
		result = tar_read(tar, found, loading->verifies ? NULL : &receiver, &member->checksum,
				  &loading->progress, &is_target);
	/* what is missing is missing for all that follow */
	if (result < 0 && is_target && result != -EMFILE && result != -ENFILE)
		return fail(loading, member, result);
	*error = result;
	return STATUS_DONE;
}

int member_publish(struct loading *loading, const struct manifest *manifest, struct member *member,
		   const struct manifest_entry *entry)
{
	const uint64_t size = entry->checksum.size;
	int result = 0;

	if (member->present_fd >= 0) {
		if (landing_has_properties(loading->tool, member->present_fd, entry, &loading->style) > 0) {
			loading->n_complete++;
			return STATUS_DONE;
		}
		result = leave_present(loading, member, size, size);
	}
	if (result < 0)
		return fail(loading, member, result);
	return loading_publish(loading, manifest, entry, member->landing, member->landing->fd);
}
