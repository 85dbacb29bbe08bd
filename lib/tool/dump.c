// SPDX-License-Identifier: MIT
/* segctl dump: the bytes of a segment as text, once or as they change. */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/extents.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/rows.h"
#include "lib/tool/common/screen.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER     ((size_t)256 << 10)
#define FOLLOW_MAX ((uint64_t)16 << 20) /* bytes that are kept to compare with */

struct settings {
	struct option_number offset, length, interval;
	const char *as;
	bool follow, json;
};

struct dump {
	struct tool *tool;
	const struct settings *settings;
	const char *name;
	int fd;
	struct rows_layout layout;
	uint64_t begin, end;

	bool is_first;                /* no row was printed yet */
	uint8_t last[ROWS_BYTES_MAX]; /* the row before */
	bool is_squeezed;
};

static int complain(const struct dump *dump, int error)
{
	if (error != -ENODATA)
		return report_error(dump->tool, dump->name, error);
	return report(dump->tool, STATUS_NOT_AS_ASKED, dump->name,
		      "it became shorter while it was read; run the command again");
}

/* Reads all of these bytes. Returns 0; -ENODATA, they are not there any more; -EINTR; a negative errno. */
static int read_bytes(const struct dump *dump, uint8_t *data, size_t length, uint64_t offset)
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

/* --- once --- */

