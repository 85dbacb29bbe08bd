// SPDX-License-Identifier: MIT
/* segctl dump: the bytes of a segment as text, once or as they change. */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/dump_follow.h"
#include "lib/tool/dumping.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND 1000000000u

struct settings {
	struct option_number offset, length, interval;
	const char *as;
	bool follow, json;
};

static int print_json(struct dump *dump)
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
	result = dump_rows(dump, dump->begin, dump->end);
	printf("\n      ]\n   }\n}\n");
	return result;
}

/* Chooses the part. Returns a STATUS_*, after a message. */
static int choose(struct dump *dump, const struct settings *settings)
{
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

static int print(struct dump *dump, const struct settings *settings)
{
	const uint64_t length = settings->length.is_given ? settings->length.value : UINT64_MAX;
	const uint64_t interval = settings->interval.is_given ? settings->interval.value : SECOND;
	int status = choose(dump, settings);
	int result;

	if (status != STATUS_DONE)
		return status;
	if (settings->follow)
		return dump_follow(dump, length, interval);
	result = dump->json ? print_json(dump) : dump_rows(dump, dump->begin, dump->end);
	if (result < 0)
		return dump_complain(dump, result);
	if (!dump->json)
		printf("%0*llx\n", dump->layout.digits, (unsigned long long)dump->end);
	return STATUS_DONE;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	_cleanup_free_ uint8_t *buffer = malloc(DUMP_BUFFER);
	struct dump dump = {
		.tool = tool, .name = argv[0], .fd = -1, .json = settings->json, .buffer = buffer};
	const char *relative, *wrong;
	int status;

	(void)argc;
	if (!buffer)
		return report_error(tool, NULL, -ENOMEM);
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
	status = print(&dump, settings);
	close(dump.fd);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_SIZE, settings, offset, "offset", 'o', "N", "from this byte on; with K, M, G"),
	COMMAND_OPTION(OPTION_SIZE, settings, length, "length", 'l', "N", "so many bytes"),
	COMMAND_OPTION(OPTION_TEXT, settings, as, "as", 'a', "LIST",
		       "numbers: u8 to u64, i8 to i64, f32, f64; be or le"),
	COMMAND_OPTION(OPTION_FLAG, settings, follow, "follow", 'f', NULL,
		       "again and again, what has changed or grown"),
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
