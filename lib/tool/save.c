// SPDX-License-Identifier: MIT
/* segctl save: segments to a directory, or to an archive of tar(1). */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/filelock.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/selection.h"
#include "lib/tool/common/survey.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"
#include "lib/tool/save_archive.h"
#include "lib/tool/save_directory.h"
#include "lib/tool/saving.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
	struct option_number timeout;
	bool nonblock;
	struct saving_style style;
};

/* --- which segments --- */

/* Names below one mount. Returns a STATUS_*. */
static int find_names(struct tool *tool, char **argv, size_t n, const char **names)
{
	char mount[PATH_MAX] = "";

	for (size_t i = 0; i < n; i++) {
		const int status = tool_find_name(tool, argv[i], *argv[i] != '/', &names[i]);

		if (status != STATUS_DONE)
			return status;
		if (*mount && strcmp(mount, tool->mount) != 0)
			return report(tool, STATUS_USAGE, argv[i],
				      "it is on another mount than the names before; save it by itself");
		snprintf(mount, sizeof(mount), "%s", tool->mount);
		/* the path of the mount itself */
		if (*argv[i] == '/' && *names[i] == '\0')
			names[i] = "*";
	}
	return STATUS_DONE;
}

/* Leaves those that are meant. Reports names for which there is nothing. */
static int choose(struct tool *tool, struct survey *survey, const char *const *names, size_t n)
{
	bool *is_matched = calloc(n + 1, sizeof(bool));
	int status = STATUS_DONE;
	size_t kept = 0;

	if (!is_matched)
		return report_error(tool, NULL, -ENOMEM);
	for (size_t i = 0; i < survey->n; i++) {
		struct subject *subject = &survey->subjects[i];
		bool is_meant = false;

		for (size_t j = 0; j < n; j++)
			if (selection_matches(names[j], subject->name))
				is_meant = is_matched[j] = true;
		if (is_meant && !place_is_hidden(subject->name))
			survey->subjects[kept++] = *subject;
		else
			subject_free(subject);
	}
	survey->n = kept;
	for (size_t j = 0; j < n; j++)
		if (!is_matched[j])
			status = report(tool, STATUS_NOT_AS_ASKED, names[j],
					survey->unreadable
						? "there is no such segment that you may see"
						: "there is no such segment; 'segctl ls' lists all");
	free(is_matched);
	return status;
}

/* Whether a survey of these names finds all that is meant. */
static bool are_plain(const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (selection_is_pattern(names[i]))
			return false;
	return true;
}

static uint64_t count_bytes(const struct survey *survey)
{
	uint64_t total = 0;

	for (size_t i = 0; i < survey->n; i++) {
		const struct subject *subject = &survey->subjects[i];
		const uint64_t size = (uint64_t)subject->attr.st_size;
		const uint64_t resident = subject->resident < 0 ? size : (uint64_t)subject->resident;

		total += resident > size ? size : resident;
	}
	return total;
}

/* --- the command --- */

static int save(struct saving *saving)
{
	if (!save_is_archive(saving->path))
		return save_directory(saving);
	if (saving->style.resume)
		return report(saving->tool, STATUS_USAGE, "--resume",
			      "an archive cannot be continued; save to a directory");
	return save_archive(saving);
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	const size_t n = (size_t)argc - 1;
	_cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
	struct survey_request request = {.facts = FACT_KIND};
	struct survey survey;
	struct saving saving = {.tool = tool, .style = settings->style, .survey = &survey, .path = argv[n]};
	int status, missing;

	if (!names)
		return report_error(tool, NULL, -ENOMEM);
	status = find_names(tool, argv, n, names);
	if (status == STATUS_DONE && are_plain(names, n)) {
		request.patterns = names;
		request.n_patterns = n;
	}
	if (status == STATUS_DONE)
		status = survey_take(tool, &request, &survey);
	if (status != STATUS_DONE)
		return status;
	saving.style.timeout = filelock_timeout(settings->nonblock, &settings->timeout);
	missing = choose(tool, &survey, names, n);
	if (missing == STATUS_DONE)
		missing = survey.failed;
	saving.is_saved = calloc(survey.n + 1, sizeof(bool));
	progress_begin(&saving.progress, saving.style.quiet, count_bytes(&survey));
	if (!saving.is_saved)
		status = report_error(tool, NULL, -ENOMEM);
	else if (survey.n > 0)
		status = save(&saving);
	progress_end(&saving.progress);
	free(saving.is_saved);
	survey_free(&survey);
	return status == STATUS_DONE ? missing : status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, style.replace, "replace", 0, NULL,
		       "replace what is saved there"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.resume, "resume", 0, NULL,
		       "continue: leave out what is complete there"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.objects, "objects", 0, NULL,
		       "synchronization objects, too"),
	COMMAND_OPTION(OPTION_TIME, settings, timeout, "timeout", 't', "TIME",
		       "wait so long for the lock of a segment"),
	COMMAND_OPTION(OPTION_FLAG, settings, nonblock, "nonblock", 'n', NULL, "do not wait for it"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.quiet, "quiet", 'q', NULL, "no progress, no notes"),
	{0},
};

const struct command save_command = {
	.name = "save",
	.arguments = "NAME... DIRECTORY|FILE.tar|-",
	.summary = "Saves segments with policies, attributes, access lists and checksums",
	.options = options,
	.more = "NAME is a segment, a directory, or a pattern of glob(7). Holes stay holes.\n\n"
		"Examples:\n"
		"  segctl save video/ring /backup              to /backup/video/ring\n"
		"  segctl save 'video/*' video.tar\n"
		"  segctl save video - | ssh HOST segctl load -\n"
		"  segctl save --resume '*' /backup            all, after an interruption\n",
	.settings_size = sizeof(struct settings),
	.min = 2,
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
