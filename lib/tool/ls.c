// SPDX-License-Identifier: MIT
/* segctl ls: what there is. */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/screen.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/table.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

struct settings {
	struct table_style style;
	const char *sort;
	const char *source;
	struct option_number watch;
	bool tree, orphans, mine, reverse, null;
};

enum column {
	NAME,
	SOURCE,
	KIND,
	SIZE,
	RESIDENT,
	OWNER,
	GROUP,
	MODE,
	ATTACHED,
	SINCE,
	POLICY,
	ORPHAN,
	IDLE,
	MODIFIED,
	INODE,
	IO_MODE,
	KEY,
	SHMID,
	CREATOR,
	LAST,
};

static const struct table_column columns[] = {
	[NAME] = {"NAME", TABLE_NAME, .tree = true, .help = "path below the mount"},
	[SOURCE] = {"SOURCE", TABLE_TEXT, .help = "store, posix, sysv or process"},
	[KIND] = {"KIND", TABLE_TEXT, .help = "segment, or which synchronization object"},
	[SIZE] = {"SIZE", TABLE_SIZE, .help = "bytes"},
	[RESIDENT] = {"RESIDENT", TABLE_SIZE, .help = "bytes for which there is memory"},
	[OWNER] = {"OWNER", TABLE_LABEL, .help = "user"},
	[GROUP] = {"GROUP", TABLE_LABEL, .help = "group"},
	[MODE] = {"MODE", TABLE_TEXT, .help = "permissions"},
	[ATTACHED] = {"ATTACHED", TABLE_NUMBER, .help = "how many opens and views (posix, sysv: mappings)"},
	[SINCE] = {"SINCE", TABLE_TIME, .help = "when the first of those who use it opened it"},
	[POLICY] = {"POLICY", TABLE_TEXT, .help = "attributes that differ from the default"},
	[ORPHAN] = {"ORPHAN", TABLE_TEXT, .help = "yes: nobody uses it; unknown: that cannot be told"},
	[IDLE] = {"IDLE", TABLE_TEXT, .help = "since when nobody uses it"},
	[MODIFIED] = {"MODIFIED", TABLE_TIME, .help = "last change of its bytes by write(2)"},
	[INODE] = {"INODE", TABLE_NUMBER, .help = "inode number"},
	[IO_MODE] = {"IO-MODE", TABLE_TEXT, .help = "direct, mediated or relayed, see segfs(7)"},
	[KEY] = {"KEY", TABLE_TEXT, .help = "sysv: key"},
	[SHMID] = {"SHMID", TABLE_NUMBER, .help = "sysv: identifier"},
	[CREATOR] = {"CPID", TABLE_NUMBER, .help = "sysv: process that created it"},
	[LAST] = {"LPID", TABLE_NUMBER, .help = "sysv: last process that attached or detached it"},
	{0},
};

#define BY_DEFAULT "NAME,KIND,SIZE,RESIDENT,OWNER,MODE,ATTACHED,SINCE,POLICY,ORPHAN"

/* What each column needs. */
static const unsigned int needs[] = {
	[KIND] = FACT_KIND,      [RESIDENT] = FACT_RESIDENT, [ATTACHED] = FACT_ATTACHED,
	[SINCE] = FACT_ATTACHED, [POLICY] = FACT_POLICY,     [ORPHAN] = FACT_ORPHAN,
	[IDLE] = FACT_IDLE,      [IO_MODE] = FACT_IO_MODE,   [KEY] = FACT_SYSV,
	[SHMID] = FACT_SYSV,     [CREATOR] = FACT_SYSV,      [LAST] = FACT_SYSV,
};

#define NEEDS(column) ((column) < sizeof(needs) / sizeof(needs[0]) ? needs[column] : 0)

/* --- order --- */

