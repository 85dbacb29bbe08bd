// SPDX-License-Identifier: MIT
/* segctl check, purge: what the program segfs does without a mount. */
#include "lib/base/cleanup.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/daemon.h"
#include "lib/tool/common/prompt.h"
#include "lib/tool/common/report.h"
#include "lib/tool/common/text.h"
#include "lib/tool/common/tool.h"
#include "lib/tool/internal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct settings {
	bool yes;
};

/* Runs segfs OPTION ARGUMENT, which says itself what is wrong. */
static int run_segfs(struct tool *tool, const char *option, const char *argument)
{
	const char *const arguments[] = {"segfs", option, argument, NULL};
	int result = daemon_run(arguments, -1, false);

	if (result == -ENOENT)
		return report(tool, STATUS_NOT_AS_ASKED, NULL,
			      "the program segfs is neither beside segctl nor in PATH");
	if (result < 0)
		return report_error(tool, NULL, result);
	return result == 0 ? STATUS_DONE : STATUS_NOT_AS_ASKED;
}

static int run_check(struct tool *tool, void *given, int argc, char **argv)
{
	int status;

	(void)given;
	(void)argc;
	status = run_segfs(tool, "--check", argv[0]);
	if (status == STATUS_DONE && tool->is_terminal)
		printf("it is right\n");
	return status;
}

static int run_purge(struct tool *tool, void *given, int argc, char **argv)
{
	const struct settings *settings = given;
	_cleanup_free_ char *name = text_quote(argv[0]);
	char question[512];

	(void)argc;
	snprintf(question, sizeof(question),
		 "Remove the stores of instance %.300s, with all segments in memory?", name ? name : "?");
	if (!settings->yes && !isatty(STDIN_FILENO))
		return report(tool, STATUS_NOT_AS_ASKED, argv[0],
			      "nothing was removed, since nobody can be asked; use --yes");
	if (!settings->yes && !prompt_confirmed(question))
		return report(tool, STATUS_NOT_AS_ASKED, argv[0], "nothing was removed");
	return run_segfs(tool, "--purge", argv[0]);
}

static const struct command_option purge_options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, yes, "yes", 'y', NULL, "remove without asking"),
	{0},
};

const struct command check_command = {
	.name = "check",
	.arguments = "FILE",
	.summary = "Checks a configuration",
	.more = "Examples:\n"
		"  segctl check /etc/segfs/segfs.ini && segctl reload\n",
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_FILE,
	.run = run_check,
};

const struct command purge_command = {
	.name = "purge",
	.arguments = "INSTANCE",
	.summary = "Removes the stores of an instance that is not mounted",
	.options = purge_options,
	.more = "Directories on disk stay as they are. 'segctl status' shows names of instances.\n\n"
		"Examples:\n"
		"  segctl purge mnt-seg                   after umount /mnt/seg\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = 1,
	.completes = ARGUMENT_OTHER,
	.run = run_purge,
};
