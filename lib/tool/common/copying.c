// SPDX-License-Identifier: MIT
#include "lib/tool/common/copying.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/extents.h"
#include "lib/tool/common/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMPARED ((size_t)64 << 10) /* bytes that are compared at a time */

int copying_read(int fd, void *data, size_t length, uint64_t offset)
{
	char *at = data;

	while (length > 0) {
		const ssize_t n = pread(fd, at, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		at += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

int copying_write(int fd, const void *data, size_t length, uint64_t offset)
{
	const char *at = data;

	while (length > 0) {
		const ssize_t n = pwrite(fd, at, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

int copying_compare(int fd, const void *data, size_t length, uint64_t offset)
{
	const char *at = data;
	char there[COMPARED];

	while (length > 0) {
		const size_t n = length < sizeof(there) ? length : sizeof(there);
		const int result = copying_read(fd, there, n, offset);

		if (result < 0)
			return result == -ENODATA ? 0 : result;
		if (memcmp(there, at, n) != 0)
			return 0;
		at += n;
		offset += n;
		length -= n;
	}
	return 1;
}

int copying_is_zero(int fd, uint64_t from, uint64_t end)
{
	char there[COMPARED];
	struct extent extent;
	int result;

	while ((result = extent_next(fd, from, end, &extent)) > 0) {
		const size_t n = extent.length < sizeof(there) ? (size_t)extent.length : sizeof(there);

		result = copying_read(fd, there, n, extent.offset);
		if (result < 0)
			return result == -ENODATA ? 0 : result;
		/* the first byte is 0, and each is as the one before */
		if (there[0] != 0 || memcmp(there, there + 1, n - 1) != 0)
			return 0;
		from = extent.offset + n;
	}
	return result < 0 ? result : 1;
}

int copying_clear(int fd, uint64_t from, uint64_t end)
{
	struct extent extent;
	int result;

	while ((result = extent_next(fd, from, end, &extent)) > 0) {
		const uint64_t length = extent.length < CHECKSUM_BLOCK ? extent.length : CHECKSUM_BLOCK;
		_cleanup_free_ char *zeroes = NULL;

		from = extent.offset + length;
		if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)extent.offset,
			      (off_t)length) == 0)
			continue;
		/* committed memory has no holes, nor have some file systems */
		zeroes = calloc(1, length);
		result = zeroes ? copying_write(fd, zeroes, length, extent.offset) : -ENOMEM;
		if (result < 0)
			break;
	}
	return result;
}

struct run {
	const struct copying *copying;
	char *data, *old; /* a block each */
	bool is_target;
};

static int write_block(struct run *run, uint64_t offset, size_t length)
{
	const struct copying *copying = run->copying;
	int result = 0;

	if (copying->to < 0)
		return 0;
	if (copying->may_have_data)
		result = copying_compare(copying->to, run->data, length, offset);
	if (result == 0)
		result = copying_write(copying->to, run->data, length, offset);
	run->is_target = result < 0;
	return result < 0 ? result : 0;
}

/* Makes a hole of what is data in `to`. */
static int clear(struct run *run, uint64_t from, uint64_t end)
{
	const struct copying *copying = run->copying;
	int result = 0;

	if (copying->to >= 0 && copying->may_have_data)
		result = copying_clear(copying->to, from, end);
	run->is_target = result < 0;
	return result;
}

/* Copies a part of an extent, block by block. */
static int copy_data(struct run *run, uint64_t offset, uint64_t end)
{
	const struct copying *copying = run->copying;
	int result = 0;

	while (offset < end && result == 0) {
		const uint64_t rest = CHECKSUM_BLOCK - offset % CHECKSUM_BLOCK;
		const size_t length = (size_t)(end - offset < rest ? end - offset : rest);

		result = copying_read(copying->from, run->data, length, offset);
		if (result == 0)
			result = checksum_add(copying->checksum, offset, run->data, length);
		if (result == 0)
			result = write_block(run, offset, length);
		if (result == 0)
			progress_add(copying->progress, length);
		offset += length;
	}
	return result;
}

static int copy_range(struct run *run, uint64_t from, uint64_t end)
{
	struct extent extent;
	int result = 0;

	while (result == 0 && from < end) {
		const int found = extent_next(run->copying->from, from, end, &extent);

		if (found < 0)
			return found;
		if (found == 0)
			return clear(run, from, end);
		result = clear(run, from, extent.offset);
		if (result == 0)
			result = copy_data(run, extent.offset, extent.offset + extent.length);
		from = extent.offset + extent.length;
	}
	return result;
}

/* Sums a block of `to`. Returns 1 if it has this sum, 0 if not; a negative errno. */
static int has_block(struct run *run, const struct checksum_block *block, uint64_t begin, uint64_t end)
{
	struct checksum there;
	struct extent extent;
	int result = checksum_begin(&there);

	for (uint64_t from = begin;
	     result == 0 && (result = extent_next(run->copying->to, from, end, &extent)) > 0;
	     from = extent.offset + extent.length) {
		result = copying_read(run->copying->to, run->old, (size_t)extent.length, extent.offset);
		if (result == 0)
			result = checksum_add(&there, extent.offset, run->old, (size_t)extent.length);
	}
	if (result == 0)
		result = checksum_finish(&there, end);
	run->is_target = result < 0;
	if (result == 0)
		result = there.n == 1 && memcmp(there.blocks[0].sum, block->sum, CHECKSUM_BYTES) == 0;
	checksum_free(&there);
	return result;
}

/* Copies those of the known blocks that `to` does not have. */
static int copy_missing(struct run *run)
{
	const struct copying *copying = run->copying;
	uint64_t from = 0;
	int result = 0;

	for (size_t i = 0; i < copying->known->n && result == 0; i++) {
		const struct checksum_block *block = &copying->known->blocks[i];
		const uint64_t begin = block->index * CHECKSUM_BLOCK;
		const uint64_t end =
			copying->size - begin < CHECKSUM_BLOCK ? copying->size : begin + CHECKSUM_BLOCK;

		result = clear(run, from, begin);
		if (result == 0)
			result = has_block(run, block, begin, end);
		if (result == 0)
			result = copy_range(run, begin, end);
		else if (result > 0) {
			progress_add(copying->progress, end - begin);
			result = checksum_add_block(copying->checksum, block);
		}
		from = end;
	}
	return result < 0 ? result : clear(run, from, copying->size);
}

int copying_run(const struct copying *copying, bool *is_target)
{
	struct run run = {.copying = copying, .data = malloc(2 * CHECKSUM_BLOCK)};
	int result = -ENOMEM;

	if (run.data) {
		run.old = run.data + CHECKSUM_BLOCK;
		if (copying->known && copying->to >= 0 && copying->may_have_data)
			result = copy_missing(&run);
		else
			result = copy_range(&run, 0, copying->size);
	}
	if (result == 0)
		result = checksum_finish(copying->checksum, copying->size);
	free(run.data);
	*is_target = run.is_target;
	return result;
}
