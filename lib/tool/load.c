// SPDX-License-Identifier: MIT
/* segctl load: segments from a directory or archive of segctl save. */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/depot.h"
#include "lib/tool/common/filelock.h"
#include "lib/tool/common/place.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"
#include "lib/tool/load_archive.h"
#include "lib/tool/load_directory.h"
#include "lib/tool/loading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct settings {
	const char *to;
	struct option_number timeout;
	bool nonblock, verify, objects;
	struct landing_style style;
};

static int load_file(struct loading *loading)
{
	_cleanup_close_ int fd = open(loading->source, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct stat found;

	if (fd < 0 || fstat(fd, &found) < 0)
		return depot_report(loading->tool, loading->source, NULL, -errno);
	loading->progress.total = (uint64_t)found.st_size;
	return load_archive(loading, fd);
}

static int load(struct loading *loading)
{
	struct stat found;

	if (strcmp(loading->source, "-") == 0) {
		if (isatty(STDIN_FILENO))
			return report(loading->tool, STATUS_USAGE, "-",
				      "an archive does not come from a terminal; redirect the input");
		loading->source = "standard input";
		return load_archive(loading, STDIN_FILENO);
	}
	if (stat(loading->source, &found) == 0 && S_ISDIR(found.st_mode))
		return load_directory(loading);
	return load_file(loading);
}

/* --- the command --- */

static int check_settings(struct tool *tool, const struct settings *settings)
{
	if (settings->style.replace && settings->style.in_place)
		return report(tool, STATUS_USAGE, "--in-place", "it is either --replace or --in-place");
	if (settings->to && !manifest_is_name(settings->to))
		return report(tool, STATUS_USAGE, settings->to,
			      "--to takes a directory below the mount, without . and ..");
	return STATUS_DONE;
}

static int check_patterns(const struct loading *loading)
{
	int status = STATUS_DONE;

	for (size_t i = 0; i < loading->n_patterns; i++)
		if (!loading->is_matched[i])
			status = report(loading->tool, STATUS_NOT_AS_ASKED, loading->patterns[i],
					"there is no such segment in %s", loading->source);
	return status;
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	struct loading loading = {
		.tool = tool,
		.to = settings->to,
		.verifies = settings->verify,
		.objects = settings->objects,
		.style = settings->style,
		.source = argv[0],
		.patterns = (const char *const *)argv + 1,
		.n_patterns = (size_t)argc - 1,
	};
	struct place_swept swept = {0};
	int status = check_settings(tool, settings);

	if (status == STATUS_DONE && !settings->verify)
		status = tool_find_mount(tool, true);
	if (status != STATUS_DONE)
		return status;
	loading.style.timeout = filelock_timeout(settings->nonblock, &settings->timeout);
	loading.is_matched = calloc(loading.n_patterns + 1, sizeof(bool));
	if (!loading.is_matched)
		return report_error(tool, NULL, -ENOMEM);
	loading.style.swept = &swept;
	progress_begin(&loading.progress, settings->style.quiet, 0);
	status = load(&loading);
	progress_end(&loading.progress);
	if (status == STATUS_DONE)
		status = check_patterns(&loading);
	if (loading.n_complete > 0 && !settings->style.quiet)
		depot_note_complete(tool, loading.source, loading.n_complete);
	if (status == STATUS_DONE && settings->verify && !settings->style.quiet)
		printf("%zu %s as saved\n", loading.n, loading.n == 1 ? "segment is" : "segments are");
	place_swept_free(&swept);
	free(loading.is_matched);
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, verify, "verify", 'c', NULL, "only check what was saved"),
	COMMAND_OPTION(OPTION_TEXT, settings, to, "to", 0, "DIRECTORY", "load into a directory of the mount"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.replace, "replace", 0, NULL,
		       "replace what exists; who has it open keeps the old"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.in_place, "in-place", 0, NULL,
		       "change the bytes of what exists, under its lock"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.resume, "resume", 0, NULL,
		       "continue: leave out what is complete"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.no_policy, "no-policy", 0, NULL, "leave policies out"),
	COMMAND_OPTION(OPTION_FLAG, settings, objects, "objects", 0, NULL, "synchronization objects, too"),
	COMMAND_OPTION(OPTION_TIME, settings, timeout, "timeout", 't', "TIME",
		       "wait so long for the lock of a segment"),
	COMMAND_OPTION(OPTION_FLAG, settings, nonblock, "nonblock", 'n', NULL, "do not wait for it"),
	COMMAND_OPTION(OPTION_FLAG, settings, style.quiet, "quiet", 'q', NULL, "no progress, no notes"),
	{0},
};

const struct command load_command = {
	.name = "load",
	.arguments = "DIRECTORY|FILE.tar|- [NAME]...",
	.summary = "Loads segments that 'segctl save' has saved, and checks them",
	.options = options,
	.more = "NAME is a segment, a directory, or a pattern of glob(7); without, all.\n\n"
		"Examples:\n"
		"  segctl load /backup video/ring\n"
		"  segctl load --replace --timeout 5s video.tar\n"
		"  segctl load --verify video.tar\n"
		"  ssh HOST segctl save video - | segctl load --to copies -\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = SIZE_MAX,
	.completes = ARGUMENT_FILE,
	.run = run,
};
