/* SPDX-License-Identifier: MIT */
/* Copies data, leaves holes out, and sums what it copies. Stateless. */
#ifndef SEGFS_TOOL_COPYING_H
#define SEGFS_TOOL_COPYING_H

#include "lib/tool/common/checksum.h"

struct progress;

struct copying {
	int from; /* its position changes */
	int to;   /* -1 = nothing is written */
	uint64_t size;
	bool may_have_data;           /* `to` may have data already, which is compared, and removed */
	const struct checksum *known; /* of `from`: blocks that `to` has already are not read; or NULL */
	struct checksum *checksum;    /* begun; receives the sum of what `to` has then */
	struct progress *progress;
};

/*
 * Copies `size` bytes. is_target: whether an error is one of `to`. Returns 0; -ENODATA, `from` is shorter; a
 * negative errno.
 */
int copying_run(const struct copying *copying, bool *is_target);

/*
 * pread(2) and pwrite(2) of all bytes; interrupted calls go on. Return 0; a negative errno; -ENODATA: the
 * end of the file.
 */
int copying_read(int fd, void *data, size_t length, uint64_t offset);
int copying_write(int fd, const void *data, size_t length, uint64_t offset);

/* Whether a file has these bytes. Returns 1; 0, also if it is shorter; a negative errno. */
int copying_compare(int fd, const void *data, size_t length, uint64_t offset);

/* Whether a part of a file is zero, or a hole. Returns 1, 0 or a negative errno. */
int copying_is_zero(int fd, uint64_t from, uint64_t end);

/* Makes a hole of a part of a file, or writes zeroes where that is not possible. Returns 0; a negative errno.
 */
int copying_clear(int fd, uint64_t from, uint64_t end);

#endif
