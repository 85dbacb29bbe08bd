/* SPDX-License-Identifier: MIT */
/*
 * Sizes as people write them: "4096", "64M", "2G"; suffixes are powers of 1024, as for tmpfs and truncate(1).
 *
 * Pure functions; thread-safe.
 */
#ifndef SEGFS_BASE_SIZES_H
#define SEGFS_BASE_SIZES_H

#include <stdint.h>

#define SIZE_TEXT_MAX 24 /* bytes of a formatted size, including the final 0 */

/*
 * Parses a whole text as a size: decimal digits and an optional suffix K M G T P E in either case. No sign,
 * blank or fraction; no "iB" or "B", which truncate(1) takes for two different units. bytes: set on success
 * only. Returns 0; -EINVAL for any other syntax; -ERANGE if the size exceeds 64 bits.
 */
int size_parse(const char *text, uint64_t *bytes);

/*
 * Formats a size exactly, with the largest suffix that leaves a whole number: 1536 -> "1536", 2048 -> "2K", 0
 * -> "0".
 */
void size_format(uint64_t bytes, char text[SIZE_TEXT_MAX]);

#endif
