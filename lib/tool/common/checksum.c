// SPDX-License-Identifier: MIT
#include "lib/tool/common/checksum.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct checksum_work {
	XXH3_state_t *state;         /* of the block */
	uint64_t at;                 /* end of what was added */
	uint64_t page;               /* offset of the page that is not complete */
	size_t filled;               /* bytes of it */
	uint64_t index;              /* of the block */
	bool is_open;                /* the block has a page that is not zero */
	char partial[CHECKSUM_PAGE]; /* the page that is not complete */
};

static const char zeroes[CHECKSUM_PAGE];

int checksum_begin(struct checksum *checksum)
{
	struct checksum_work *work = calloc(1, sizeof(*work));

	*checksum = (struct checksum){.work = work};
	if (work)
		work->state = XXH3_createState();
	return work && work->state ? 0 : -ENOMEM;
}

static void free_work(struct checksum *checksum)
{
	if (checksum->work)
		XXH3_freeState(checksum->work->state);
	free(checksum->work);
	checksum->work = NULL;
}

void checksum_free(struct checksum *checksum)
{
	free_work(checksum);
	free(checksum->blocks);
	*checksum = (struct checksum){0};
}

static void digest(const struct checksum *checksum, uint8_t sum[CHECKSUM_BYTES])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(checksum->work->state));
	memcpy(sum, canonical.digest, CHECKSUM_BYTES);
}

static int append(struct checksum *checksum, const struct checksum_block *block)
{
	if (checksum->n == checksum->max) {
		const size_t max = checksum->max ? 2 * checksum->max : 16;
		struct checksum_block *larger = reallocarray(checksum->blocks, max, sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		checksum->blocks = larger;
		checksum->max = max;
	}
	checksum->blocks[checksum->n++] = *block;
	return 0;
}

static int close_block(struct checksum *checksum)
{
	struct checksum_block block = {.index = checksum->work->index};

	if (!checksum->work->is_open)
		return 0;
	digest(checksum, block.sum);
	checksum->work->is_open = false;
	return append(checksum, &block);
}

static int add_page(struct checksum *checksum, uint64_t offset, const char *page)
{
	const uint64_t index = offset / CHECKSUM_BLOCK;
	const uint64_t where = htole64(offset);
	int result = 0;

	if (memcmp(page, zeroes, CHECKSUM_PAGE) == 0)
		return 0;
	if (checksum->work->is_open && checksum->work->index != index)
		result = close_block(checksum);
	if (!checksum->work->is_open) {
		XXH3_128bits_reset(checksum->work->state);
		checksum->work->is_open = true;
		checksum->work->index = index;
	}
	XXH3_128bits_update(checksum->work->state, &where, sizeof(where));
	XXH3_128bits_update(checksum->work->state, page, CHECKSUM_PAGE);
	return result;
}

/* Sums the page that is not complete. */
static int flush_page(struct checksum *checksum)
{
	if (checksum->work->filled == 0)
		return 0;
	memset(checksum->work->partial + checksum->work->filled, 0, CHECKSUM_PAGE - checksum->work->filled);
	checksum->work->filled = 0;
	return add_page(checksum, checksum->work->page, checksum->work->partial);
}

/* Adds a part of one page. */
static int add_part(struct checksum *checksum, uint64_t offset, const char *data, size_t length)
{
	const uint64_t page = offset / CHECKSUM_PAGE * CHECKSUM_PAGE;
	const size_t begin = (size_t)(offset - page);
	int result = 0;

	if (checksum->work->filled > 0 && checksum->work->page != page)
		result = flush_page(checksum);
	memset(checksum->work->partial + checksum->work->filled, 0, begin - checksum->work->filled);
	memcpy(checksum->work->partial + begin, data, length);
	checksum->work->page = page;
	checksum->work->filled = begin + length;
	return result < 0 || checksum->work->filled < CHECKSUM_PAGE ? result : flush_page(checksum);
}

int checksum_add(struct checksum *checksum, uint64_t offset, const void *data, size_t length)
{
	const char *at = data;
	int result = 0;

	if (offset < checksum->work->at)
		return -EINVAL;
	checksum->work->at = offset + length;
	while (length > 0 && result == 0) {
		const size_t begin = (size_t)(offset % CHECKSUM_PAGE);
		const size_t n = length < CHECKSUM_PAGE - begin ? length : CHECKSUM_PAGE - begin;

		if (n == CHECKSUM_PAGE) {
			result = flush_page(checksum);
			if (result == 0)
				result = add_page(checksum, offset, at);
		} else {
			result = add_part(checksum, offset, at, n);
		}
		offset += n;
		at += n;
		length -= n;
	}
	return result;
}

int checksum_add_block(struct checksum *checksum, const struct checksum_block *block)
{
	int result = flush_page(checksum);

	if (block->index * CHECKSUM_BLOCK < checksum->work->at)
		return -EINVAL;
	if (result == 0)
		result = close_block(checksum);
	checksum->work->at = (block->index + 1) * CHECKSUM_BLOCK;
	return result < 0 ? result : append(checksum, block);
}

int checksum_finish(struct checksum *checksum, uint64_t size)
{
	uint64_t number = htole64(size);
	int result = flush_page(checksum);

	if (result == 0)
		result = close_block(checksum);
	if (result < 0)
		return result;
	checksum->size = size;
	XXH3_128bits_reset(checksum->work->state);
	XXH3_128bits_update(checksum->work->state, &number, sizeof(number));
	for (size_t i = 0; i < checksum->n; i++) {
		number = htole64(checksum->blocks[i].index);
		XXH3_128bits_update(checksum->work->state, &number, sizeof(number));
		XXH3_128bits_update(checksum->work->state, checksum->blocks[i].sum, CHECKSUM_BYTES);
	}
	digest(checksum, checksum->sum);
	free_work(checksum);
	return 0;
}

bool checksum_equals(const struct checksum *a, const struct checksum *b, uint64_t *first)
{
	size_t i = 0;

	if (memcmp(a->sum, b->sum, CHECKSUM_BYTES) == 0)
		return true;
	while (i < a->n && i < b->n && a->blocks[i].index == b->blocks[i].index &&
	       memcmp(a->blocks[i].sum, b->blocks[i].sum, CHECKSUM_BYTES) == 0)
		i++;
	if (i < a->n && (i >= b->n || a->blocks[i].index < b->blocks[i].index))
		*first = a->blocks[i].index * CHECKSUM_BLOCK;
	else
		*first = i < b->n ? b->blocks[i].index * CHECKSUM_BLOCK : 0;
	return false;
}

uint64_t checksum_text(const void *text, size_t length)
{
	return XXH3_64bits(text, length);
}

void checksum_to_hex(const uint8_t sum[CHECKSUM_BYTES], char text[CHECKSUM_TEXT_MAX])
{
	for (size_t i = 0; i < CHECKSUM_BYTES; i++)
		sprintf(text + 2 * i, "%02x", sum[i]);
}

int checksum_from_hex(const char *text, uint8_t sum[CHECKSUM_BYTES])
{
	if (strlen(text) != CHECKSUM_TEXT_MAX - 1 ||
	    strspn(text, "0123456789abcdef") != CHECKSUM_TEXT_MAX - 1)
		return -EINVAL;
	for (size_t i = 0; i < CHECKSUM_BYTES; i++) {
		const char byte[] = {text[2 * i], text[2 * i + 1], '\0'};

		sum[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return 0;
}
