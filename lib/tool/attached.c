// SPDX-License-Identifier: MIT
/* segctl attached: who uses segments. */
#include "lib/tool/common/attached.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/table.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include "lib/base/procfs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct settings {
	struct table_style style;
	const char *sort, *with;
	struct option_number process;
	bool writers, reverse;
};

enum column { NAME, PROCESS, COMMAND, USER, ACCESS, MODE, SINCE };

static const struct table_column columns[] = {
	[NAME] = {"NAME", TABLE_NAME, .help = "segment; empty: it has no name, or you may not know it"},
	[PROCESS] = {"PID", TABLE_NUMBER, .help = "process that opened it"},
	[COMMAND] = {"COMMAND", TABLE_LABEL, .help = "its name"},
	[USER] = {"USER", TABLE_LABEL, .help = "its user"},
	[ACCESS] = {"ACCESS", TABLE_TEXT, .help = "r, w or rw"},
	[MODE] = {"MODE", TABLE_TEXT, .help = "I/O mode; view: a view without an open; unknown: no answer"},
	[SINCE] = {"SINCE", TABLE_TIME, .help = "since when"},
	{0},
};

#define BY_DEFAULT "NAME,PID,COMMAND,USER,ACCESS,MODE,SINCE"

struct order {
	enum column column;
	bool reverse;
};

static int compare_texts(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int compare(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	const struct attached *first = a;
	const struct attached *second = b;
	int result = 0;

	if (order->column == PROCESS)
		result = first->process < second->process ? -1 : first->process > second->process;
	else if (order->column == COMMAND)
		result = strcmp(first->command, second->command);
	else if (order->column == SINCE)
		result = first->since < second->since ? -1 : first->since > second->since;
	if (result == 0)
		result = compare_texts(first->name, second->name);
	return order->reverse ? -result : result;
}

static int find_order(struct tool *tool, const struct settings *settings, struct order *order)
{
	static const enum column can[] = {NAME, PROCESS, COMMAND, SINCE};

	*order = (struct order){.column = NAME, .reverse = settings->reverse};
	for (size_t i = 0; i < sizeof(can) / sizeof(can[0]) && settings->sort; i++) {
		if (strcasecmp(columns[can[i]].name, settings->sort) != 0)
			continue;
		order->column = can[i];
		return STATUS_DONE;
	}
	return settings->sort ? report(tool, STATUS_USAGE, settings->sort,
				       "cannot sort by that; by NAME, PID, COMMAND or SINCE")
			      : STATUS_DONE;
}

static bool is_wanted(const struct settings *settings, const struct attached *user, int argc, char **argv)
{
	bool matches = argc == 0;

	for (int i = 0; i < argc && user->name; i++)
		matches = matches || survey_matches(argv[i], user->name);
	return matches && (!settings->process.is_given || user->process == (pid_t)settings->process.value) &&
	       (!settings->with || strcmp(user->command, settings->with) == 0) &&
	       (!settings->writers || strchr(user->access, 'w'));
}

static void set_line(struct table *table, size_t line, const struct attached *user)
{
	uid_t owner;

	if (user->name)
		table_text(table, line, NAME, user->name);
	table_number(table, line, PROCESS, user->process);
	table_text(table, line, COMMAND, user->command);
	if (procfs_user(user->process, &owner) == 0)
		table_user(table, line, USER, owner);
	table_text(table, line, ACCESS, user->access);
	table_text(table, line, MODE, user->mode);
	if (user->since)
		table_time(table, line, SINCE, user->since);
	if (strcmp(user->mode, "unknown") == 0)
		table_colour(table, line, "yellow");
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct attached_list list;
	struct table *table = NULL;
	struct order order;
	int status = find_order(tool, settings, &order);

	if (status == STATUS_DONE)
		status = table_open(tool, columns, BY_DEFAULT, &settings->style, "attached", &table);
	if (status != STATUS_DONE)
		return status < 0 ? STATUS_DONE : status;
	status = attached_read(tool, &list);
	if (status != STATUS_DONE) {
		table_free(table);
		return status;
	}
	qsort_r(list.users, list.n, sizeof(*list.users), compare, &order);
	for (size_t i = 0; i < list.n; i++)
		if (is_wanted(settings, &list.users[i], argc, argv))
			set_line(table, table_add(table, TABLE_NO_PARENT), &list.users[i]);
	status = table_close(tool, table);
	attached_free(&list);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_NUMBER, settings, process, "pid", 'p', "PID", "only those of a process"),
	COMMAND_OPTION(OPTION_TEXT, settings, with, "command", 'c', "NAME", "only processes of this name"),
	COMMAND_OPTION(OPTION_FLAG, settings, writers, "writers", 0, NULL, "only who may write"),
	COMMAND_OPTION(OPTION_TEXT, settings, sort, "sort", 's', "COLUMN",
		       "sort by NAME, PID, COMMAND or SINCE"),
	COMMAND_OPTION(OPTION_FLAG, settings, reverse, "reverse", 'r', NULL, "sort the other way round"),
	TABLE_OPTIONS(settings),
	{0},
};

const struct command attached_command = {
	.name = "attached",
	.arguments = "[PATTERN]...",
	.summary = "Lists who has segments open or mapped through the mount",
	.options = options,
	.more = "Root sees all, the owner of a segment its users, others their own.\n\n"
		"Examples:\n"
		"  segctl attached 'video/*' --writers\n"
		"  segctl attached --pid 4711 -n -o NAME\n",
	.settings_size = sizeof(struct settings),
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
