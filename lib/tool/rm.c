// SPDX-License-Identifier: MIT
/* segctl rm: removes names. */
#include "lib/segfs.h"
#include "lib/tool/common/command.h"
#include "lib/tool/common/remedy.h"
#include "lib/tool/common/target.h"
#include "lib/tool/internal.h"

#include <errno.h>

struct settings {
	bool force;
};

static int remove_one(struct tool *tool, const struct settings *settings, const char *name)
{
	static const struct remedy remedies[] = {
		{ENOENT, "there is no such segment; 'segctl ls' lists what there is"},
		{EISDIR, "this is a directory; use rmdir, or rm -r, on its path"},
		{ENOTDIR, "a part of its path is no directory"},
		{EACCES, "you may not remove names from its directory; ask the owner of that"},
		{EPERM, "only its owner, and the owner of a sticky directory, may remove it"},
		{0},
	};
	char path[PATH_MAX];
	int status = target_find(tool, name, path);
	int result;

	if (status != STATUS_DONE)
		return status;
	result = segfs_remove(name);
	if (result == 0 || (settings->force && result == -ENOENT))
		return STATUS_DONE;
	return remedy_report(tool, name, result, remedies);
}

static int run(struct tool *tool, void *given, int argc, char **argv)
{
	int status = STATUS_DONE;

	for (int i = 0; i < argc; i++) {
		const int result = remove_one(tool, given, argv[i]);

		if (status == STATUS_DONE)
			status = result;
	}
	return status;
}

static const struct command_option options[] = {
	COMMAND_OPTION(OPTION_FLAG, settings, force, "force", 'f', NULL, "what is not there is no error"),
	{0},
};

const struct command rm_command = {
	.name = "rm",
	.arguments = "NAME...",
	.summary = "Removes segments and objects; who uses them keeps them",
	.options = options,
	.more = "All are tried; the exit status is that of the first that was not removed.\n"
		"\nExamples:\n"
		"  segctl rm video/ring\n"
		"  segctl rm -f lock go slots\n"
		"  segctl rm sysv/0x0000c0de          as ipcrm -M 0xc0de\n",
	.settings_size = sizeof(struct settings),
	.min = 1,
	.max = SIZE_MAX,
	.completes = ARGUMENT_NAMES,
	.run = run,
};
