/* SPDX-License-Identifier: MIT */
/*
 * Sizes as people write them: "4096", "64M", "2G"; the suffixes are powers of 1024, as tmpfs and truncate(1)
 * have them.
 *
 * Pure functions; safe in every thread.
 */
#ifndef SEGFS_BASE_SIZES_H
#define SEGFS_BASE_SIZES_H

#include <stdint.h>

#define SIZE_TEXT_MAX 24 /* bytes of a formatted size, with the final 0 */

/*
 * Reads a whole text as a size: decimal digits, then nothing or one of K M G T P E in either case. No sign,
 * no blank, no fraction, no "iB" or "B" (which truncate(1) reads as two different units). bytes: set on
 * success only. Returns 0; -EINVAL where the text has another form; -ERANGE where the size does not fit into
 * 64 bits.
 */
int size_parse(const char *text, uint64_t *bytes);

/* Writes a size exactly, with the largest suffix that leaves a whole number: 1536 -> "1536", 2048 -> "2K", 0
 * -> "0". */
void size_format(uint64_t bytes, char text[SIZE_TEXT_MAX]);

#endif
