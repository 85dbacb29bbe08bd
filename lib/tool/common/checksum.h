/* SPDX-License-Identifier: MIT */
/*
 * Checksums of content, which find damage, not deceit. Where holes are makes no difference: only pages of
 * 4096 bytes that are not zero count, so that a sum costs what the data costs, whatever the size.
 *
 * The sum of a block is XXH3-128 over its pages that are not zero: for each the offset of the page (64 bits,
 * little endian), and its bytes, filled up with zeroes at the end of the file. The sum of the file is
 * XXH3-128 over its size, and over the index and sum of each block that is not zero.
 *
 * A checksum belongs to one thread.
 */
#ifndef SEGFS_TOOL_CHECKSUM_H
#define SEGFS_TOOL_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_BLOCK    ((uint64_t)4 << 20) /* bytes */
#define CHECKSUM_PAGE     4096
#define CHECKSUM_BYTES    16
#define CHECKSUM_TEXT_MAX 33 /* of hexadecimal digits, with the final 0 */
#define CHECKSUM_NAME     "xxh3-128/4096/4194304"

struct checksum_block {
	uint64_t index; /* offset / CHECKSUM_BLOCK */
	uint8_t sum[CHECKSUM_BYTES];
};

struct checksum {
	uint64_t size;                 /* of the file; set by checksum_finish() */
	uint8_t sum[CHECKSUM_BYTES];   /* set by checksum_finish() */
	struct checksum_block *blocks; /* in ascending order, without those that are zero */
	size_t n, max;
	struct checksum_work *work; /* until checksum_finish() */
};

/* Begins a sum. Returns 0; -ENOMEM. Released by checksum_free(). */
int checksum_begin(struct checksum *checksum);
void checksum_free(struct checksum *checksum);

/* Adds data. Offsets ascend; what is left out is zero. Returns 0; -ENOMEM; -EINVAL, they do not ascend. */
int checksum_add(struct checksum *checksum, uint64_t offset, const void *data, size_t length);

/* Adds a whole block by its sum, between blocks. Returns as checksum_add(). */
int checksum_add_block(struct checksum *checksum, const struct checksum_block *block);

/* Ends a sum. Returns 0; -ENOMEM. */
int checksum_finish(struct checksum *checksum, uint64_t size);

/* Whether sums are equal. Otherwise `first`: offset of the first block that differs. */
bool checksum_equals(const struct checksum *a, const struct checksum *b, uint64_t *first);

/* Sums a short text. */
uint64_t checksum_text(const void *text, size_t length);

void checksum_to_hex(const uint8_t sum[CHECKSUM_BYTES], char text[CHECKSUM_TEXT_MAX]);
/* Returns 0; -EINVAL. */
int checksum_from_hex(const char *text, uint8_t sum[CHECKSUM_BYTES]);

#endif
