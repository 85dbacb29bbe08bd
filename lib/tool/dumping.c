// SPDX-License-Identifier: MIT
#include "lib/tool/dumping.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/extents.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/screen.h"
#include "lib/tool/common/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int dump_complain(const struct dump *dump, int error)
{
	if (error != -ENODATA)
		return report_error(dump->tool, dump->name, error);
	return report(dump->tool, STATUS_NOT_AS_ASKED, dump->name,
		      "it became shorter while it was read; run the command again");
}

int dump_read(const struct dump *dump, uint8_t *data, size_t length, uint64_t offset)
{
	while (length > 0) {
		const ssize_t n = pread(dump->fd, data, length, (off_t)offset);

		if (n < 0 && errno == EINTR && !screen_ends())
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		data += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return 0;
}

/* --- rows --- */

static void print_row(struct dump *dump, uint64_t offset, const uint8_t *data, size_t length)
{
	char text[ROWS_TEXT_MAX];

	if (dump->json) {
		rows_json(&dump->layout, data, length, text);
		printf(dump->layout.n ? "%s\n      {\"offset\": %llu, \"values\": [%s]}"
				      : "%s\n      {\"offset\": %llu, \"hex\": %s}",
		       dump->is_first ? "" : ",", (unsigned long long)offset, text);
		dump->is_first = false;
		return;
	}
	if (!dump->is_first && length == dump->layout.bytes && memcmp(dump->last, data, length) == 0) {
		if (!dump->is_squeezed)
			puts("*");
		dump->is_squeezed = true;
		return;
	}
	rows_text(&dump->layout, offset, data, length, NULL, text);
	puts(text);
	memcpy(dump->last, data, length);
	dump->is_first = length < dump->layout.bytes;
	dump->is_squeezed = false;
}

static void print_hole(struct dump *dump, uint64_t offset, uint64_t length)
{
	char size[TEXT_SIZE_MAX];

	if (dump->json) {
		printf("%s\n      {\"offset\": %llu, \"hole\": %llu}", dump->is_first ? "" : ",",
		       (unsigned long long)offset, (unsigned long long)length);
		dump->is_first = false;
		return;
	}
	text_size(length, size);
	printf("%0*llx  -- hole: %s (%llu bytes) --\n", dump->layout.digits, (unsigned long long)offset, size,
	       (unsigned long long)length);
	dump->is_first = true;
	dump->is_squeezed = false;
}

/* Prints rows from `offset`, which begins one, up to `end`. */
static int print_data(struct dump *dump, uint64_t offset, uint64_t end)
{
	const size_t whole = DUMP_BUFFER / dump->layout.bytes * dump->layout.bytes;

	while (offset < end) {
		const size_t length = end - offset < whole ? (size_t)(end - offset) : whole;
		const int result = dump_read(dump, dump->buffer, length, offset);

		if (result < 0)
			return result;
		for (size_t at = 0; at < length; at += dump->layout.bytes)
			print_row(dump, offset + at, dump->buffer + at,
				  length - at < dump->layout.bytes ? length - at : dump->layout.bytes);
		offset += length;
	}
	return 0;
}

/* The beginning of the row in which a byte lies. */
static uint64_t row_of(const struct dump *dump, uint64_t offset)
{
	return offset - (offset - dump->begin) % dump->layout.bytes;
}

int dump_rows(struct dump *dump, uint64_t from, uint64_t end)
{
	uint64_t at = from;
	struct extent extent;
	int result;

	dump->is_first = true;
	dump->is_squeezed = false;
	while ((result = extent_next(dump->fd, at, end, &extent)) > 0) {
		/* rows of which a part is data are data */
		const uint64_t first = row_of(dump, extent.offset);
		uint64_t stop = extent.offset + extent.length;

		if ((stop - dump->begin) % dump->layout.bytes)
			stop = row_of(dump, stop) + dump->layout.bytes;
		if (stop > end)
			stop = end;
		if (first > at)
			print_hole(dump, at, first - at);
		result = print_data(dump, first > at ? first : at, stop);
		if (result < 0)
			return result;
		at = stop;
	}
	if (result == 0 && at < end)
		print_hole(dump, at, end - at);
	return result;
}
