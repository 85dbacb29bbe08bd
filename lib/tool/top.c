// SPDX-License-Identifier: MIT
/* segctl top: the segments that matter most, live. */
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/screen.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"
#include "lib/tool/top_looks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define INTERVAL_NS UINT64_C(2000000000)
#define PLAIN_LINES 20 /* segments of a look that is not on a terminal */

struct settings {
	struct option_number delay, count;
	const char *sort, *source;
};

static const struct {
	char key;
	const char *name;
} orders[] = {
	[TOP_BY_SIZE] = {'s', "size"},     [TOP_BY_RESIDENT] = {'r', "resident"},
	[TOP_BY_GROWTH] = {'g', "growth"}, [TOP_BY_ATTACHED] = {'a', "attached"},
	[TOP_BY_WAITS] = {'w', "waits"},   [TOP_BY_NAME] = {'n', "name"},
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- what is written --- */

#define HEADING "    SIZE RESIDENT   GROWTH/s ATTACHED WAITS OWNER    NAME"

static void format_line(struct top *top, const struct top_line *line, char *text, size_t size)
{
	const struct subject *subject = line->subject;
	const char *owner = text_known_user(&top->owner, subject->attr.st_uid);
	_cleanup_free_ char *owner_text = text_quote(owner ? owner : "?");
	_cleanup_free_ char *name = text_quote(subject->name);
	char bytes[TEXT_SIZE_MAX], resident[TEXT_SIZE_MAX] = "-", growth[TEXT_SIZE_MAX + 1] = "",
				   attached[24] = "-", waits[16] = "";

	text_size((uint64_t)subject->attr.st_size, bytes);
	if (subject->resident >= 0)
		text_size((uint64_t)subject->resident, resident);
	if (line->growth != 0) {
		*growth = line->growth < 0 ? '-' : '+';
		text_size((uint64_t)(line->growth < 0 ? -line->growth : line->growth), growth + 1);
	}
	if (subject->attached >= 0)
		snprintf(attached, sizeof(attached), "%" PRId64, subject->attached);
	if (line->waits)
		snprintf(waits, sizeof(waits), "%u", line->waits);
	snprintf(text, size, "%8s %8s %10s %8s %5s %-8.8s %s", bytes, resident, growth, attached, waits,
		 owner_text ? owner_text : "?", name ? name : "?");
}

static void format_summary(const struct top *top, char *text, size_t size)
{
	const json_t *status = top->now.status;
	const double seconds = top_seconds(top);
	const int64_t requests = daemon_number(status, "requests") -
				 (top->before.status ? daemon_number(top->before.status, "requests") : 0);
	const int64_t ended = daemon_number(status, "workers_started") - 1;
	char bytes[TEXT_SIZE_MAX], resident[TEXT_SIZE_MAX];
	uint64_t sum = 0, sum_resident = 0;
	size_t held = 0, waiting = 0;

	for (size_t i = 0; i < top->n; i++) {
		sum += (uint64_t)top->lines[i].subject->attr.st_size;
		sum_resident +=
			top->lines[i].subject->resident < 0 ? 0 : (uint64_t)top->lines[i].subject->resident;
	}
	for (size_t i = 0; i < top->now.locks.n; i++)
		*(top->now.locks.locks[i].waits ? &waiting : &held) += 1;
	text_size(sum, bytes);
	text_size(sum_resident, resident);
	snprintf(text, size,
		 "%zu segments, %s, %s resident; locks: %zu held, %zu waiting; workers ended: %" PRId64
		 "; requests: %.0f/s",
		 top->n, bytes, resident, held, waiting, ended,
		 seconds > 0 ? (double)requests / seconds : 0.0);
}

static void draw_stores(const json_t *status)
{
	const json_t *stores = json_object_get(status, "stores");
	size_t i;
	json_t *store;

	json_array_foreach(stores, i, store)
	{
		const double used = (double)daemon_number(store, "bytes_used");
		const double limit = (double)daemon_number(store, "bytes_limit");
		const double part = limit > 0 ? used / limit : 0;
		_cleanup_free_ char *path = text_quote(daemon_text(store, "path"));
		char used_text[TEXT_SIZE_MAX], limit_text[TEXT_SIZE_MAX], bar[21];

		for (size_t at = 0; at < sizeof(bar) - 1; at++)
			bar[at] = (double)at < part * (double)(sizeof(bar) - 1) ? '#' : '.';
		bar[sizeof(bar) - 1] = '\0';
		text_size((uint64_t)used, used_text);
		text_size((uint64_t)limit, limit_text);
		screen_linef(part >= 0.9 ? "31" : NULL, "store %-20s [%s] %3.0f %% %s of %s",
			     path ? path : "?", bar, 100 * part, used_text, limit_text);
		/* many leave no room for segments */
		if (i == 3)
			break;
	}
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"s r g a w n   sort by size, resident, growth, attached, waits, name",
		"R             the other way round",
		"/             filter: a part of the name, or a pattern; Enter ends it",
		"Esc           no filter",
		"arrows, PgUp, PgDn, Home, End",
		"space         look now",
		"h ?           this help",
		"q             end",
	};

	for (size_t i = 0; i < LENGTH(lines); i++)
		screen_line(NULL, lines[i]);
}

