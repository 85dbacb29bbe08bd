// SPDX-License-Identifier: MIT
/* segctl gc: removes segments that nobody uses any more. */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/declared.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/prompt.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/table.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct settings {
	struct table_style style;
	const char *source;
	struct option_number older_than;
	bool yes, dry_run, each;
};

enum column { NAME, KIND, SIZE, AGE, OWNER, WHY, IDLE };

static const struct table_column columns[] = {
	[NAME] = {"NAME", TABLE_NAME, .help = "path below the mount"},
	[KIND] = {"KIND", TABLE_TEXT, .help = "segment, or which synchronization object"},
	[SIZE] = {"SIZE", TABLE_SIZE, .help = "bytes"},
	[AGE] = {"AGE", TABLE_TEXT, .right = true, .help = "for how long it has not been used, at least"},
	[OWNER] = {"OWNER", TABLE_LABEL, .help = "user"},
	[WHY] = {"WHY", TABLE_TEXT, .help = "why it is offered"},
	[IDLE] = {"IDLE", TABLE_TIME, .help = "since when it has not been used, at the latest"},
	{0},
};

#define BY_DEFAULT "NAME,KIND,SIZE,AGE,OWNER,WHY"
#define FACTS      (FACT_EXACT | FACT_KIND | FACT_ATTACHED | FACT_ORPHAN | FACT_IDLE)

/* --- what is offered --- */

/* Since when it has not been used, at the latest. */
static time_t idle_since(const struct subject *subject)
{
	const struct stat *attr = &subject->attr;
	time_t since;

	if (subject->idle && text_parse_time(subject->idle, &since) == 0)
		return since;
	since = attr->st_ctime > attr->st_mtime ? attr->st_ctime : attr->st_mtime;
	return attr->st_atime > since ? attr->st_atime : since;
}

static const char *reason(const struct subject *subject)
{
	switch (subject->source) {
	case SOURCE_SYSV:
		return "no process has it attached";
	case SOURCE_POSIX:
		return "no process maps it or has it open";
	default:
		return "nobody has it open or mapped";
	}
}

struct offer {
	const struct settings *settings;
	const struct declared_list *declared;
	time_t now;
	size_t unknown; /* how many were left out since it cannot be told whether they are used */
};

/* Whether a subject may be removed: by this user, for this long unused, and not declared by the
 * configuration. */
static bool is_offered(struct offer *offer, const struct subject *subject)
{
	const uid_t user = geteuid();
	const uint64_t least = offer->settings->older_than.value / 1000000000u;
	const time_t since = idle_since(subject);

	if (subject->source == SOURCE_PROCESS || subject->source == SOURCE_NONE ||
	    (user != 0 && user != subject->attr.st_uid))
		return false;
	if (subject->orphan == ORPHAN_UNKNOWN)
		offer->unknown++;
	if (subject->orphan != ORPHAN_YES || declared_has(offer->declared, subject->name))
		return false;
	return offer->now >= since && (uint64_t)(offer->now - since) >= least;
}

static void choose(struct offer *offer, struct survey *survey)
{
	size_t kept = 0;

	for (size_t i = 0; i < survey->n; i++) {
		if (is_offered(offer, &survey->subjects[i]))
			survey->subjects[kept++] = survey->subjects[i];
		else
			subject_free(&survey->subjects[i]);
	}
	survey->n = kept;
}

static int print(struct tool *tool, const struct survey *survey, const struct settings *settings, time_t now)
{
	struct table *table = NULL;
	int status = table_open(tool, columns, BY_DEFAULT, &settings->style, "orphans", &table);

	if (status != STATUS_DONE)
		return status;
	for (size_t i = 0; i < survey->n; i++) {
		const struct subject *subject = &survey->subjects[i];
		const size_t line = table_add(table, TABLE_NO_PARENT);
		char age[TEXT_TIME_MAX];

		text_age((int64_t)(now - idle_since(subject)), age);
		table_text(table, line, NAME, subject->name);
		table_text(table, line, KIND, subject->kind);
		table_size(table, line, SIZE, (uint64_t)subject->attr.st_size);
		table_text(table, line, AGE, age);
		table_user(table, line, OWNER, subject->attr.st_uid);
		table_text(table, line, WHY, reason(subject));
		table_time(table, line, IDLE, idle_since(subject));
	}
	return table_close(tool, table);
}

/* --- removal --- */

/*
 * Whether what has the name now is what was offered, and is still used by nobody. Who comes between this and
 * the removal keeps what he has opened.
 */