static int compare_numbers(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* By the column; equal ones by name. */
static int compare_by(const struct subject *a, const struct subject *b, enum column column)
{
	switch (column) {
	case SIZE:
		return compare_numbers(b->attr.st_size, a->attr.st_size);
	case RESIDENT:
		return compare_numbers(b->resident, a->resident);
	case ATTACHED:
		return compare_numbers(b->attached, a->attached);
	case OWNER:
		return compare_numbers(a->attr.st_uid, b->attr.st_uid);
	case GROUP:
		return compare_numbers(a->attr.st_gid, b->attr.st_gid);
	case MODIFIED:
		return compare_numbers(b->attr.st_mtime, a->attr.st_mtime);
	case SINCE:
		return compare_numbers(a->since ? a->since : INT64_MAX, b->since ? b->since : INT64_MAX);
	case SOURCE:
		return compare_numbers(a->source, b->source);
	case KIND:
		return strcmp(a->kind, b->kind);
	case ORPHAN:
		return compare_numbers(b->orphan, a->orphan);
	case IDLE:
		return strcmp(a->idle ? a->idle : "~", b->idle ? b->idle : "~");
	case SHMID:
		return compare_numbers(a->shmid, b->shmid);
	default:
		return 0;
	}
}

struct order {
	enum column column;
	bool reverse;
};

static int compare(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	const struct subject *first = a;
	const struct subject *second = b;
	int result = compare_by(first, second, order->column);

	if (result == 0)
		result = strcmp(first->name, second->name);
	return order->reverse ? -result : result;
}

/* Returns a STATUS_*. */
static int find_order(struct tool *tool, const struct settings *settings, struct order *order)
{
	static const bool can[LAST + 1] = {
		[NAME] = true,   [SIZE] = true,  [RESIDENT] = true, [ATTACHED] = true, [OWNER] = true,
		[GROUP] = true,  [SINCE] = true, [MODIFIED] = true, [SOURCE] = true,   [KIND] = true,
		[ORPHAN] = true, [IDLE] = true,  [SHMID] = true,
	};

	*order = (struct order){.column = NAME, .reverse = settings->reverse};
	if (!settings->sort)
		return STATUS_DONE;
	for (size_t i = 0; i <= LAST; i++) {
		if (strcasecmp(columns[i].name, settings->sort) != 0 || !can[i])
			continue;
		order->column = (enum column)i;
		return STATUS_DONE;
	}
	return report(tool, STATUS_USAGE, settings->sort,
		      "cannot sort by that; by NAME, SIZE, RESIDENT, ATTACHED, "
		      "SINCE, MODIFIED, OWNER, GROUP, KIND, SOURCE, ORPHAN, IDLE or SHMID");
}

/* --- lines --- */

static const char *orphan_text(enum subject_orphan orphan)
{
	static const char *const texts[] = {"", "no", "yes", "unknown"};

	return texts[orphan];
}

/* Facts that files of this source have not stay empty. */
static void set_facts(struct table *table, size_t line, const struct subject *subject)
{
	if (subject->attached >= 0)
		table_number(table, line, ATTACHED, subject->attached);
	if (subject->since)
		table_time(table, line, SINCE, subject->since);
	if (subject->policy && *subject->policy)
		table_text(table, line, POLICY, subject->policy);
	if (subject->orphan != ORPHAN_NONE)
		table_text(table, line, ORPHAN, orphan_text(subject->orphan));
	if (subject->idle)
		table_text(table, line, IDLE, subject->idle);
	if (subject->io_mode)
		table_text(table, line, IO_MODE, subject->io_mode);
	if (*subject->key)
		table_text(table, line, KEY, subject->key);
	if (subject->shmid >= 0)
		table_number(table, line, SHMID, subject->shmid);
	if (subject->creator_pid >= 0)
		table_number(table, line, CREATOR, subject->creator_pid);
	if (subject->last_pid >= 0)
		table_number(table, line, LAST, subject->last_pid);
}

static void set_line(struct table *table, size_t line, const struct subject *subject, const char *name)
{
	char mode[TEXT_MODE_MAX];

	text_mode(subject->attr.st_mode, mode);
	table_text(table, line, NAME, name);
	table_text(table, line, SOURCE, survey_source_name(subject->source));
	table_text(table, line, KIND, subject->kind);
	table_size(table, line, SIZE, (uint64_t)subject->attr.st_size);
	if (subject->resident >= 0)
		table_size(table, line, RESIDENT, (uint64_t)subject->resident);
	table_user(table, line, OWNER, subject->attr.st_uid);
	table_group(table, line, GROUP, subject->attr.st_gid);
	table_text(table, line, MODE, mode);
	table_time(table, line, MODIFIED, subject->attr.st_mtime);
	table_number(table, line, INODE, (int64_t)subject->attr.st_ino);
	set_facts(table, line, subject);
	if (subject->orphan == ORPHAN_YES)
		table_colour(table, line, "yellow");
}

/*
 * Finds or adds the line of a directory, and those above it. The subjects are sorted by name, so that the
 * last directory of each depth is remembered.
 */
struct branch {
	char path[PATH_MAX]; /* the directory of `lines`, with slashes */
	size_t lines[64];
	size_t depth;
};

static size_t find_parent(struct table *table, struct branch *branch, const char *name, const char **last)
{
	size_t depth = 0, parent = TABLE_NO_PARENT;
	const char *at = name;

	for (const char *slash; (slash = strchr(at, '/')) && depth < 64; at = slash + 1, depth++) {
		const size_t end = (size_t)(slash - name) + 1;
		const bool is_known = depth < branch->depth && strncmp(branch->path, name, end) == 0;
		char component[NAME_MAX + 2];

		if (!is_known) {
			branch->lines[depth] = table_add(table, parent);
			snprintf(component, sizeof(component), "%.*s", (int)(slash - at), at);
			table_text(table, branch->lines[depth], NAME, component);
			branch->depth = depth;
			snprintf(branch->path, sizeof(branch->path), "%.*s", (int)end, name);
		}
		parent = branch->lines[depth];
		branch->depth = depth + 1 > branch->depth ? depth + 1 : branch->depth;
	}
	*last = at;
	return parent;
}

static void add_lines(struct table *table, const struct survey *survey, const struct settings *settings)
{
	struct branch branch = {0};

	for (size_t i = 0; i < survey->n; i++) {
		const struct subject *subject = &survey->subjects[i];
		const char *name = subject->name;
		size_t parent = TABLE_NO_PARENT;

		if (settings->tree)
			parent = find_parent(table, &branch, subject->name, &name);
		set_line(table, table_add(table, parent), subject, name);
	}
}

/* --- the command --- */

static void choose(struct survey *survey, const struct settings *settings)
{
	const uid_t user = geteuid();
	size_t kept = 0;

	for (size_t i = 0; i < survey->n; i++) {
		struct subject *subject = &survey->subjects[i];

		if ((settings->orphans && subject->orphan != ORPHAN_YES) ||
		    (settings->mine && subject->attr.st_uid != user))
			subject_free(subject);
		else
			survey->subjects[kept++] = *subject;
	}
	survey->n = kept;
}

static void print_names(const struct survey *survey)
{
	for (size_t i = 0; i < survey->n; i++)
		fwrite(survey->subjects[i].name, strlen(survey->subjects[i].name) + 1, 1, stdout);
}

struct list {
	struct tool *tool;
	const struct settings *settings;
	const struct survey_request *request;
	struct order order;
	const size_t *chosen; /* columns */
	size_t n;
};

/* Takes stock, and drops what is not asked for. survey: released by survey_free(). Returns a STATUS_*. */
static int take(struct list *list, struct survey *survey)
{
	int status = survey_take(list->tool, list->request, survey);

	if (status != STATUS_DONE)
		return status;
	choose(survey, list->settings);
	if (list->order.column != NAME || list->order.reverse)
		qsort_r(survey->subjects, survey->n, sizeof(*survey->subjects), compare, &list->order);
	return STATUS_DONE;
}

/* The lines of a survey as a table; NULL without memory. */
static struct table *make_table(const struct list *list, const struct survey *survey)
{
	struct table *table =
		table_new(list->tool, columns, list->chosen, list->n, &list->settings->style, "segments");

	if (table)
		add_lines(table, survey, list->settings);
	return table;
}

static int list_once(struct list *list)
{
	struct survey survey;
	struct table *table;
	int status = take(list, &survey);

	if (status != STATUS_DONE)
		return status;
	if (list->settings->null) {
		print_names(&survey);
	} else {
		table = make_table(list, &survey);
		status = table ? table_close(list->tool, table) : report_error(list->tool, NULL, -ENOMEM);
	}
	if (survey.unreadable && list->tool->is_terminal)
		report(list->tool, STATUS_DONE, NULL, "left out: %zu directories that you may not read",
		       survey.unreadable);
	if (survey.has_unknown && list->tool->is_terminal)
		report(list->tool, STATUS_DONE, NULL,
		       "a process did not answer: files of it may be missing, and counts too low");
	if (status == STATUS_DONE)
		status = survey.failed;
	if (status == STATUS_DONE && survey.n == 0 && list->request->n_patterns > 0)
		status = report(list->tool, STATUS_NOT_AS_ASKED, list->request->patterns[0],
				"there is no such segment");
	survey_free(&survey);
	return status;
}

/* --- again and again --- */

static int draw(struct list *list)
{
	struct survey survey;
	struct table *table;
	_cleanup_free_ char *text = NULL;
	int status = take(list, &survey);

	if (status != STATUS_DONE)
		return status;
	table = make_table(list, &survey);
	text = table ? table_take_text(table) : NULL;
	survey_free(&survey);
	if (!text)
		return report_error(list->tool, NULL, -ENOMEM);
	screen_begin();
	for (const char *line = text; *line; line += *line == '\n') {
		screen_line(line == text && !list->settings->style.no_headings ? "7" : NULL, line);
		line = strchrnul(line, '\n');
	}
	screen_show();
	return STATUS_DONE;
}

static int watch_screen(struct list *list, uint64_t interval)
{
	int status = STATUS_DONE;
	int key = SCREEN_NONE;

	while (status == STATUS_DONE && key != SCREEN_QUIT && key != 'q') {
		status = draw(list);
		if (status == STATUS_DONE)
			key = screen_wait(interval);
	}
	screen_close();
	return screen_ends() ? STATUS_DONE : status;
}

static int watch(struct list *list, uint64_t interval)
{
	const struct timespec pause = {.tv_sec = (time_t)(interval / 1000000000u),
				       .tv_nsec = (long)(interval % 1000000000u)};
	int status;

	if (list->tool->is_terminal && !list->settings->style.json && !list->settings->null &&
	    screen_open(true) == 0)
		return watch_screen(list, interval);
	do {
		status = list_once(list);
		putchar('\n');
		fflush(stdout);
		if (status == STATUS_DONE)
			nanosleep(&pause, NULL);
	} while (status == STATUS_DONE && !ferror(stdout));
	return status;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct survey_request request = {.patterns = (const char *const *)argv, .n_patterns = (size_t)argc};
	_cleanup_free_ size_t *chosen = NULL;
	struct order order;
	struct list list;
	size_t n = 0;
	int status = table_choose(tool, columns, BY_DEFAULT, &settings->style, &chosen, &n);

	if (status < 0)
		return STATUS_DONE;
	if (status == STATUS_DONE)
		status = find_order(tool, settings, &order);
	if (status == STATUS_DONE)
		status = survey_parse_sources(tool, settings->source, &request.sources);
	if (status != STATUS_DONE)
		return status;
	if (settings->watch.is_given && settings->watch.value < 100000000)
		return report(tool, STATUS_USAGE, "--watch", "it is at least 100ms");
	request.quiet = settings->watch.is_given;
	if (settings->tree && (order.column != NAME || order.reverse))
		return report(tool, STATUS_USAGE, "--tree", "a tree is sorted by name");
	for (size_t i = 0; i < n && !settings->null; i++)
		request.facts |= NEEDS(chosen[i]);
	request.facts |= NEEDS(order.column) | (settings->orphans ? FACT_ORPHAN | FACT_EXACT : 0);
	list = (struct list){.tool = tool,
			     .settings = settings,
			     .request = &request,
			     .order = order,
			     .chosen = chosen,
			     .n = n};
	return settings->watch.is_given ? watch(&list, settings->watch.value) : list_once(&list);
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_TEXT, settings, sort, "sort", 's', "COLUMN", "sort by this column"),
	COMMAND_OPTION(OPTION_FLAG, settings, reverse, "reverse", 'r', NULL, "sort the other way round"),
	COMMAND_OPTION(OPTION_FLAG, settings, tree, "tree", 't', NULL, "draw directories as a tree"),
	COMMAND_OPTION(OPTION_TEXT, settings, source, "source", 0, "LIST",
		       "only of store, posix, sysv, process"),
	COMMAND_OPTION(OPTION_FLAG, settings, orphans, "orphans", 0, NULL, "only those that nobody uses"),
	COMMAND_OPTION(OPTION_FLAG, settings, mine, "mine", 0, NULL, "only my own"),
	COMMAND_OPTION(OPTION_TIME, settings, watch, "watch", 'w', "TIME",
		       "again and again, at this interval"),
	COMMAND_OPTION(OPTION_FLAG, settings, null, "null", '0', NULL, "names only, each ended by a 0 byte"),
	TABLE_SIZE_OPTIONS(settings),
	{0},
};

const struct command ls_command = {
	.name = "ls",
	.arguments = "[PATTERN]...",
	.summary = "Lists segments and synchronization objects of all sources",
	.options = options,
	.more = "Examples:\n"
		"  segctl ls                            everything\n"
		"  segctl ls 'video/*' -o NAME,SIZE     what a pattern of glob(7) matches\n"
		"  segctl ls --source sysv,posix --orphans\n"
		"  segctl ls --json | jq '.segments[] | select(.attached > 2)'\n",
	.settings_size = sizeof(struct settings),
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