static void draw(struct top *top)
{
	size_t columns, rows, room;
	char text[4 * PATH_MAX + 256], now[16];
	const time_t time_now = time(NULL);
	struct tm parts;
	const size_t stores = json_array_size(json_object_get(top->now.status, "stores"));
	const size_t above = 4 + (stores > 4 ? 4 : stores);

	screen_size(&columns, &rows);
	room = rows > above ? rows - above : 1;
	if (top->first + room > top->n)
		top->first = top->n > room ? top->n - room : 0;
	localtime_r(&time_now, &parts);
	strftime(now, sizeof(now), "%H:%M:%S", &parts);
	screen_begin();
	screen_linef("1", "segctl top - %s - %s, by %s%s", now, top->tool->mount, orders[top->order].name,
		     top->reverse ? ", reversed" : "");
	format_summary(top, text, sizeof(text));
	screen_line(NULL, text);
	draw_stores(top->now.status);
	if (top->types_filter || *top->filter)
		screen_linef("33", "filter: %s%s", top->filter, top->types_filter ? "_" : "");
	else
		screen_line(NULL, "h help, q end");
	screen_line("7", HEADING);
	if (top->help)
		draw_help();
	for (size_t i = top->first; i < top->n && i < top->first + room && !top->help; i++) {
		format_line(top, &top->lines[i], text, sizeof(text));
		screen_line(top->lines[i].waits ? "33" : NULL, text);
	}
	screen_show();
}

static void print_plain(struct top *top)
{
	char text[4 * PATH_MAX + 256];

	format_summary(top, text, sizeof(text));
	printf("%s\n%s\n", text, HEADING);
	for (size_t i = 0; i < top->n && i < PLAIN_LINES; i++) {
		format_line(top, &top->lines[i], text, sizeof(text));
		printf("%s\n", text);
	}
	putchar('\n');
	fflush(stdout);
}

/* --- keys --- */

static void type_filter(struct top *top, int key)
{
	const size_t length = strlen(top->filter);

	if (key == '\n' || key == '\r') {
		top->types_filter = false;
	} else if (key == SCREEN_ESCAPE) {
		top->types_filter = false;
		*top->filter = '\0';
	} else if (key == 127 || key == '\b') {
		if (length > 0)
			top->filter[length - 1] = '\0';
	} else if (key >= ' ' && key < 127 && length + 1 < sizeof(top->filter)) {
		top->filter[length] = (char)key;
		top->filter[length + 1] = '\0';
	}
}

static void scroll(struct top *top, int key)
{
	size_t columns, rows, page;

	screen_size(&columns, &rows);
	page = rows > 8 ? rows - 8 : 1;
	if (key == SCREEN_UP || key == SCREEN_PAGE_UP) {
		const size_t by = key == SCREEN_UP ? 1 : page;

		top->first -= top->first < by ? top->first : by;
	} else if (key == SCREEN_DOWN || key == SCREEN_PAGE_DOWN) {
		top->first += key == SCREEN_DOWN ? 1 : page;
	} else if (key == SCREEN_HOME) {
		top->first = 0;
	} else if (key == SCREEN_END) {
		top->first = top->n;
	}
}

/* Returns false if it asks to end. looks_now: set if it asks for a new look. */
static bool obey(struct top *top, int key, bool *looks_now)
{
	if (key == SCREEN_QUIT)
		return false;
	if (top->types_filter) {
		type_filter(top, key);
		return true;
	}
	if (key == 'q')
		return false;
	for (size_t i = 0; i < LENGTH(orders); i++)
		if (key == orders[i].key)
			top->order = (enum top_order)i;
	if (key == 'R')
		top->reverse = !top->reverse;
	else if (key == '/')
		top->types_filter = true;
	else if (key == SCREEN_ESCAPE)
		*top->filter = '\0';
	else if (key == 'h' || key == '?')
		top->help = !top->help;
	else if (key == ' ')
		*looks_now = true;
	else
		scroll(top, key);
	return true;
}