static int check_again(const struct tool *tool, int dir_fd, const char *last, const struct subject *subject)
{
	_cleanup_close_ int fd = openat(dir_fd, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct subject now;
	int result;

	if (fd < 0)
		return -errno;
	result = survey_look(tool, subject->name, fd, FACT_ORPHAN, NULL, &now);
	if (result == 0 && now.attr.st_ino != subject->attr.st_ino)
		result = -ESTALE;
	if (result == 0 && now.orphan != ORPHAN_YES)
		result = -EBUSY;
	subject_free(&now);
	return result;
}

/* Returns a STATUS_*, after a message. */
static int remove_one(struct tool *tool, const struct subject *subject)
{
	const char *last;
	_cleanup_close_ int dir_fd = place_open_directory(tool->mount_fd, subject->name, &last);
	int result = dir_fd < 0 ? dir_fd : check_again(tool, dir_fd, last, subject);

	if (result == 0 && unlinkat(dir_fd, last, 0) < 0)
		result = -errno;
	if (result == -ENOENT || result == -ESTALE)
		return report(tool, STATUS_DONE, subject->name,
			      "left alone: it is gone, or another one by now");
	if (result == -EBUSY)
		return report(tool, STATUS_DONE, subject->name, "left alone: it is used by now");
	return result < 0 ? report_error(tool, subject->name, result) : STATUS_DONE;
}

static bool confirmed_one(const struct subject *subject)
{
	_cleanup_free_ char *name = text_quote(subject->name);
	_cleanup_free_ char *question = NULL;

	if (asprintf(&question, "Remove %s?", name ? name : "?") < 0)
		return false;
	return prompt_confirmed(question);
}

static bool confirmed_all(const struct survey *survey)
{
	char question[128], size[TEXT_SIZE_MAX];
	uint64_t bytes = 0;

	for (size_t i = 0; i < survey->n; i++)
		bytes += (uint64_t)survey->subjects[i].attr.st_size;
	text_size(bytes, size);
	snprintf(question, sizeof(question), "Remove these %zu (%s)?", survey->n, size);
	return prompt_confirmed(question);
}

/* Removes what was offered, as far as that is wanted. Returns a STATUS_*. */
static int remove_all(struct tool *tool, const struct survey *survey, const struct settings *settings)
{
	size_t removed = 0;
	int result = STATUS_DONE;

	if (settings->dry_run || survey->n == 0)
		return STATUS_DONE;
	if (!settings->yes && !isatty(STDIN_FILENO))
		return report(
			tool, STATUS_NOT_AS_ASKED, NULL,
			"nothing was removed, since nobody can be asked; --yes removes these, --dry-run only "
			"lists them");
	if (!settings->yes && !settings->each && !confirmed_all(survey))
		return report(tool, STATUS_NOT_AS_ASKED, NULL, "nothing was removed");
	for (size_t i = 0; i < survey->n; i++) {
		int status;

		if (settings->each && !settings->yes && !confirmed_one(&survey->subjects[i]))
			continue;
		status = remove_one(tool, &survey->subjects[i]);
		removed += status == STATUS_DONE;
		result = result == STATUS_DONE ? status : result;
	}
	if (tool->is_terminal)
		report(tool, STATUS_DONE, NULL, "removed %zu of %zu", removed, survey->n);
	return result;
}

/* --- the command --- */

static int collect(struct tool *tool, const struct settings *settings, struct survey_request *request,
		   struct survey *survey)
{
	struct declared_list declared;
	struct offer offer = {.settings = settings, .declared = &declared, .now = time(NULL)};
	int status = tool_find_mount(tool, false);

	if (status == STATUS_DONE)
		status = declared_read(tool, &declared);
	if (status != STATUS_DONE)
		return status;
	status = survey_take(tool, request, survey);
	if (status == STATUS_DONE)
		choose(&offer, survey);
	declared_free(&declared);
	if (status == STATUS_DONE && offer.unknown)
		report(tool, STATUS_DONE, NULL,
		       "left alone: %zu of which it cannot be told whether anybody uses them", offer.unknown);
	return status;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct survey_request request = {
		.facts = FACTS, .patterns = (const char *const *)argv, .n_patterns = (size_t)argc};
	struct survey survey;
	int status = survey_parse_sources(tool, settings->source, &request.sources);

	if (status == STATUS_DONE)
		status = collect(tool, settings, &request, &survey);
	if (status != STATUS_DONE)
		return status;
	if (survey.n > 0 || settings->style.json || settings->style.columns)
		status = print(tool, &survey, settings, time(NULL));
	else if (tool->is_terminal)
		report(tool, STATUS_DONE, NULL, "there is nothing to remove");
	if (status == STATUS_DONE)
		status = remove_all(tool, &survey, settings);
	if (status == STATUS_DONE)
		status = survey.failed;
	survey_free(&survey);
	return status < 0 ? STATUS_DONE : status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, yes, "yes", 'y', NULL, "remove without asking"),
	COMMAND_OPTION(OPTION_FLAG, settings, dry_run, "dry-run", 0, NULL, "only list"),
	COMMAND_OPTION(OPTION_FLAG, settings, each, "interactive", 'i', NULL, "ask for each"),
	COMMAND_OPTION(OPTION_TIME, settings, older_than, "older-than", 0, "TIME",
		       "not used for so long, such as 2h"),
	COMMAND_OPTION(OPTION_TEXT, settings, source, "source", 0, "LIST", "only of store, posix, sysv"),
	TABLE_SIZE_OPTIONS(settings),
	{0},
};

const struct command gc_command = {
	.name = "gc",
	.arguments = "[PATTERN]...",
	.summary = "Lists segments that nobody uses, and removes those that you confirm",
	.options = options,
	.more = "Left alone is what the configuration declares, and what somebody may use.\n\n"
		"Examples:\n"
		"  segctl gc --source sysv,posix --dry-run\n"
		"  segctl gc 'scratch/*' --older-than 7d --yes\n",
	.settings_size = sizeof(struct settings),
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
