// SPDX-License-Identifier: MIT
/* segctl locks: locks on segments, and who waits for whom. */
#include "lib/tool/common/locks.h"
#include "lib/base/cleanup.h"
#include "lib/base/procfs.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/table.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
	struct table_style style;
	struct option_number process;
	bool waits, waiting;
};

enum column { NAME, PROCESS, COMMAND, STATE, KIND, TYPE, ENFORCED, START, END, SINCE };

static const struct table_column columns[] = {
	[NAME] = {"NAME", TABLE_NAME, .help = "segment; empty: it has no name, or you may not know it"},
	[PROCESS] = {"PID", TABLE_NUMBER, .help = "process; empty: an open file description has the lock"},
	[COMMAND] = {"COMMAND", TABLE_LABEL, .tree = true, .help = "its name"},
	[STATE] = {"STATE", TABLE_TEXT, .help = "held, waits or deadlock"},
	[KIND] = {"KIND", TABLE_TEXT, .help = "process, open (both fcntl), flock; access: a read or write"},
	[TYPE] = {"TYPE", TABLE_TEXT, .help = "shared or exclusive"},
	[ENFORCED] = {"ENFORCED", TABLE_TEXT, .help = "advisory or mandatory"},
	[START] = {"START", TABLE_NUMBER, .help = "first byte"},
	[END] = {"END", TABLE_NUMBER, .help = "last byte; empty: no end"},
	[SINCE] = {"SINCE", TABLE_TIME, .help = "since when; empty: the kernel keeps the locks"},
	{0},
};

#define BY_DEFAULT "NAME,PID,COMMAND,STATE,KIND,TYPE,START,END,SINCE"
#define WITH_WAITS "COMMAND,PID,STATE,NAME,KIND,TYPE,START,END,SINCE"

static const char *kind_name(const char *kind)
{
	static const struct {
		const char *kind, *name;
	} names[] = {{"POSIX", "process"}, {"OFDLCK", "open"}, {"FLOCK", "flock"}, {"ACCESS", "access"}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(kind, names[i].kind) == 0)
			return names[i].name;
	return "other";
}

static void set_line(struct table *table, size_t line, const struct lock_line *lock, bool is_deadlock)
{
	char command[PROCFS_COMMAND_MAX] = "-";

	if (lock->name)
		table_text(table, line, NAME, lock->name);
	if (lock->process > 0) {
		table_number(table, line, PROCESS, lock->process);
		procfs_command(lock->process, command);
	}
	table_text(table, line, COMMAND, command);
	table_text(table, line, STATE, is_deadlock ? "deadlock" : lock->waits ? "waits" : "held");
	table_text(table, line, KIND, kind_name(lock->kind));
	table_text(table, line, TYPE, lock->exclusive ? "exclusive" : "shared");
	table_text(table, line, ENFORCED, lock->mandatory ? "mandatory" : "advisory");
	table_number(table, line, START, (int64_t)lock->start);
	if (lock->end != UINT64_MAX)
		table_number(table, line, END, (int64_t)lock->end);
	if (lock->since)
		table_time(table, line, SINCE, lock->since);
	if (is_deadlock || lock->waits)
		table_colour(table, line, is_deadlock ? "red" : "yellow");
}

static bool is_wanted(const struct settings *settings, const struct lock_line *lock, int argc, char **argv)
{
	bool matches = argc == 0;

	for (int i = 0; i < argc && lock->name; i++)
		matches = matches || survey_matches(argv[i], lock->name);
	return matches && (!settings->waiting || lock->waits) &&
	       (!settings->process.is_given || lock->process == (pid_t)settings->process.value);
}

/* --- who waits for whom --- */

/*
 * The lock below which a lock is drawn: of one that waits, the one that it waits for; of one that is held,
 * one for which the same process waits, so that a chain of processes is one branch.
 */
static size_t above(const struct lock_list *list, size_t lock)
{
	if (list->locks[lock].waits)
		return locks_blocker(list, lock);
	for (size_t i = 0; i < list->n && list->locks[lock].process > 0; i++)
		if (list->locks[i].waits && list->locks[i].process == list->locks[lock].process)
			return i;
	return LOCKS_NONE;
}

