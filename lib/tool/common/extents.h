/* SPDX-License-Identifier: MIT */
/*
 * Where a file has data, and where holes: SEEK_DATA and SEEK_HOLE. Stateless; a call moves the position of
 * the descriptor.
 */
#ifndef SEGFS_TOOL_EXTENTS_H
#define SEGFS_TOOL_EXTENTS_H

#include <stdint.h>

/* Bytes of a file that are data. */
struct extent {
	uint64_t offset;
	uint64_t length;
};

/*
 * Finds the first data at or after `from`, up to `end`. A file system that does not tell has data everywhere.
 * Returns 1: found; 0: there is only a hole up to `end`; a negative errno.
 */
int extent_next(int fd, uint64_t from, uint64_t end, struct extent *extent);

#endif
