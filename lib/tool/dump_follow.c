// SPDX-License-Identifier: MIT
#include "lib/tool/dump_follow.h"
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/screen.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/dumping.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FOLLOW_MAX ((uint64_t)16 << 20) /* bytes that are kept to compare with */

/* What a look has found. */
struct look {
	uint8_t *data;
	size_t length, max;
};

struct follow {
	struct dump *dump;
	uint64_t length;         /* that is shown at most */
	bool is_bounded;         /* by the user, otherwise by FOLLOW_MAX */
	uint64_t interval;       /* nanoseconds */
	struct look now, before; /* the last look, and the one before */
	bool has_before;
	uint64_t size;    /* of the segment, at the last look */
	size_t longest;   /* of all looks */
	bool is_too_long; /* which was told */
};

/* --- looking --- */

static int make_room(struct look *look, size_t length)
{
	uint8_t *larger;

	if (length <= look->max)
		return 0;
	larger = realloc(look->data, length);
	if (!larger)
		return -ENOMEM;
	look->data = larger;
	look->max = length;
	return 0;
}

/* Reads what the segment has of the part now. Returns 0; -ENODATA, it became shorter meanwhile; an errno. */
static int read_part(struct follow *follow)
{
	const struct dump *dump = follow->dump;
	struct stat found;
	uint64_t length;
	int result;

	if (fstat(dump->fd, &found) < 0)
		return -errno;
	follow->size = (uint64_t)found.st_size;
	length = follow->size > dump->begin ? follow->size - dump->begin : 0;
	if (length > follow->length)
		length = follow->length;
	result = make_room(&follow->now, (size_t)length);
	if (result < 0)
		return result;
	follow->now.length = (size_t)length;
	return dump_read(dump, follow->now.data, follow->now.length, dump->begin);
}

static int look_again(struct follow *follow)
{
	const struct look before = follow->before;
	int result;

	follow->before = follow->now;
	follow->now = before;
	do
		result = read_part(follow);
	while (result == -ENODATA && !screen_ends());
	if (follow->now.length > follow->longest)
		follow->longest = follow->now.length;
	return result;
}

/* Bytes of the row at this place. */
static size_t row_length(const struct follow *follow, const struct look *look, size_t at)
{
	const size_t rest = at < look->length ? look->length - at : 0;

	return rest < follow->dump->layout.bytes ? rest : follow->dump->layout.bytes;
}

/* The row as it was; NULL if it is a new one, or has another length. */
static const uint8_t *row_before(const struct follow *follow, size_t at)
{
	if (!follow->has_before ||
	    row_length(follow, &follow->before, at) != row_length(follow, &follow->now, at))
		return NULL;
	return follow->before.data + at;
}

/* --- in a pipe or file --- */

static void print_end(const struct follow *follow)
{
	const size_t less = follow->before.length - follow->now.length;

	printf("%0*llx  -- end: it became shorter by %zu byte%s --\n", follow->dump->layout.digits,
	       (unsigned long long)follow->size, less, less == 1 ? "" : "s");
}

/* Tells once that the segment goes on. */
static void print_limit(struct follow *follow)
{
	const uint64_t end = follow->dump->begin + FOLLOW_MAX;

	if (follow->is_bounded || follow->is_too_long || follow->size <= end)
		return;
	follow->is_too_long = true;
	printf("%0*llx  -- --follow takes at most 16M; what is beyond is not shown --\n",
	       follow->dump->layout.digits, (unsigned long long)end);
}

/*
 * Prints a line for each row that has changed, then the rows that are new. These are read again, for their
 * holes: bytes that have changed since the look differ from it at the next one.
 */
static int print_changes(struct follow *follow)
{
	struct dump *dump = follow->dump;
	char text[ROWS_TEXT_MAX];
	int result = 0;
	size_t at;

	for (at = 0; at < follow->now.length && at < follow->before.length; at += dump->layout.bytes) {
		const size_t length = row_length(follow, &follow->now, at);
		const uint8_t *before = row_before(follow, at);

		if (before && memcmp(follow->now.data + at, before, length) == 0)
			continue;
		rows_text(&dump->layout, dump->begin + at, follow->now.data + at, length, NULL, text);
		puts(text);
	}
	if (at < follow->now.length)
		result = dump_rows(dump, dump->begin + at, dump->begin + follow->now.length);
	if (follow->now.length < follow->before.length)
		print_end(follow);
	print_limit(follow);
	fflush(stdout);
	/* the next look tells of it */
	return result == -ENODATA ? 0 : result;
}

/* --- on a terminal --- */

/* Draws as many rows as the terminal has; what has changed since the last time is highlighted. */
static void draw(const struct follow *follow)
{
	const struct dump *dump = follow->dump;
	_cleanup_free_ char *name = text_quote(dump->name);
	char text[ROWS_TEXT_MAX], size[TEXT_SIZE_MAX];
	const bool is_shorter = follow->now.length < follow->longest;
	size_t rows, columns;

	screen_size(&columns, &rows);
	screen_begin();
	for (size_t at = 0; at < follow->now.length && rows > 1; at += dump->layout.bytes, rows--) {
		rows_text(&dump->layout, dump->begin + at, follow->now.data + at,
			  row_length(follow, &follow->now, at), row_before(follow, at), text);
		screen_coloured(text);
	}
	text_size(follow->size, size);
	snprintf(text, sizeof(text), "%.200s, every %.1f s; q ends%s%s", name ? name : "",
		 (double)follow->interval / 1e9, is_shorter ? "; it became shorter: " : "",
		 is_shorter ? size : "");
	screen_line(NULL, text);
	screen_show();
}

/* --- both --- */

/* Shows a look. Returns 0; a negative errno. */
static int show(struct follow *follow)
{
	if (follow->dump->tool->is_terminal)
		draw(follow);
	else
		return print_changes(follow);
	return 0;
}

static int follow_changes(struct follow *follow)
{
	int result = look_again(follow);
	int key = SCREEN_NONE;

	while (result == 0 && !screen_ends() && key != 'q') {
		result = show(follow);
		if (result < 0 || ferror(stdout))
			break;
		follow->has_before = true;
		key = screen_wait(follow->interval);
		if (!screen_ends() && key != 'q')
			result = look_again(follow);
	}
	return result == -EINTR || (result == -ENODATA && screen_ends()) ? 0 : result;
}

int dump_follow(struct dump *dump, uint64_t length, uint64_t interval)
{
	struct follow follow = {
		.dump = dump,
		.length = length < FOLLOW_MAX ? length : FOLLOW_MAX,
		.is_bounded = length <= FOLLOW_MAX,
		.interval = interval,
	};
	int result;

	if (dump->end - dump->begin > FOLLOW_MAX)
		return report(dump->tool, STATUS_USAGE, dump->name,
			      "--follow takes at most 16M; choose a part by --offset and --length");
	result = screen_open(dump->tool->is_terminal);
	if (result == 0)
		result = follow_changes(&follow);
	screen_close();
	free(follow.now.data);
	free(follow.before.data);
	return result < 0 ? dump_complain(dump, result) : STATUS_DONE;
}