struct drawing {
	struct table *table;
	const struct lock_list *list;
	size_t *above; /* of each lock */
	size_t *lines; /* of each lock in the table; LOCKS_NONE = not drawn */
};

/* Whether the way up from a lock leads back to it. */
static bool is_in_circle(const struct drawing *drawing, size_t lock)
{
	size_t at = drawing->above[lock];

	for (size_t steps = 0; at != LOCKS_NONE && at != lock && steps <= drawing->list->n; steps++)
		at = drawing->above[at];
	return at == lock;
}

/* Draws a lock below what it depends on; of a circle, where it ends is arbitrary. Returns its line. */
static size_t draw(struct drawing *drawing, size_t lock, size_t depth)
{
	size_t parent = drawing->above[lock];

	if (drawing->lines[lock] != LOCKS_NONE)
		return drawing->lines[lock];
	parent = parent == LOCKS_NONE || depth == 0 ? TABLE_NO_PARENT : draw(drawing, parent, depth - 1);
	/* one of a circle is drawn by now */
	if (drawing->lines[lock] == LOCKS_NONE) {
		drawing->lines[lock] = table_add(drawing->table, parent);
		set_line(drawing->table, drawing->lines[lock], &drawing->list->locks[lock],
			 is_in_circle(drawing, lock));
	}
	return drawing->lines[lock];
}

/* Draws those that wait, and those that are in their way. Returns 0; -ENOMEM. */
static int draw_all(struct table *table, const struct lock_list *list, const struct settings *settings,
		    int argc, char **argv)
{
	_cleanup_free_ size_t *ways = calloc(list->n + 1, sizeof(*ways));
	_cleanup_free_ size_t *lines = calloc(list->n + 1, sizeof(*lines));
	struct drawing drawing = {.table = table, .list = list, .above = ways, .lines = lines};

	if (!ways || !lines)
		return -ENOMEM;
	for (size_t i = 0; i < list->n; i++) {
		drawing.above[i] = above(list, i);
		drawing.lines[i] = LOCKS_NONE;
	}
	for (size_t i = 0; i < list->n; i++)
		if (list->locks[i].waits && is_wanted(settings, &list->locks[i], argc, argv))
			draw(&drawing, i, list->n);
	return 0;
}

/* --- the command --- */

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct lock_list list;
	struct table *table = NULL;
	int result = 0;
	int status = table_open(tool, columns, settings->waits ? WITH_WAITS : BY_DEFAULT, &settings->style,
				"locks", &table);

	if (status != STATUS_DONE)
		return status < 0 ? STATUS_DONE : status;
	status = locks_read(tool, &list);
	if (status != STATUS_DONE) {
		table_free(table);
		return status;
	}
	if (settings->waits)
		result = draw_all(table, &list, settings, argc, argv);
	for (size_t i = 0; i < list.n && !settings->waits; i++)
		if (is_wanted(settings, &list.locks[i], argc, argv))
			set_line(table, table_add(table, TABLE_NO_PARENT), &list.locks[i], false);
	status = table_close(tool, table);
	locks_free(&list);
	return result < 0 ? report_error(tool, NULL, result) : status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, waits, "waits", 'w', NULL, "draw who waits for whom"),
	COMMAND_OPTION(OPTION_FLAG, settings, waiting, "waiting", 0, NULL, "only locks that are waited for"),
	COMMAND_OPTION(OPTION_NUMBER, settings, process, "pid", 'p', "PID", "only those of a process"),
	TABLE_OPTIONS(settings),
	{0},
};

const struct command locks_command = {
	.name = "locks",
	.arguments = "[PATTERN]...",
	.summary = "Lists locks on segments, and who waits for them",
	.options = options,
	.more = "Root sees all locks, the owner of a segment those on it, others their own.\n\n"
		"Examples:\n"
		"  segctl locks video/ring\n"
		"  segctl locks --waits            the last of each branch waits for all above it\n",
	.settings_size = sizeof(struct settings),
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