/* --- the command --- */

static int run_screen(struct top *top, uint64_t interval)
{
	bool goes_on = true;
	int status = STATUS_DONE;

	while (goes_on && status == STATUS_DONE) {
		uint64_t end;
		bool looks_now = false;

		status = top_take(top);
		end = boottime_nanoseconds() + interval;
		while (goes_on && status == STATUS_DONE && !looks_now) {
			const uint64_t now = boottime_nanoseconds();

			if (top_sort(top) < 0)
				return report_error(top->tool, NULL, -ENOMEM);
			draw(top);
			if (now >= end)
				break;
			goes_on = obey(top, screen_wait(end - now), &looks_now);
		}
	}
	return screen_ends() ? STATUS_DONE : status;
}

static int run_plain(struct top *top, const struct settings *settings, uint64_t interval)
{
	const struct timespec pause = {.tv_sec = (time_t)(interval / 1000000000u),
				       .tv_nsec = (long)(interval % 1000000000u)};

	for (uint64_t n = 0; !settings->count.is_given || n < settings->count.value; n++) {
		int status;

		if (n > 0)
			nanosleep(&pause, NULL);
		status = top_take(top);
		if (status != STATUS_DONE)
			return status;
		if (top_sort(top) < 0)
			return report_error(top->tool, NULL, -ENOMEM);
		print_plain(top);
		if (ferror(stdout))
			return STATUS_NOT_AS_ASKED;
	}
	return STATUS_DONE;
}

static int find_order(struct tool *tool, const char *name, enum top_order *order)
{
	for (size_t i = 0; name && i < LENGTH(orders); i++) {
		if (strcasecmp(orders[i].name, name) != 0)
			continue;
		*order = (enum top_order)i;
		return STATUS_DONE;
	}
	return name ? report(tool, STATUS_USAGE, name,
			     "cannot sort by that; by size, resident, growth, attached, waits or name")
		    : STATUS_DONE;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	const uint64_t interval = settings->delay.is_given ? settings->delay.value : INTERVAL_NS;
	struct top top = {
		.tool = tool,
		.request = {.facts = FACT_ATTACHED | FACT_CHEAP | FACT_RESIDENT,
			    .patterns = (const char *const *)argv,
			    .n_patterns = (size_t)argc},
	};
	const bool on_screen = tool->is_terminal && !settings->count.is_given;
	int status = find_order(tool, settings->sort, &top.order);

	if (status == STATUS_DONE)
		status = survey_parse_sources(tool, settings->source ? settings->source : "store,posix,sysv",
					      &top.request.sources);
	if (status == STATUS_DONE && interval < 100000000)
		status = report(tool, STATUS_USAGE, "--delay", "it is at least 100ms");
	if (status == STATUS_DONE)
		status = tool_find_mount(tool, false);
	if (status != STATUS_DONE)
		return status;
	if (on_screen && screen_open(true) == 0) {
		status = run_screen(&top, interval);
		screen_close();
	} else {
		status = run_plain(&top, settings, interval);
	}
	top_free(&top);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_TIME, settings, delay, "delay", 'd', "TIME", "time between two looks (2s)"),
	COMMAND_OPTION(OPTION_NUMBER, settings, count, "count", 'c', "N",
		       "look N times, and print plain lines"),
	COMMAND_OPTION(OPTION_TEXT, settings, sort, "sort", 's', "KEY",
		       "size, resident, growth, attached, waits, name"),
	COMMAND_OPTION(OPTION_TEXT, settings, source, "source", 0, "LIST",
		       "of these sources (store,posix,sysv)"),
	{0},
};

const struct command top_command = {
	.name = "top",
	.arguments = "[PATTERN]...",
	.summary = "Shows the largest segments, who waits, and the daemon, live",
	.options = options,
	.more = "On a terminal 'h' shows the keys; elsewhere each look prints its first 20 lines.\n\n"
		"Examples:\n"
		"  segctl top --sort growth\n"
		"  segctl top -c 1 'video/*'\n",
	.settings_size = sizeof(struct settings),
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