static void print_row(struct dump *dump, uint64_t offset, const uint8_t *data, size_t length)
{
	char text[ROWS_TEXT_MAX];

	if (dump->settings->json) {
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

	if (dump->settings->json) {
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
static int print_data(struct dump *dump, uint64_t offset, uint64_t end, uint8_t *buffer)
{
	const size_t whole = BUFFER / dump->layout.bytes * dump->layout.bytes;

	while (offset < end) {
		const size_t length = end - offset < whole ? (size_t)(end - offset) : whole;
		const int result = read_bytes(dump, buffer, length, offset);

		if (result < 0)
			return result;
		for (size_t at = 0; at < length; at += dump->layout.bytes)
			print_row(dump, offset + at, buffer + at,
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

static int print_rows(struct dump *dump, uint8_t *buffer)
{
	uint64_t at = dump->begin;
	struct extent extent;
	int result;

	while ((result = extent_next(dump->fd, at, dump->end, &extent)) > 0) {
		/* rows of which a part is data are data */
		const uint64_t first = row_of(dump, extent.offset);
		uint64_t end = extent.offset + extent.length;

		if ((end - dump->begin) % dump->layout.bytes)
			end = row_of(dump, end) + dump->layout.bytes;
		if (end > dump->end)
			end = dump->end;
		if (first > at)
			print_hole(dump, at, first - at);
		result = print_data(dump, first > at ? first : at, end, buffer);
		if (result < 0)
			return result;
		at = end;
	}
	if (result == 0 && at < dump->end)
		print_hole(dump, at, dump->end - at);
	return result;
}

static int print_json(struct dump *dump, uint8_t *buffer)
{
	bool is_exact;
	_cleanup_free_ char *name = text_json(dump->name, &is_exact);
	_cleanup_free_ char *hex = text_hex(dump->name);
	int result;

	if (!name || !hex)
		return -ENOMEM;
	printf("{\n   \"dump\": {\n      \"name\": %s,\n      \"name_hex\": %s%s%s,\n", name,
	       is_exact ? "null" : "\"", is_exact ? "" : hex, is_exact ? "" : "\"");
	printf("      \"offset\": %llu,\n      \"length\": %llu,\n      \"rows\": [",
	       (unsigned long long)dump->begin, (unsigned long long)(dump->end - dump->begin));
	result = print_rows(dump, buffer);
	printf("\n      ]\n   }\n}\n");
	return result;
}

/* --- as it changes --- */

/* What was read at last, and before. */
struct follow {
	uint8_t *now, *before;
	size_t length; /* of both */
};

static int read_again(struct dump *dump, struct follow *follow)
{
	uint8_t *swap = follow->before;

	follow->before = follow->now;
	follow->now = swap;
	return read_bytes(dump, follow->now, follow->length, dump->begin);
}

/* Prints a line for each row that has changed. */
static void print_changes(const struct dump *dump, const struct follow *follow)
{
	char text[ROWS_TEXT_MAX];

	for (size_t at = 0; at < follow->length; at += dump->layout.bytes) {
		const size_t rest = follow->length - at;
		const size_t length = rest < dump->layout.bytes ? rest : dump->layout.bytes;

		if (memcmp(follow->now + at, follow->before + at, length) == 0)
			continue;
		rows_text(&dump->layout, dump->begin + at, follow->now + at, length, NULL, text);
		puts(text);
	}
	fflush(stdout);
}

/* Draws as many rows as the terminal has; what has changed since the last time is highlighted. */
static void draw(const struct dump *dump, const struct follow *follow, bool is_first)
{
	_cleanup_free_ char *name = text_quote(dump->name);
	char text[ROWS_TEXT_MAX];
	size_t rows, columns;

	screen_size(&columns, &rows);
	screen_begin();
	for (size_t at = 0; at < follow->length && rows > 1; at += dump->layout.bytes, rows--) {
		const size_t rest = follow->length - at;

		rows_text(&dump->layout, dump->begin + at, follow->now + at,
			  rest < dump->layout.bytes ? rest : dump->layout.bytes,
			  is_first ? NULL : follow->before + at, text);
		screen_coloured(text);
	}
	snprintf(text, sizeof(text), "%.200s, every %.1f s; q ends", name ? name : "",
		 dump->settings->interval.is_given ? (double)dump->settings->interval.value / 1e9 : 1.0);
	screen_line(NULL, text);
	screen_show();
}

static int follow_changes(struct dump *dump, struct follow *follow)
{
	const uint64_t interval =
		dump->settings->interval.is_given ? dump->settings->interval.value : 1000000000u;
	int result = read_bytes(dump, follow->now, follow->length, dump->begin);
	bool is_first = true;
	int key = SCREEN_NONE;

	while (result == 0 && !screen_ends() && key != 'q') {
		if (dump->tool->is_terminal)
			draw(dump, follow, is_first);
		else if (!is_first)
			print_changes(dump, follow);
		else
			fflush(stdout);
		is_first = false;
		if (ferror(stdout))
			break;
		key = screen_wait(interval);
		if (!screen_ends() && key != 'q')
			result = read_again(dump, follow);
	}
	return result == -EINTR ? 0 : result;
}

static int follow(struct dump *dump, uint8_t *buffer)
{
	struct follow follow = {.length = (size_t)(dump->end - dump->begin)};
	int status, result;

	if (dump->end - dump->begin > FOLLOW_MAX)
		return report(dump->tool, STATUS_USAGE, dump->name,
			      "--follow takes at most 16M; choose a part by --offset and --length");
	follow.now = malloc(follow.length + 1);
	follow.before = malloc(follow.length + 1);
	result = follow.now && follow.before ? 0 : -ENOMEM;
	if (result == 0 && !dump->tool->is_terminal)
		result = print_rows(dump, buffer);
	if (result == 0) {
		result = screen_open(dump->tool->is_terminal);
		if (result == 0)
			result = follow_changes(dump, &follow);
		screen_close();
	}
	status = result < 0 ? complain(dump, result) : STATUS_DONE;
	free(follow.now);
	free(follow.before);
	return status;
}

/* --- the command --- */

/* Chooses the part. Returns a STATUS_*, after a message. */
static int choose(struct dump *dump)
{
	const struct settings *settings = dump->settings;
	struct stat found;
	uint64_t size;

	if (fstat(dump->fd, &found) < 0)
		return report_error(dump->tool, dump->name, -errno);
	size = (uint64_t)found.st_size;
	dump->begin = settings->offset.value;
	dump->end = size;
	if (dump->begin > size)
		return report(dump->tool, STATUS_NOT_AS_ASKED, dump->name,
			      "--offset lies beyond its end; it has %llu bytes", (unsigned long long)size);
	if (settings->length.is_given && settings->length.value < size - dump->begin)
		dump->end = dump->begin + settings->length.value;
	dump->layout.digits = 8;
	while (dump->layout.digits < 16 && dump->end >> 4 * dump->layout.digits)
		dump->layout.digits++;
	return STATUS_DONE;
}

static int print(struct dump *dump)
{
	uint8_t *buffer = malloc(BUFFER);
	int status, result = 0;

	if (!buffer)
		return report_error(dump->tool, NULL, -ENOMEM);
	status = choose(dump);
	if (status == STATUS_DONE && dump->settings->follow)
		status = follow(dump, buffer);
	else if (status == STATUS_DONE)
		result = dump->settings->json ? print_json(dump, buffer) : print_rows(dump, buffer);
	free(buffer);
	if (result < 0)
		return complain(dump, result);
	if (status == STATUS_DONE && !dump->settings->json && !dump->settings->follow)
		printf("%0*llx\n", dump->layout.digits, (unsigned long long)dump->end);
	return status;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct dump dump = {.tool = tool, .settings = settings, .name = argv[0], .fd = -1, .is_first = true};
	const char *relative, *wrong;
	int status;

	(void)argc;
	if (rows_parse(settings->as, &dump.layout, &wrong) < 0)
		return report(
			tool, STATUS_USAGE, wrong,
			"--as takes u8 u16 u32 u64 i8 i16 i32 i64 f32 f64, with commas, and be or le last");
	if (settings->json && settings->follow)
		return report(tool, STATUS_USAGE, "--json", "it is not for --follow");
	if (settings->interval.is_given && settings->interval.value < 1000000)
		return report(tool, STATUS_USAGE, "--interval", "it is 1ms at least");
	status = tool_find_name(tool, dump.name, *dump.name != '/', &relative);
	if (status != STATUS_DONE)
		return status;
	dump.fd = place_open_file(tool->mount_fd, relative, O_RDONLY);
	if (dump.fd == -EINVAL)
		return report(tool, STATUS_NOT_AS_ASKED, dump.name,
			      "it is no segment; 'segctl ls' lists them");
	if (dump.fd < 0)
		return report_error(tool, dump.name, dump.fd);
	dump.layout.colour = tool->colour && !settings->json;
	status = print(&dump);
	close(dump.fd);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_SIZE, settings, offset, "offset", 'o', "N", "from this byte on; with K, M, G"),
	COMMAND_OPTION(OPTION_SIZE, settings, length, "length", 'l', "N", "so many bytes"),
	COMMAND_OPTION(OPTION_TEXT, settings, as, "as", 'a', "LIST",
		       "numbers: u8 to u64, i8 to i64, f32, f64; be or le"),
	COMMAND_OPTION(OPTION_FLAG, settings, follow, "follow", 'f', NULL,
		       "again and again, what has changed"),
	COMMAND_OPTION(OPTION_TIME, settings, interval, "interval", 'i', "TIME", "... so often (1s)"),
	COMMAND_OPTION(OPTION_FLAG, settings, json, "json", 'J', NULL, "as JSON"),
	{0},
};

const struct command dump_command = {
	.name = "dump",
	.arguments = "NAME",
	.summary = "Shows the bytes of a segment, in hexadecimal or as numbers",
	.options = options,
	.more = "A list of types is a record, which is repeated; one type alone fills lines.\n"
		"* stands for lines that are equal to the one before; holes are named.\n\n"
		"Examples:\n"
		"  segctl dump video/ring -o 4K -l 256\n"
		"  segctl dump prices --as u64,f64,u32\n"
		"  segctl dump video/ring -l 512 --follow --interval 100ms\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_NAME,
	.run = run,
};
